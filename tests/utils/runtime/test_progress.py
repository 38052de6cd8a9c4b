"""Progress without a terminal."""

import io
import logging
import sys

from utils.runtime.progress import progress


def test_progress_is_logged_without_a_terminal(caplog, monkeypatch):
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    with caplog.at_level(logging.INFO), progress(300, "smear W") as bar:
        bar.update(100)
        bar.update(200)
    assert "smear W: 300 of 300 events" in caplog.messages[-1]
