"""Emulators for CMSSW: two versions of a package in one process. The export of a student is in test_export_firmware."""

import re
import shutil
import subprocess
from dataclasses import replace

import numpy as np
import pytest

from utils.data_processing import graph_creator
from utils.event_layout import JETS
from utils.hardware.emulator import emulate, write_emulator
from utils.hardware.inputs import StudentInputs
from utils.hardware.logic import event_symbols, symbolic_inputs, trace_logic
from utils.hardware.ports import input_ports, random_words, word_events
from utils.hardware.scales import HardwareScales
from utils.runtime.errors import UserError

MODELS = ("L1METRegression_v1", "L1METRegression_v2")
INPUTS = StudentInputs(
    graph_creator("true_met"),
    HardwareScales(phi_steps=8, table_bits=3, feature_bits=2, object_saturation=63, sum_saturation=255),
)
PORTS = input_ports(INPUTS)
PT, ETA, PHI, MET_PHI, MET, HT = slice(0, 18), slice(18, 36), slice(36, 54), 54, 55, 56  # positions of the inputs


def corrected(network_inputs, version):
    """Compute a corrected sum from all features: of symbols or numbers, another one for each version."""
    objects, _, _, lowest, highest = network_inputs
    features = sum(objects[:, slot, i] * (version / 4) for i in (1, 2, 3) for slot in (0, 5, 8, 9))
    return np.minimum(np.maximum(features[:, None], lowest), highest)


def logic_of_version(version):
    event = event_symbols(PORTS)
    return trace_logic(PORTS, event, corrected(symbolic_inputs(INPUTS, event), version))


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    """Return the folder of a package with both versions, installed in ``installed``, and the steps of their outputs."""
    tmp = tmp_path_factory.mktemp("emulator")
    logics = [logic_of_version(version) for version in (1, 2)]
    for version, logic in enumerate(logics, 1):
        assert write_emulator(INPUTS, logic, tmp / f"package_{version}", version) == MODELS[version - 1]
    folder = tmp / "package_1"
    shutil.copytree(tmp / "package_2" / MODELS[1], folder / MODELS[1])
    makefile = (folder / "Makefile").read_text()
    assert makefile.count("VERSIONS := 1\n") == 1
    (folder / "Makefile").write_text(makefile.replace("VERSIONS := 1\n", "VERSIONS := 1 2\n"))
    make = ["make", "install", "test", f"PREFIX={folder / 'installed'}", "CXXFLAGS=-O0"]
    subprocess.run(make, cwd=folder, check=True, capture_output=True)
    return folder, [logic.out_qint[0].step for logic in logics]


def run(folder, events):
    libraries = [folder / "installed" / "lib64" / f"{model}.so" for model in MODELS]
    command = [folder / "test" / "run_emulator", *libraries]
    return subprocess.run(command, input=events, capture_output=True, text=True, check=False)


def test_two_versions_in_one_process_give_their_own_corrected_sums(package):
    """Of random events; of those without jets, which keep their MET, and of saturated ones; also out of range."""
    folder, steps = package
    words = random_words(PORTS, 900, seed=1).astype(int)
    words[100:400, JETS] = 0
    words[400:500, 9] = 63
    words[500:600, MET] = 255
    beyond = words.copy()
    beyond[:, PHI] += 8 * np.arange(-9, 9)
    beyond[:, MET_PHI] -= 80
    for columns, highest in ((PT, 63), (ETA, 127), (MET, 255), (HT, 255)):
        beyond[:, columns][words[:, columns] == highest] += 10_000
    beyond[:, PT][words[:, PT] == 0] = -1
    assert (beyond != words).any(axis=0).sum() > 50

    found = run(folder, "\n".join(" ".join(map(str, event)) for event in [*words, *beyond]))
    assert found.stderr.startswith("1800 events, ")
    results = np.array(found.stdout.split(), int).reshape(2, 900, 2) * steps
    network_inputs = INPUTS.network_inputs(word_events(PORTS, words))
    expected = np.concatenate([corrected(network_inputs, version) for version in (1, 2)], axis=1)
    np.testing.assert_array_equal(results, [expected, expected])
    assert (expected[:, 0] != expected[:, 1]).sum() > 100
    saturated = (words[:, PT] == 63).any(axis=1) | (words[:, [MET, HT]] == 255).any(axis=1)
    unchanged = ~saturated & (words[:, JETS] == 0).all(axis=1)
    assert min(saturated.sum(), unchanged.sum()) > 100
    assert (expected[saturated] == 255 / 4).all()
    np.testing.assert_array_equal(expected[unchanged], words[unchanged][:, [MET, MET]] / 4)


