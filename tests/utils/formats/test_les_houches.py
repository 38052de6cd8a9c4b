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


def test_an_event_without_an_end_is_left_out(path):
    start, first, *others = path.read_bytes().split(b"<event>")
    path.write_bytes(b"<event>".join([start, first.replace(b"</event>\n", b""), *others]))
    assert copied(path, 0, 4).split(b"<event>")[1:4] == others[:3]
