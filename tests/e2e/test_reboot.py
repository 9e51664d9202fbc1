"""The computer is started anew: with a castle that stands, and in the middle of a rebirth."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ephemeral_castle.model.events import Kind
from tests.e2e.accidents import BrokenRun, Moment, alarms, belongings, of_life, reboot, timeline
from tests.e2e.castles import TestCastle, standing
from tests.e2e.writers import Writer
from tests.systems import CASTLE

pytestmark = [pytest.mark.machines, pytest.mark.evidence("real", *CASTLE)]

MOMENTS = [
    Moment("database.backup"),
    Moment("database.mark"),
    Moment("castle.record-seal"),
    Moment("database.home", Kind.STEP_INTENT, what="restore", later=0.3),
    Moment("database.promote"),
    Moment("database.lift"),
]


@pytest.fixture(scope="module")
def castle() -> Iterator[TestCastle]:
    with standing() as made:
        yield made


def test_after_a_reboot_raise_starts_the_same_life_and_restores_nothing(castle: TestCastle) -> None:
    with Writer(castle) as writer:
        writer.wait_for(writer.count() + 20)
    life = castle.life()
    promotions = timeline(castle, life)
    reboot(castle)
    warned = alarms(castle)
    assert [alarm["mend"] for alarm in warned] == ["castle raise"]
    assert "started anew" in warned[0]["text"]
    castle.run("raise")
    assert castle.life() == life
    assert timeline(castle, life) == promotions
    assert writer.missing(life) == set()
    with Writer(castle) as again:  # by its password, through PgBouncer: the secrets are back
        again.wait_for(again.count() + 10)
    assert belongings(castle) == of_life(castle, life)
    assert castle.data("status")["state"] == "up"


def test_after_a_reboot_in_mid_run_resume_brings_everything_back_and_finishes(castle: TestCastle) -> None:
    with Writer(castle) as writer:
        writer.wait_for(writer.count() + 20)
    old = castle.life()
    promotions = timeline(castle, old)

    def power_cut(moment: Moment) -> None:
        reboot(castle)
        warned = alarms(castle)
        assert {alarm["mend"] for alarm in warned} == {"castle resume"}, moment
        assert any("broken off" in alarm["text"] for alarm in warned)

    with BrokenRun(castle) as run:
        run.through(MOMENTS, power_cut)
    life = castle.life()
    assert life == old + 1
    assert writer.missing(life) == set()
    assert timeline(castle, life) == promotions + 1
    assert {step: times for step, times in run.acted().items() if times > 1} == {}
    assert belongings(castle) == of_life(castle, life)
    with Writer(castle) as again:
        again.wait_for(again.count() + 10)
