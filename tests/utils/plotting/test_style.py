import json

import matplotlib.pyplot as plt
import pytest

from utils.plotting.style import in_style, save, start


@in_style
def labelled(ax=None):
    return start(ax, "W")


def test_save_writes_all_formats_whole_and_closes(tmp_path):
    fig = plt.figure()
    save(fig, tmp_path / "folder" / "turn_on_0.5_W")
    folder = tmp_path / "folder"
    assert sorted(path.name for path in folder.iterdir()) == [
        f"turn_on_0.5_W.{kind}" for kind in ("json", "pdf", "png")
    ]
    assert json.loads((folder / "turn_on_0.5_W.json").read_text()) == {"panels": []}
    assert (folder / "turn_on_0.5_W.pdf").read_bytes().startswith(b"%PDF")
    assert (folder / "turn_on_0.5_W.png").read_bytes().startswith(b"\x89PNG")
    assert not plt.fignum_exists(fig.number)


def test_save_is_the_same_each_time(tmp_path):
    for name in ("a", "b"):
        save(labelled()[0], tmp_path / name)
    for suffix in (".pdf", ".png", ".json"):
        assert (tmp_path / f"a{suffix}").read_bytes() == (tmp_path / f"b{suffix}").read_bytes()


def test_save_that_fails_leaves_nothing(tmp_path, monkeypatch):
    fig = plt.figure()
    monkeypatch.setattr(fig, "savefig", lambda path, **_: path.write_text("half") and 1 / 0)
    with pytest.raises(ZeroDivisionError):
        save(fig, tmp_path / "plot")
    assert list(tmp_path.iterdir()) == []
    assert not plt.fignum_exists(fig.number)
