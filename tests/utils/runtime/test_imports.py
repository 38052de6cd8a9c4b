"""Modules that a script imports, found in its text."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.configuration import ROOT
from utils.runtime.imports import EXCEPTIONS, WITHOUT_NUMBERS, imported_modules, numeric_modules


class TestModules:
    def test_are_found_through_others_in_all_ways_to_import(self, tmp_path):
        contents = {
            "main.py": "import os\nimport utils.a\nfrom utils import b, missing\nfrom utils.c import thing\n",
            "utils/a.py": "import numpy\n",
            "utils/b.py": "def f():\n    from nn.deep import x\n",
            "utils/c.py": "import utils.a\nfrom utils import b\n",
            "utils/unused.py": "",
            "nn/deep.py": "if True:\n    import utils.d as e\n",
            "utils/d.py": "from main import nothing\n",
            "other/x.py": "",
        }
        for name, text in contents.items():
            (tmp_path / name).parent.mkdir(exist_ok=True)
            (tmp_path / name).write_text(text)
        found = [str(path.relative_to(tmp_path)) for path in imported_modules(tmp_path / "main.py")]
        assert found == ["nn/deep.py", "utils/a.py", "utils/b.py", "utils/c.py", "utils/d.py"]

    def test_of_the_data_steps_are_without_the_network(self):
        for script in ("generate_events", "create_L1regression_data", "selective_sampling_jets"):
            found = imported_modules(ROOT / f"{script}.py")
            assert ROOT / "utils" / "runtime" / "paths.py" in found
            assert not any(path.is_relative_to(ROOT / "nn") for path in found)

    def test_of_the_training_are_with_the_network_that_it_imports_late(self):
        found = imported_modules(ROOT / "train_teacher.py")
        assert {ROOT / "nn" / name for name in ("layers.py", "losses.py", "teacher.py")} <= {*found}
        assert ROOT / "utils" / "event_layout.py" in found  # through the graphs
        assert ROOT / "utils" / "simulation" / "detector.py" not in found

    @pytest.mark.parametrize("script", ["train_teacher", "train_student"])
    def test_with_numbers_are_those_that_compute(self, script):
        found = {str(path.relative_to(ROOT)) for path in numeric_modules(ROOT / f"{script}.py")}
        computing = ("data_processing", "variables", "formats/l1_files", "runtime/random_streams", "runtime/compiled")
        training = ("batches", "loss_weights", "normalisation", "ragged_graphs", "training_graphs")
        assert {f"utils/{name}.py" for name in computing} <= found
        assert {f"utils/training/{name}.py" for name in training} <= found
        assert {"nn/layers.py", "nn/losses.py", "nn/training/fit.py"} <= found
        left_out = ("utils/plotting", "utils/steps", "utils/evaluation", "utils/cli.py", "utils/runtime/signals.py")
        assert not any(name.startswith(left_out) for name in found)

    def test_that_a_network_imports_count_without_being_listed(self, tmp_path):
        for name in (*WITHOUT_NUMBERS, *EXCEPTIONS):
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).touch() if name.endswith(".py") else (tmp_path / name).mkdir(exist_ok=True)
        (tmp_path / "train.py").write_text("import nn.model, utils.plotting.style\n")
        (tmp_path / "nn").mkdir()
        (tmp_path / "nn" / "model.py").write_text("import utils.new, utils.runtime.compiled, utils.cli\n")
        (tmp_path / "utils" / "new.py").touch()
        (tmp_path / "utils" / "plotting" / "style.py").write_text("import utils.colours\n")
        (tmp_path / "utils" / "colours.py").touch()
        found = [str(path.relative_to(tmp_path)) for path in numeric_modules(tmp_path / "train.py")]
        assert found == ["nn/model.py", "utils/new.py", "utils/runtime/compiled.py"]
        (tmp_path / "utils" / "cli.py").unlink()
        with pytest.raises(FileNotFoundError, match=r"utils/cli\.py: is left out .* but is not there"):
            numeric_modules(tmp_path / "train.py")


@pytest.mark.parametrize(
    "script", ["generate_events", "selective_sampling_jets", "analyze_results_teacher", "apply_correction"]
)
def test_scripts_import_no_module_that_the_workflow_does_not_know_of(script):
    code = f"import sys, {script}\nfor m in list(sys.modules.values()):\n    print(getattr(m, '__file__', None) or '')"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    output = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    ).stdout
    loaded = {Path(line) for line in output.splitlines() if line.startswith((f"{ROOT}/utils/", f"{ROOT}/nn/"))}
    loaded = {path for path in loaded if path.name != "__init__.py"}
    assert len(loaded) > 3
    assert loaded <= set(imported_modules(ROOT / f"{script}.py"))
