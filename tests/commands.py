"""Calls of scripts within the process of a test that have to fail."""

import contextlib
import io

import pytest


def error_of(main, argv):
    """Run a script that has to fail in one line with exit code 1, and return that line."""
    with contextlib.redirect_stderr(io.StringIO()) as stderr:
        code = main([str(word) for word in argv])
    error = stderr.getvalue()
    assert code == 1
    assert error.startswith("error: ")
    assert error.count("\n") == 1
    return error


def usage_error_of(main, argv):
    """Run a script with arguments that it has to refuse with exit code 2, and return the reason."""
    with contextlib.redirect_stderr(io.StringIO()) as stderr, pytest.raises(SystemExit) as left:
        main([str(word) for word in argv])
    assert left.value.code == 2
    return stderr.getvalue().splitlines()[-1]
