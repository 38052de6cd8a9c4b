"""The snippet of the tutorial that takes a trained teacher."""

import pytest

from tests.docs.test_snippets import ROOT, blocks_of


@pytest.mark.slow
def test_the_correction_is_used_in_python(met_teacher, smeared_folder, tmp_path, monkeypatch, capsys):
    blocks = blocks_of(ROOT / "docs" / "tutorials" / "met_teacher.md")
    (snippet,) = [block.text for block in blocks if "load_trained" in block.text]
    (tmp_path / "output" / "l1_regression").mkdir(parents=True)
    (tmp_path / "output" / "teacher_true_met").symlink_to(met_teacher)
    (tmp_path / "output" / "l1_regression" / "test.h5").symlink_to(smeared_folder / "test.h5")
    monkeypatch.chdir(tmp_path)
    names = {}
    exec(snippet, names)
    assert len(names["l1_met"]) == len(names["corrected_met"]) > 0
    without_jet = names["predictions"].jets == 0
    calibration = names["training"].calibration or (lambda sums: sums)  # None after few events
    assert (calibration(names["l1_met"]) == names["corrected_met"])[without_jet].all()
    assert capsys.readouterr().out.startswith(f"{len(names['l1_met'])} ")
