"""The snippet of the tutorial that takes a trained teacher."""

import pytest

from tests.docs.test_snippets import ROOT, blocks_of
from tests.toys import random_nanoaod, write_nanoaod


@pytest.mark.slow
def test_the_correction_is_used_in_python(met_teacher, smeared_folder, tmp_path, monkeypatch, capsys):
    blocks = blocks_of(ROOT / "docs" / "tutorials" / "met_teacher.md")
    (snippet,) = [block.text for block in blocks if "load_correction" in block.text]
    (objects,) = [block.text for block in blocks if "met(objects)" in block.text]
    blocks = blocks_of(ROOT / "docs" / "howto" / "apply_correction.md")
    (plot,) = [block.text for block in blocks if "load_correction" in block.text]
    (tmp_path / "output" / "l1_regression").mkdir(parents=True)
    (tmp_path / "output" / "teacher_true_met").symlink_to(met_teacher)
    (tmp_path / "output" / "l1_regression" / "test.h5").symlink_to(smeared_folder / "test.h5")
    write_nanoaod(tmp_path / "nano.root", random_nanoaod(100))
    monkeypatch.chdir(tmp_path)
    names = {}
    exec(snippet, names)
    printed = capsys.readouterr().out
    exec(objects, names)
    exec(plot, {})
    assert {path.name for path in tmp_path.glob("*.png")} == {"met.png", "corrected_met.png"}
    assert len(names["l1_met"]) == len(names["corrected_met"]) > 0
    without_jet = (names["events"].smeared_data[:, 8:, 0] == 0).all(axis=1)
    calibration = names["corrected"].training.calibration or (lambda sums: sums)  # None after few events
    assert (calibration(names["l1_met"]) == names["corrected_met"])[without_jet].all()
    assert printed.startswith(f"{len(names['l1_met'])} ")
