"""When a nightly backup is a full one."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ephemeral_castle.postgres.cadence import kind_of, newest_full
from ephemeral_castle.postgres.pgbackrest import RepoInfo, Status
from tests.unit.postgres.decision_worlds import backup

DAY = 86400.0
NOW = 1_795_000_000.0
EMPTY = RepoInfo("castle", Status(2, ""), (), (), (), ())


def taken(*sets: tuple[str, float]) -> RepoInfo:
    """Backups by kind and age in days."""
    made = tuple(backup(f"set-{n}", type=kind, stop=int(NOW - days * DAY)) for n, (kind, days) in enumerate(sets))
    return replace(EMPTY, backups=made)


@pytest.mark.parametrize(
    ("info", "kind"),
    [
        (EMPTY, "full"),
        (taken(("full", 1)), "incr"),
        (taken(("full", 6.9)), "incr"),
        (taken(("full", 7)), "full"),
        (taken(("full", 8), ("incr", 1)), "full"),
        (taken(("full", 8), ("full", 2)), "incr"),
        (taken(("full", -1)), "incr"),
    ],
)
def test_a_backup_is_full_when_the_last_full_one_is_a_week_old(info: RepoInfo, kind: str) -> None:
    """Every night was incremental: nothing ever expired, and a restore needed every night since the first."""
    assert kind_of(info, NOW, 7 * DAY)[0] == kind


def test_full_by_word_needs_no_reason_else() -> None:
    assert kind_of(taken(("full", 0)), NOW, 7 * DAY, asked=True) == ("full", "--full was given")


def test_the_reason_names_age_and_option() -> None:
    why = kind_of(taken(("full", 8)), NOW, 7 * DAY)[1]
    assert why == "the last full one is 8.0 days old, and `full_every` is 7"


def test_the_newest_full_one_is_found_behind_incremental_ones() -> None:
    found = newest_full(taken(("full", 9), ("full", 3), ("incr", 1)))
    assert found is not None
    assert found.label == "set-1"
