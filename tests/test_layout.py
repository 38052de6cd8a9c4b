"""Imports lead down only: between folders by the list of levels, between files without a circle."""

import ast
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
# Each file and folder imports from its own level and from those above it in this list.
LEVELS = (
    ("utils.compat", "utils.runtime"),
    (
        "utils.variables",
        "utils.processes",
        "utils.event_layout",
        "utils.l1_events",
        "utils.data_processing",
        "utils.cutflow",
        "utils.cli",
    ),
    ("utils.formats",),
    ("utils.simulation", "utils.hardware", "utils.l1_sources"),
    ("utils.training",),
    ("utils.predictions", "utils.evaluation"),
    ("nn.compat",),
    (
        "nn.tensors",
        "nn.layers",
        "nn.losses",
        "nn.metrics",
        "nn.devices",
        "nn.ranges",
        "nn.attention",
        "nn.graph_inputs",
    ),
    ("nn.teacher", "nn.student"),
    ("nn.prediction", "nn.trained", "nn.correction", "nn.onnx_export", "nn.saved_models"),
    ("nn.training",),
    ("nn.search", "nn.firmware"),
    ("utils.plotting",),
    ("utils.steps", "utils.config", "utils.run_times"),
)
LEVEL = {name: number for number, names in enumerate(LEVELS) for name in names}


def module_name(path):
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def imported_names(path):
    """Return the names of all modules that a file imports, also within its functions."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import"
            submodules = {f"{node.module}.{alias.name}" for alias in node.names}
            names |= (submodules & MODULES.keys()) or {node.module}
    return names


MODULES = {module_name(path): path for folder in ("utils", "nn") for path in sorted((ROOT / folder).rglob("*.py"))}
IMPORTS = {name: imported_names(path) for name, path in MODULES.items()}
OWN = {name: imported & MODULES.keys() for name, imported in IMPORTS.items()}


def place(module):
    """Return the folder of a module, or the module where it stands in none."""
    return ".".join(module.split(".")[:2])


def importers(package, library):
    """Return the modules of a package that import a library."""
    inside = [name for name in MODULES if f"{name}.".startswith(f"{package}.")]
    assert inside
    return [name for name in inside if any(f"{imported}.".startswith(f"{library}.") for imported in IMPORTS[name])]


def test_each_place_has_a_level():
    assert {place(name) for name in MODULES} - {"utils", "nn"} == LEVEL.keys()


def test_imports_lead_to_the_same_level_or_above():
    upward = [
        f"{name} imports {imported}"
        for name in OWN
        for imported in OWN[name]
        if "." in name and "." in imported and LEVEL[place(imported)] > LEVEL[place(name)]
    ]
    assert upward == []


def test_no_files_import_each_other_in_a_circle():
    TopologicalSorter(OWN).prepare()  # a CycleError names the circle


def test_no_folders_import_each_other_in_a_circle():
    places = {}
    for name, imported in OWN.items():
        places.setdefault(place(name), set()).update(set(map(place, imported)) - {place(name)})
    TopologicalSorter(places).prepare()


@pytest.mark.parametrize(
    ("package", "library"),
    [
        *(("utils", library) for library in ("keras", "tensorflow", "nn")),
        *(("nn", library) for library in ("h5py", "matplotlib")),
        *((f"utils.{name}", "matplotlib") for name in ("simulation", "training", "predictions", "evaluation")),
    ],
)
def test_a_package_does_without_a_library(package, library):
    assert importers(package, library) == []


def test_tests_mirror_the_tree():
    tests = ROOT / "tests"
    places = {path.with_suffix("") for folder in ("utils", "nn") for path in (ROOT / folder).rglob("*")}
    alone = [
        str(path)
        for folder in ("utils", "nn")
        for path in (tests / folder).rglob("test_*.py")
        if ROOT / path.relative_to(tests).parent / path.stem.removeprefix("test_") not in places
    ]
    assert alone == []
