"""Which backup and which timeline a point in time needs."""

from __future__ import annotations

import pytest

from ephemeral_castle.errors import Refused
from ephemeral_castle.postgres.moment import choose, written_at
from ephemeral_castle.postgres.pgbackrest import Backup, RepoInfo, Status

NOW = 10_000.0
TIMELINES = {"1": 0.0, "2": 5000.0, "3": 7000.0}


def backup(label: str, stop: int, timeline: int) -> Backup:
    segment = f"{timeline:08X}0000000000000005"
    return Backup(label, "full", None, (), None, stop - 5, stop, segment, segment, None, None, 1, 1, 10, 5)


INFO = RepoInfo(
    "castle",
    Status(0),
    (),
    (),
    (),
    (backup("A", 1000, 1), backup("B", 5100, 2), backup("C", 6500, 2), backup("D", 7100, 3)),
)


def at(seconds: float) -> str:
    minutes, rest = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"1970-01-01T{int(hours):02}:{int(minutes):02}:{rest:09.6f}+00:00"


@pytest.mark.parametrize(
    ("moment", "label", "timeline"),
    [(1500, "A", 1), (4999, "A", 1), (5050, "A", 2), (6000, "B", 2), (6900, "C", 2), (7050, "C", 3), (8000, "D", 3)],
)
def test_a_time_is_looked_for_on_the_timeline_that_was_written_then(moment: int, label: str, timeline: int) -> None:
    found = choose(INFO, at(moment), TIMELINES, NOW)
    assert (found.label, found.timeline) == (label, timeline)
    assert f"--target-timeline={timeline}" in found.options()
    assert any(option.startswith("--target=1970-01-01 ") and option.endswith("+00") for option in found.options())


def test_a_restore_never_ends_early_by_a_time_before_every_backup() -> None:
    with pytest.raises(Refused, match="no backup from before") as refused:
        choose(INFO, at(900), TIMELINES, NOW)
    assert "the oldest one ended at 1970-01-01 00:16:40" in refused.value.why


def test_the_future_is_refused() -> None:
    with pytest.raises(Refused, match="has not come yet"):
        choose(INFO, at(NOW + 60), TIMELINES, NOW, margin=2)


def test_without_a_time_the_newest_backup_and_the_end_of_the_archive() -> None:
    found = choose(INFO, "", TIMELINES, NOW)
    assert found.options() == ["--set=D", "--type=default"]


def test_a_picked_backup_stands_alone_or_with_a_time() -> None:
    assert choose(INFO, "", TIMELINES, NOW, label="B").options() == [
        "--set=B",
        "--type=immediate",
        "--target-action=promote",
    ]
    assert "--target-timeline=2" in choose(INFO, at(6000), TIMELINES, NOW, label="B").options()
    with pytest.raises(Refused, match="no backup Z") as refused:
        choose(INFO, "", TIMELINES, NOW, label="Z")
    assert "A, B, C, D" in refused.value.why


def test_the_record_may_know_only_later_timelines() -> None:
    assert written_at({"4": 100.0}, 50.0) == 3
    assert written_at({}, 50.0) == 0
