from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ephemeral_castle.postgres.chain import MOST_REPORTED, chain, unbroken
from ephemeral_castle.postgres.lsn import Lsn
from ephemeral_castle.postgres.segments import History, Segment


def names(timeline: int, numbers: range | list[int] | set[int]) -> list[str]:
    return [Segment(timeline, number).name() for number in numbers]


def name(timeline: int, number: int) -> str:
    return Segment(timeline, number).name()


# Timeline 2 left timeline 1 inside segment 5.
BRANCH = History(2, ((1, Lsn.parse("0/5000110")),))


def test_nothing_missing():
    assert unbroken(names(1, range(1, 10)), name(1, 2), name(1, 8)) == []


def test_a_single_segment():
    assert unbroken(names(1, [4]), name(1, 4), name(1, 4)) == []
    assert unbroken([], name(1, 4), name(1, 4)) == [name(1, 4)]


@given(st.sets(st.integers(100, 400)))
def test_exactly_the_holes_are_named_also_over_the_carry(holes: set[int]):
    present = [number for number in range(100, 401) if number not in holes]
    assert unbroken(names(1, present), name(1, 100), name(1, 400)) == names(1, sorted(holes))


def test_partial_and_backup_files_do_not_fill_a_hole():
    listed = [*names(1, [1, 3]), name(1, 2) + ".partial", name(1, 2) + ".00000028.backup"]
    assert unbroken(listed, name(1, 1), name(1, 3)) == [name(1, 2)]


def test_another_timelines_segment_does_not_fill_a_hole():
    assert unbroken([*names(1, [1, 3]), name(2, 2)], name(1, 1), name(1, 3)) == [name(1, 2)]


def test_over_a_promotion_with_its_history():
    listed = [*names(1, [3, 4, 5]), *names(2, [5, 6]), "00000002.history"]
    assert unbroken(listed, name(1, 3), name(2, 6), history=BRANCH) == []


def test_the_segment_of_the_promotion_is_needed_under_the_new_name():
    listed = [*names(1, [3, 4, 5]), *names(2, [6]), "00000002.history"]
    assert unbroken(listed, name(1, 3), name(2, 6), history=BRANCH) == [name(2, 5)]


def test_the_history_file_is_needed():
    listed = [*names(1, [3, 4]), *names(2, [5, 6])]
    assert unbroken(listed, name(1, 3), name(2, 6), history=BRANCH) == ["00000002.history"]


def test_every_history_file_in_between_is_needed():
    history = History(3, ((1, Lsn.parse("0/5000110")), (2, Lsn.parse("0/7000000"))))
    listed = [*names(1, [4]), *names(2, [5, 6]), *names(3, [7])]
    assert unbroken(listed, name(1, 4), name(3, 7), history=history) == ["00000002.history", "00000003.history"]
    assert unbroken(listed, name(2, 5), name(3, 7), history=history) == ["00000003.history"]


def test_a_backup_on_the_new_timeline_does_not_need_the_history():
    assert unbroken(names(2, [5, 6]), name(2, 5), name(2, 6), history=BRANCH) == []


def test_without_the_history_names_alone_must_lead_there():
    listed = [*names(1, [3, 4]), *names(2, [5, 6]), "00000002.history"]
    assert unbroken(listed, name(1, 3), name(2, 6)) == []
    assert unbroken(listed[:-1], name(1, 3), name(2, 6)) == ["00000002.history"]
    without_five = [*names(1, [3, 4]), *names(2, [6]), "00000002.history"]
    assert unbroken(without_five, name(1, 3), name(2, 6)) == [name(1, 5)]


def test_without_the_history_timelines_never_fall_back():
    listed = [*names(2, [4]), *names(1, [3, 5]), *names(2, [6]), "00000002.history"]
    assert unbroken(listed, name(1, 3), name(2, 6)) == [name(2, 5)]


def test_without_the_history_the_end_is_needed_under_its_own_name():
    listed = [*names(1, [3, 4, 5, 6]), "00000002.history"]
    assert unbroken(listed, name(1, 3), name(2, 6)) == [name(2, 6)]


def test_a_huge_hole_is_bounded():
    assert len(unbroken([], name(1, 0), name(1, 10**9))) == MOST_REPORTED
    assert len(unbroken([], name(1, 0), name(2, 10**9))) <= MOST_REPORTED + 2


def test_impossible_questions():
    with pytest.raises(ValueError, match="lies before"):
        unbroken([], name(1, 5), name(1, 4))
    with pytest.raises(ValueError, match="lies before"):
        unbroken([], name(2, 4), name(1, 5))
    with pytest.raises(ValueError, match="does not describe"):
        unbroken([], name(1, 4), name(3, 5), history=BRANCH)
    with pytest.raises(ValueError, match="not in the history"):
        unbroken([], name(2, 3), name(2, 6), history=BRANCH)
    with pytest.raises(ValueError, match="not the name"):
        unbroken([], "x", name(1, 5))


def test_other_segment_sizes():
    size = 1024 * 1024
    listed = [Segment(1, number).name(size) for number in range(4094, 4099)]
    assert unbroken(listed, listed[0], listed[-1], wal_segment_size=size) == []
    assert unbroken(listed[:2] + listed[3:], listed[0], listed[-1], wal_segment_size=size) == [listed[2]]


def test_chain_to_the_newest_end():
    found = chain(names(1, [3, 4, 5]), name(1, 3))
    assert found.end == Segment(1, 5)
    assert found.end_lsn == Lsn.parse("0/6000000")
    assert (found.missing, found.beyond, found.strangers) == (None, (), ())


def test_chain_stops_before_a_hole_and_names_what_lies_beyond():
    found = chain(names(1, [3, 4, 6, 7]), name(1, 3))
    assert found.end == Segment(1, 4)
    assert found.missing == name(1, 5)
    assert found.beyond == tuple(names(1, [6, 7]))


def test_chain_without_even_its_start():
    found = chain(names(1, [5]), name(1, 3))
    assert (found.end, found.end_lsn, found.missing) == (None, None, name(1, 3))


def test_chain_follows_the_history_to_the_new_timeline():
    found = chain([*names(1, [3, 4, 5, 6]), *names(2, [5, 6, 7])], name(1, 3), history=BRANCH)
    assert found.end == Segment(2, 7)
    assert found.strangers == ()


def test_chain_names_strangers_on_unexplained_timelines():
    found = chain([*names(1, [3, 4]), *names(2, [5])], name(1, 3))
    assert found.end == Segment(1, 4)
    assert found.strangers == (name(2, 5),)
    assert found.beyond == ()


def test_chain_refuses_a_history_that_does_not_hold_the_start():
    with pytest.raises(ValueError, match="not in the history"):
        chain([], name(3, 9), history=BRANCH)


@given(st.sets(st.integers(0, 60)), st.integers(0, 60))
def test_the_chain_agrees_with_unbroken(present: set[int], start: int):
    listed = names(1, present)
    found = chain(listed, name(1, start))
    if found.end is None:
        assert start not in present
    else:
        assert unbroken(listed, name(1, start), found.end.name()) == []
        assert found.end.number + 1 not in present
    assert set(found.beyond) == {n for n in listed if n > name(1, start)} - {
        n for n in listed if found.end is not None and n <= found.end.name()
    }


def test_an_archive_without_the_first_segment_names_it():
    """It was once said that the archive could not be listed, and tried again, where it was listed and empty."""
    followed = chain([], "000000010000000000000005")
    assert (followed.end, followed.missing, followed.beyond) == (None, "000000010000000000000005", ())
