from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ephemeral_castle.postgres.lsn import MAXIMUM, Lsn
from ephemeral_castle.postgres.segments import History, Segment, listed_segments

MIB = 1024 * 1024
SIZES = st.sampled_from([2**power for power in range(20, 31)])


@given(st.integers(0, MAXIMUM))
def test_lsn_text_round_trip(value: int):
    assert Lsn.parse(str(Lsn(value))) == Lsn(value)


def test_lsn_reads_padded_and_lower_case_and_prints_as_postgresql():
    assert str(Lsn.parse("0/0A000028")) == "0/A000028"
    assert str(Lsn.parse("16/b374d848\n")) == "16/B374D848"


@pytest.mark.parametrize("text", ["", "0", "0/", "/0", "0/0/0", "x/1", "0/123456789", "-1/0", "0 / 1", "０/1"])
def test_lsn_refuses(text: str):
    with pytest.raises(ValueError, match="LSN"):
        Lsn.parse(text)


def test_lsn_compares_as_a_number():
    assert Lsn.parse("0/9000000") < Lsn.parse("0/10000000") < Lsn.parse("1/0")
    assert Lsn.parse("1/0") - Lsn.parse("0/FFFFFFFF") == 1
    with pytest.raises(ValueError, match="2\\*\\*64"):
        Lsn(-1)


@pytest.mark.parametrize(
    ("name", "size", "start"),
    [
        ("000000010000000000000001", 16 * MIB, "0/1000000"),
        ("0000000100000000000000FF", 16 * MIB, "0/FF000000"),
        ("000000010000000100000000", 16 * MIB, "1/0"),
        ("000000030000000200000003", 1024 * MIB, "2/C0000000"),
        ("000000010000000000000FFF", 1 * MIB, "0/FFF00000"),
    ],
)
def test_segment_names_and_positions(name: str, size: int, start: str):
    segment = Segment.parse(name, size)
    assert str(segment.start(size)) == start
    assert segment.name(size) == name
    assert Segment.of(segment.timeline, Lsn.parse(start), size) == segment


def test_next_segment_carries_over():
    assert Segment.parse("0000000200000000000000FF").next().name() == "000000020000000100000000"
    assert Segment.parse("000000020000000000000003", 1024 * MIB).next().name(1024 * MIB) == "000000020000000100000000"


@given(st.integers(1, 2**32 - 1), st.integers(0, MAXIMUM), SIZES)
def test_segment_holds_its_position(timeline: int, value: int, size: int):
    segment = Segment.of(timeline, Lsn(value), size)
    assert segment.start(size).value <= value
    assert segment.start(size).value + size > value
    assert Segment.parse(segment.name(size), size) == segment


@pytest.mark.parametrize("name", ["", "1", "00000001000000000000000G", "000000010000000000000100", "0" * 25])
def test_impossible_segment_names(name: str):
    with pytest.raises(ValueError, match="WAL segment"):
        Segment.parse(name)


@pytest.mark.parametrize("size", [0, -1, 3 * MIB, 2**19, 2**31])
def test_impossible_segment_sizes(size: int):
    with pytest.raises(ValueError, match="power of two"):
        Segment.of(1, Lsn(0), size)


@pytest.mark.parametrize(("switch", "finished"), [("0/5521148", 5), ("0/6000000", 5), ("0/6000028", 6)])
def test_the_finished_segment_of_a_switch_also_on_the_boundary(switch: str, finished: int):
    assert Segment.finished_by_switch(1, Lsn.parse(switch)).number == finished


HISTORY = "1\t0/3000110\tno recovery target specified\n\n2\t0/5000000\tbefore 2000-01-01\n"


def test_history_is_read():
    history = History.parse(3, HISTORY)
    assert history.switches == ((1, Lsn.parse("0/3000110")), (2, Lsn.parse("0/5000000")))
    assert [history.timeline_of(number) for number in range(1, 7)] == [1, 1, 2, 2, 3, 3]


@pytest.mark.parametrize(
    ("timeline", "lsn", "expected"),
    [(3, "9/0", True), (1, "0/3000110", True), (1, "0/3000111", False), (2, "0/5000000", True), (4, "0/1", False)],
)
def test_what_lies_in_the_past_of_a_timeline(timeline: int, lsn: str, expected: bool):
    assert History.parse(3, HISTORY).contains(timeline, Lsn.parse(lsn)) is expected


@pytest.mark.parametrize(
    ("timeline", "text"),
    [
        (3, "one 0/3 x"),
        (3, "1"),
        (3, "1 zero"),
        (2, "2 0/3000000 loops"),
        (3, "2 0/3 x\n1 0/4 x"),
        (3, "1 0/4 x\n2 0/3 x"),
    ],
)
def test_impossible_histories(timeline: int, text: str):
    with pytest.raises(ValueError, match=r"histor|LSN"):
        History.parse(timeline, text)


def test_listing_understands_what_pgbackrest_stores():
    sha = "a" * 40
    names = [
        f"archive/castle/15-1/0000000100000000/000000010000000000000001-{sha}.zst",
        f"000000010000000000000002-{sha}",
        "000000010000000000000003",
        f"000000010000000000000004.partial-{sha}.zst",
        "000000010000000000000002.00000028.backup",
        f"00000002.history-{sha}.gz",
        "00000003.history",
        "archive.info",
        "000000010000000000000005-short.zst",
    ]
    segments, histories = listed_segments(names)
    assert {segment.number for segment in segments} == {1, 2, 3}
    assert histories == {2, 3}
