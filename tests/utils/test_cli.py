"""Exit codes and error messages of scripts."""

import pytest

from utils.cli import script
from utils.runtime.errors import UserError


def failing_with(error):
    """Return a script that raises an error."""

    @script
    def main(argv=None):
        raise error

    return main


class TestScript:
    def test_that_ends_exits_with_0(self, capsys):
        seen = []
        main = script(seen.append)
        assert main(["--flag"]) == 0
        assert seen == [["--flag"]]
        assert capsys.readouterr().err == ""

    @pytest.mark.parametrize(
        ("error", "line"),
        [
            (UserError("file.h5: what is wrong"), "error: file.h5: what is wrong\n"),
            (UserError("first\n  second\tthird\n"), "error: first second third\n"),
            (FileNotFoundError(2, "No such file", "x.h5"), "error: [Errno 2] No such file: 'x.h5'\n"),
            (OSError(28, "No space left on device"), "error: [Errno 28] No space left on device\n"),
        ],
    )
    def test_an_expected_failure_is_one_line_and_exit_code_1(self, error, line, capsys):
        assert failing_with(error)([]) == 1
        assert capsys.readouterr().err == line

    def test_an_interrupt_is_exit_code_130(self, capsys):
        assert failing_with(KeyboardInterrupt())([]) == 130
        assert capsys.readouterr().err == "error: interrupted\n"

    @pytest.mark.parametrize("error", [ValueError("a bug"), KeyError("a bug"), SystemExit(2)])
    def test_bugs_and_exits_pass_through(self, error):
        with pytest.raises(type(error)):
            failing_with(error)([])

    def test_keeps_name_and_description(self):
        @script
        def main(argv=None):
            """Do something."""

        assert (main.__name__, main.__doc__) == ("main", "Do something.")
