from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ephemeral_castle.postgres.archiving import ArchiveStatus
from ephemeral_castle.postgres.digest import (
    TableDigest,
    digest_from_json,
    digest_to_json,
    large_objects_key,
    table_key,
)
from ephemeral_castle.postgres.proof import (
    compare,
    compare_inventory,
    compare_sequences,
    loss_bound,
    missing_markers,
)

BEFORE = {"app.public.a": TableDigest(250, 12345), "app.public.b": TableDigest(1, -7)}


def test_equal_digests_have_no_difference():
    assert compare(BEFORE, dict(BEFORE)) == []


@pytest.mark.parametrize(
    ("after", "words"),
    [
        ({"app.public.b": BEFORE["app.public.b"]}, "app.public.a: is missing, held 250 rows before"),
        ({**BEFORE, "app.public.a": TableDigest(100, 3)}, "app.public.a: 250 rows before, 100 now (150 rows missing)"),
        ({**BEFORE, "app.public.b": TableDigest(2, 3)}, "app.public.b: 1 row before, 2 now (1 row more)"),
        ({**BEFORE, "app.public.b": TableDigest(1, 7)}, "app.public.b: 1 row as before, but their content differs"),
        ({**BEFORE, "app.public.c": TableDigest(0, 0)}, "app.public.c: was not there before, holds 0 rows now"),
    ],
)
def test_differences_are_named(after: dict[str, TableDigest], words: str):
    assert compare(BEFORE, after) == [words]


digests = st.dictionaries(st.text(max_size=5), st.builds(TableDigest, st.integers(0), st.integers()), max_size=5)


@given(digests, digests)
def test_compare_is_empty_exactly_for_equal_digests(before: dict[str, TableDigest], after: dict[str, TableDigest]):
    assert (compare(before, after) == []) == (before == after)


@given(digests)
def test_digests_survive_the_journal(digest: dict[str, TableDigest]):
    assert digest_from_json(digest_to_json(digest)) == digest


def test_table_digest_reads_sums_beyond_64_bits():
    assert TableDigest.parse('{"sum": "-98765432109876543210987", "rows": "3"}') == TableDigest(
        3, -98765432109876543210987
    )


def test_names_with_dots_stay_apart():
    assert table_key("app", "public", "a") == "app.public.a"
    assert table_key("app", "a.b", "c") != table_key("app", "a", "b.c")
    assert large_objects_key("app") == "app.(large objects)"


def sequence(last: int | None, **changes: Any) -> dict[str, Any]:
    return {"schema": "public", "name": "s", "last": last, "step": 1, "cache": 1, "cycle": False, **changes}


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (sequence(10), sequence(10)),
        (sequence(10), sequence(42)),
        (sequence(10, cache=50), sequence(92, cache=50)),
        (sequence(10, step=-5), sequence(-150, step=-5)),
        (sequence(None), sequence(None)),
        (sequence(99, cycle=True), sequence(1, cycle=True)),
    ],
)
def test_sequences_that_continue(before: dict[str, Any], after: dict[str, Any]):
    assert compare_sequences([before], [after]) == []


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (sequence(10), sequence(9)),
        (sequence(10), sequence(None)),
        (sequence(10), sequence(44)),
        (sequence(10, step=5), sequence(12, step=5)),
        (sequence(10, step=-5), sequence(15, step=-5)),
        (sequence(10), sequence(10, step=2)),
        (sequence(10), sequence(10, name="other")),
        (sequence(None), sequence(3)),
    ],
)
def test_sequences_that_do_not(before: dict[str, Any], after: dict[str, Any]):
    (difference,) = compare_sequences([before], [after])
    assert "sequence public.s" in difference


def test_inventories():
    assert compare_inventory("role", {"a": 1}, {"a": 1}) == []
    assert compare_inventory("role", {"a": 1, "b": 1}, {"b": 2, "c": 1}) == [
        "role a: is missing",
        "role b: is not as before",
        "role c: was not there before",
    ]


def test_markers():
    assert missing_markers(["a", "b"], ["b", "a", "x"]) == []
    assert missing_markers(["a", "b", "c"], ["b"]) == ["a", "c"]


def test_loss_is_bounded_by_the_heartbeat():
    bound = loss_bound(heartbeat_at=1000.0, last_sign_of_life=1012.5, command_at=5000.0, rpo=60.0)
    assert (bound.seconds, bound.within) == (12.5, True)
    assert bound.text.startswith("at most 12.5 s, within the budget of 60 s")
    assert "cannot be counted" in bound.text


def test_without_a_sign_of_life_the_command_ends_the_span():
    bound = loss_bound(heartbeat_at=1000.0, last_sign_of_life=None, command_at=1100.0, rpo=60.0)
    assert (bound.seconds, bound.within) == (100.0, False)
    assert "the command" in bound.text


def test_clock_error_widens_the_bound():
    bound = loss_bound(heartbeat_at=1000.0, last_sign_of_life=1059.0, command_at=0, rpo=60.0, clock_error=2.0)
    assert (bound.seconds, bound.within) == (61.0, False)


def test_without_a_heartbeat_there_is_no_bound_and_no_budget_is_met():
    bound = loss_bound(heartbeat_at=None, last_sign_of_life=1.0, command_at=2.0, rpo=60.0)
    assert (bound.seconds, bound.within) == (None, False)
    assert "no bound" in bound.text


def test_without_a_budget_nothing_is_judged():
    assert loss_bound(heartbeat_at=1.0, last_sign_of_life=2.0, command_at=2.0, rpo=None).within is None
    assert loss_bound(heartbeat_at=None, last_sign_of_life=2.0, command_at=2.0, rpo=None).within is None


def test_clocks_that_disagree_are_said():
    bound = loss_bound(heartbeat_at=1010.0, last_sign_of_life=1000.0, command_at=0, rpo=None)
    assert bound.seconds == 0.0
    assert "the clocks differ" in bound.text


def archive_status(**changes: Any) -> ArchiveStatus:
    data: dict[str, Any] = {
        "done": False,
        "ready": False,
        "present": True,
        "failed_count": 0,
        "last_failed": None,
        "last_failed_at": None,
    }
    return ArchiveStatus.from_json({**data, **changes})


@pytest.mark.parametrize(
    ("changes", "archived"),
    [
        ({"done": True}, True),
        ({"ready": True}, False),
        ({}, False),
        ({"present": False}, True),
        ({"present": False, "ready": True}, False),
    ],
)
def test_archived(changes: dict[str, bool], archived: bool):
    assert archive_status(**changes).archived is archived
    assert archive_status(last_failed_at=1.5).last_failed_at == 1.5
