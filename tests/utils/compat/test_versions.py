import re
import tomllib
import types
from pathlib import Path

import pytest

from utils.compat import versions
from utils.compat.versions import replaced, require_version

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize("found", ["0.8.2", "0.8.10", "0.8.2.post1", "0.8.3rc1"])
def test_a_known_version_is_accepted(found, monkeypatch):
    monkeypatch.setattr(versions, "version", lambda library: found)
    require_version("alkaid", "0.8.2", "0.9")


@pytest.mark.parametrize("found", ["0.8.1", "0.9.0", "0.10", "1.0"])
def test_another_version_is_refused_by_name(found, monkeypatch):
    monkeypatch.setattr(versions, "version", lambda library: found)
    with pytest.raises(ImportError, match=rf"^alkaid {found}: expected a version from 0\.8\.2 and below 0\.9,"):
        require_version("alkaid", "0.8.2", "0.9")


def test_an_attribute_is_replaced_for_a_block_also_where_it_fails():
    owner = types.SimpleNamespace(value=1)
    with pytest.raises(ZeroDivisionError), replaced(owner, "value", 2):
        assert owner.value == 2
        owner.value / 0
    assert owner.value == 1


def test_an_attribute_that_does_not_exist_is_an_error():
    with pytest.raises(AttributeError, match="value"), replaced(types.SimpleNamespace(), "value", 1):
        pass


def test_known_versions_are_those_of_the_dependencies():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    dependencies = [*project["dependencies"], *project["optional-dependencies"]["export"]]
    modules = [*ROOT.glob("utils/compat/*.py"), *ROOT.glob("nn/compat/*.py")]
    calls = [
        re.findall(r'^require_version\("(.+)", "(.+)", "(.+)"\)$', path.read_text(), re.MULTILINE) for path in modules
    ]
    found = [f"{library}>={minimum},<{below}" for of_module in calls for library, minimum, below in of_module]
    assert len(found) >= 9
    assert set(found) <= set(dependencies)
