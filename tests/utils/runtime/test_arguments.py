"""How scripts read numbers and lists."""

import argparse

import pytest
from hypothesis import given
from hypothesis import strategies as st

from utils.runtime.arguments import comma_separated, named_numbers, number, parser


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
            with pytest.raises(argparse.ArgumentTypeError, match="of at least -1 and of at most 2"):
                parse(repr(value))

    def test_open_bound_itself_is_refused(self):
        parse = number(float, above=0, maximum=0.9)
        assert parse("1e-300") == 1e-300
        assert parse("0.9") == 0.9
        with pytest.raises(
            argparse.ArgumentTypeError, match=r"expected a number above 0 and of at most 0\.9, found '0'"
        ):
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
