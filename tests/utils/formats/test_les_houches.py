"""Les Houches files: events are copied with the header, and errors name what is wrong."""

import gzip
import io

import numpy as np
import pytest

from tests.toys import write_les_houches
from utils.formats.les_houches import copy_events
from utils.runtime.errors import UserError


@pytest.fixture
def path(tmp_path):
    return write_les_houches(tmp_path / "x.lhe", 3, np.arange(1, 6))


def copied(path, *wanted):
    copy_events(path, range(*wanted), to := io.BytesIO())
    return to.getvalue()


@pytest.mark.parametrize("wanted", [(0, 5), (1, 3), (4, 5)])
def test_events_are_copied_with_the_header(wanted, path):
    start, *events = path.read_bytes().split(b"<event>")
    end = b"</LesHouchesEvents>\n"
    expected = [b"<event>" + event.removesuffix(end) for event in events[slice(*wanted)]]
    assert copied(path, *wanted) == start + b"".join(expected) + end


def test_compressed_files_are_read(path):
    expected = copied(path, 1, 3)
    path.write_bytes(gzip.compress(path.read_bytes()))
    assert copied(path, 1, 3) == expected


def test_a_header_that_unfolds_to_more_than_any_is_not_copied(path):
    header, events = path.read_bytes().split(b"<init>")
    path.write_bytes(gzip.compress(header + b"<!--" + bytes(100 << 20) + b"-->\n<init>" + events, 1))
    with pytest.raises(UserError, match=r"x\.lhe: not a readable .* header or an event is larger than 64 MiB"):
        copied(path, 0, 5)


def test_too_few_events_are_said(path):
    with pytest.raises(UserError, match=r"x\.lhe: has 5 events, expected 6: this shard takes the events from 4 to 5"):
        copied(path, 4, 6)


def test_an_event_that_is_cut_short_does_not_count(path):
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(UserError, match=r"x\.lhe: has 4 events, expected 5"):
        copied(path, 0, 5)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not a Les Houches file"),
        (b"HepMC::Version 3\n" * 100, "not a Les Houches file: expected a block <init>, found none"),
        (gzip.compress(b"<init>\n" * 1000, mtime=0)[:-10], "not a readable Les Houches file, damaged or cut short"),
        (b"\x1f\x8b" + bytes(100), "not a readable Les Houches file"),
    ],
)
def test_other_files_are_refused(content, message, path):
    path.write_bytes(content)
    with pytest.raises(UserError, match=rf"x\.lhe: {message}"):
        copied(path, 0, 1)
    path.unlink()
    with pytest.raises(UserError, match=r"x\.lhe: no such file"):
        copied(path, 0, 1)


def test_an_event_in_a_comment_of_the_header_is_none(path):
    expected = copied(path, 0, 2)
    header, events = path.read_bytes().split(b"<init>")
    comment = b"<!--\n<event>\n</event>\n-->\n"
    path.write_bytes(header + comment + b"<init>" + events)
    assert copied(path, 0, 2) == expected.replace(b"<init>", comment + b"<init>")


def test_the_list_of_weights_is_no_block_init(path):
    header, events = path.read_bytes().split(b"<init>")
    path.write_bytes(header + b"<initrwgt>\n</initrwgt>\n<event>" + events.split(b"<event>", 1)[1])
    with pytest.raises(UserError, match=r"x\.lhe: not a Les Houches file: expected a block <init>, found none"):
        copied(path, 0, 1)


def changed_word(text, line, word, value):
    """Replace a word of a line, counted from <init>."""
    start, _, rest = text.partition(b"<init>\n")
    lines = rest.split(b"\n")
    words = lines[line].split()
    words[word] = value
    lines[line] = b" ".join(words)
    return start + b"<init>\n" + b"\n".join(lines)


class TestNumbersThatPythiaTrusts:
    """Lines from <init> on: 0 beams, 1 process, 2 end, 3 <event>, 4 its numbers, 5 to 8 particles."""

    @pytest.mark.parametrize(
        ("line", "word", "value", "message"),
        [
            (0, 9, b"1000000000", "block <init>: expected 1e.09 lines of processes, found 1"),
            (0, 2, b"nan", "block <init>: expected a line of 10 finite numbers, then lines of processes, found 1"),
            (1, 0, b"x", "block <init>: expected 1 lines of processes, found 0"),
            (4, 0, b"2000000000", "event 0: expected 2e.09 lines of particles, of 13 finite numbers each, found 4"),
            (4, 0, b"-4", "event 0: expected -4 lines"),
            (4, 0, b"3", "event 0: expected 3 lines"),
            (4, 2, b"nan", "event 0: expected a line of 6 finite numbers, then lines of particles"),
            (4, 2, b"1e40", "event 0: weight: expected at most 1e.30, found 1e.40"),
            (6, 8, b"inf", "event 0: expected 4 lines of particles, of 13 finite numbers each, found 1"),
            (7, 3, b"700", "event 0, particle 3: expected a status among -9, .* from 0 to 4, found 1 and 1 and 700"),
            (7, 1, b"7", "event 0, particle 3: expected a status .*, found 7 and 1 and 2"),
            (7, 1, b"-1", "event 0: expected 2 incoming particles, of status -1, found 3"),
            (7, 1, b"2", r"event 0: expected outgoing particles, .*, found a difference of 170\.473 GeV"),
            (5, 1, b"1", "event 0: expected 2 incoming particles, of status -1, found 1"),
            (7, 2, b"3", "event 0: expected mothers from which no particle descends itself, found 3, 3"),
            (5, 2, b"3", "event 0: expected mothers from which no particle descends itself, found (1, 3, 1|3, 1, 3)"),
            (
                8,
                6,
                b"1e30",
                r"event 0, particle 4: expected px, py, pz, energy and mass within \+-1e.06 GeV, found 1e.30",
            ),
        ],
    )
    def test_are_checked(self, line, word, value, message, path):
        path.write_bytes(changed_word(path.read_bytes(), line, word, value))
        with pytest.raises(UserError, match=rf"x\.lhe: {message}"):
            copied(path, 0, 5)

    def test_are_those_of_the_events_that_are_taken(self, path):
        path.write_bytes(changed_word(path.read_bytes(), 7, 1, b"7"))
        assert copied(path, 1, 5).count(b"<event>") == 4

    def test_comments_and_weights_may_follow_the_particles(self, path):
        text = path.read_bytes().replace(b"</event>", b"#pdf 1 2 3\n<rwgt>\n<wgt id='1'> 3.0 </wgt>\n</rwgt>\n</event>")
        path.write_bytes(text.replace(b"\n", b"\r\n"))
        assert copied(path, 0, 5).count(b"<rwgt>") == 5


def test_an_event_without_an_end_is_left_out(path):
    start, first, *others = path.read_bytes().split(b"<event>")
    path.write_bytes(b"<event>".join([start, first.replace(b"</event>\n", b""), *others]))
    assert copied(path, 0, 4).split(b"<event>")[1:4] == others[:3]