def test_a_library_shows_no_more_than_its_two_functions(package):
    folder, _ = package
    command = ["nm", "--dynamic", "--defined-only", folder / f"{MODELS[0]}.so"]
    symbols = [line.split()[-2:] for line in subprocess.check_output(command, text=True).splitlines()]
    assert {name for kind, name in symbols if kind == "T"} == {"create_model", "destroy_model"}
    assert not [name for _, name in symbols if "Regression" in name or "ap_" in name]


def test_a_package_checks_itself_with_vectors(package, tmp_path):
    """Of an empty event, whose result is 0: in the second list another result is wanted."""
    folder, _ = package
    for result, code in ((0, 0), (1, 2)):
        zeros = " ".join(["0"] * 57)
        (tmp_path / "vectors.txt").write_text(f"# event kind\n0 empty {zeros} 0\n1 empty {zeros} {result}\n")
        command = ["make", "check", "CXXFLAGS=-O0", f"VECTORS={tmp_path / 'vectors.txt'}"]
        found = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
        assert found.returncode == code
        assert ("PASS: 2 events" in found.stdout) == (code == 0)


@pytest.mark.parametrize(("events", "message"), [("1 2\n", "expected 57 integers"), ("x\n", "not an integer")])
def test_a_file_that_is_no_list_of_events(package, events, message):
    found = run(package[0], events)
    assert (found.returncode, found.stderr.strip()) == (1, f"event 0: {message}")


def test_the_header_is_installed_and_says_what_the_integers_are(package):
    folder, steps = package
    assert sorted(path.name for path in (folder / "installed").rglob("*.h")) == [f"{model}.h" for model in MODELS]
    header = (folder / "installed" / "include" / "L1METRegression" / f"{MODELS[1]}.h").read_text()
    for line in (
        "using Inputs = std::array<int, 57>;",
        "inline constexpr std::size_t phi = 36;",
        "inline constexpr std::size_t ht = 56;",
        f"inline constexpr double result_step = {2 * steps[1]:g};",
    ):
        assert line in header.splitlines()
    readme = (folder / "README.md").read_text().splitlines()
    assert "| `eta` | 18 | 18 | 0.0435 | -127 | 127 |" in readme
    assert "| `met_phi` | 54 | 1 | 1/8 of a turn | 0 | 7 |" in readme
    assert "Slots are 0 to 3 muons, 4 to 7 e/g, 8 to 17 jets." in readme


def test_the_header_has_all_digits_of_the_step_of_the_result(tmp_path):
    """Steps of 2^-10 GeV, whose sum has steps that six digits do not hold."""
    inputs = StudentInputs(graph_creator("true_met"), replace(INPUTS.scales, energy_step=2**-10))
    logic = logic_of_version(1)
    model = write_emulator(inputs, logic, tmp_path / "package", 1)
    header = (tmp_path / "package" / model / f"{model}.h").read_text()
    (step,) = re.findall(r"result_step = (.*);", header)
    readme = (tmp_path / "package" / "README.md").read_text()
    assert f"largest one, {round(255 / 4 / logic.out_qint[0].step)} steps of {step} GeV." in readme
    assert float(step) == 2**-8 * logic.out_qint[0].step != float(f"{float(step):g}")


def test_equal_students_give_equal_files(tmp_path):
    logic = logic_of_version(1)
    contents = []
    for name in ("a", "b"):
        write_emulator(INPUTS, logic, tmp_path / name, 3)
        files = sorted(path for path in (tmp_path / name).rglob("*") if path.is_file())
        contents.append({path.relative_to(tmp_path / name): path.read_bytes() for path in files})
    assert contents[0] == contents[1]
    text = b"".join(contents[0].values())
    assert not re.findall(rb"@[A-Z_]+@", text)
    assert str(tmp_path).encode() not in text


def test_code_that_does_not_compile_is_an_error(tmp_path):
    (tmp_path / "Makefile").write_text("test:\n\tfalse\n")
    with pytest.raises(UserError, match="the emulator for CMSSW does not compile"):
        emulate(tmp_path, "L1METRegression_v1", np.zeros((1, 57)))
