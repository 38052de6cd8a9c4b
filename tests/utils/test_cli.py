"""How scripts fail, and how they read numbers and lists."""

import argparse
import io
import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from utils import cli
from utils.cli import comma_separated, named_numbers, number, parser, progress, script
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
    def test_that_fails_as_expected_says_so_in_one_line_and_exits_with_1(self, error, line, capsys):
        assert failing_with(error)([]) == 1
        assert capsys.readouterr().err == line

    def test_that_is_interrupted_exits_with_130(self, capsys):
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


class TestParser:
    def test_flags_are_not_abbreviated(self):
        args = parser("Text.")
        args.add_argument("--threshold", type=number(float))
        assert args.parse_args(["--threshold", "2"]).threshold == 2
        with pytest.raises(SystemExit):
            args.parse_args(["--thresh", "2"])

    def test_an_error_is_one_line_whatever_the_argument(self, capsys):
        with pytest.raises(SystemExit):
            parser(None).parse_args(["a\nb\n\nc"])
        assert capsys.readouterr().err.splitlines()[-1].endswith("error: unrecognized arguments: a b c")

    def test_help_shows_defaults(self):
        args = parser("Text.")
        args.add_argument("--threshold", default=7.25, help="in GeV")
        assert "in GeV (default: 7.25)" in args.format_help()

    def test_message_of_a_bad_number_names_the_flag_and_the_value(self, capsys):
        args = parser(None)
        args.add_argument("--threshold", type=number(float, 0))
        with pytest.raises(SystemExit) as left:
            args.parse_args(["--threshold=-3"])
        assert left.value.code == 2
        message = capsys.readouterr().err.splitlines()[-1]
        assert "--threshold: expected a number of at least 0, found '-3'" in message


class TestNumber:
    @pytest.mark.parametrize(
        ("kind", "text", "value"), [(int, "12", 12), (int, "-3", -3), (float, "1e3", 1000.0), (float, "-0.5", -0.5)]
    )
    def test_without_bounds(self, kind, text, value):
        parsed = number(kind)(text)
        assert parsed == value
        assert type(parsed) is kind

    @pytest.mark.parametrize("text", ["", "x", "1.5", "1e3", "nan", "inf"])
    def test_what_is_no_integer_is_refused(self, text):
        with pytest.raises(argparse.ArgumentTypeError, match=f"expected an integer, found '{text}'"):
            number(int)(text)

    @pytest.mark.parametrize("text", ["", "x", "1,5", "nan", "inf", "-inf", "1e999"])
    def test_what_is_no_finite_number_is_refused(self, text):
        with pytest.raises(argparse.ArgumentTypeError, match="expected a number"):
            number(float)(text)

    @given(st.floats(allow_nan=False, allow_infinity=False))
    def test_closed_bounds_are_allowed_and_nothing_beyond(self, value):
        parse = number(float, -1, 2)
        if -1 <= value <= 2:
            assert parse(repr(value)) == value
        else:
            with pytest.raises(argparse.ArgumentTypeError, match="of at least -1 of at most 2"):
                parse(repr(value))

    def test_open_bound_itself_is_refused(self):
        parse = number(float, above=0, maximum=0.9)
        assert parse("1e-300") == 1e-300
        assert parse("0.9") == 0.9
        with pytest.raises(argparse.ArgumentTypeError, match=r"expected a number above 0 of at most 0\.9, found '0'"):
            parse("0")


class TestCommaSeparated:
    def test_items(self):
        assert comma_separated(str)("QCD, W ,ttbar") == ("QCD", "W", "ttbar")
        assert comma_separated(number(float, 0))("1,0.5") == (1.0, 0.5)

    @pytest.mark.parametrize("text", ["", "  "])
    def test_nothing_is_no_items(self, text):
        assert comma_separated(str)(text) == ()

    @pytest.mark.parametrize("text", ["1,", ",", "1,,2", "1;2"])
    def test_each_item_is_checked(self, text):
        with pytest.raises(argparse.ArgumentTypeError, match="expected a number of at least 0, found"):
            comma_separated(number(float, 0))(text)


class TestNamedNumbers:
    def test_are_found(self):
        assert named_numbers("QCD=4, a=b=0.5") == {"QCD": 4.0, "a=b": 0.5}
        assert named_numbers(" ") == {}

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("QCD", "expected NAME=NUMBER, found 'QCD'"),
            ("=1", "expected NAME=NUMBER, found '=1'"),
            ("QCD=1,W=", "expected a number above 0, found ''"),
            ("QCD=0", "expected a number above 0, found '0'"),
            ("QCD=inf", "expected a number above 0, found 'inf'"),
            ("QCD=1,QCD=2", "'QCD' is given twice"),
        ],
    )
    def test_that_are_none_are_refused(self, text, message):
        with pytest.raises(argparse.ArgumentTypeError, match=message):
            named_numbers(text)


def test_progress_is_logged_where_there_is_no_terminal(caplog, monkeypatch):
    monkeypatch.setattr(cli.sys, "stderr", io.StringIO())
    with caplog.at_level(logging.INFO), progress(300, "smear W") as bar:
        bar.update(100)
        bar.update(200)
    assert "smear W: 300 of 300 events" in caplog.messages[-1]
