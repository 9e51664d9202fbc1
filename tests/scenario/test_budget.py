"""Crossing the recovery time budget is told while the run goes on."""

from __future__ import annotations

import asyncio

import pytest

from ephemeral_castle.model.events import Event, Kind, RunStatus
from tests.scenario.infra import Power
from tests.scenario.stage import Stage


def crossings(stage: Stage) -> list[Event]:
    return [event for event in stage.events if event.kind is Kind.BUDGET_CROSSED]


def test_the_budget_is_told_when_it_is_crossed_and_once_only() -> None:
    stage = Stage(rto=3.0)
    stage.play()
    stage.assert_reborn()
    (crossing,) = crossings(stage)
    began = next(e.at for e in stage.events if e.step == "machines.destroy" and e.kind is Kind.STEP_INTENT)
    assert crossing.data["which"] == "rto"
    assert crossing.data["limit"] == 3.0
    assert 3.0 < crossing.data["value"] <= 3.3
    assert crossing.at - began == pytest.approx(crossing.data["value"], abs=0.01)
    assert crossing.seq < next(e.seq for e in stage.events if e.step == "answers.sql" and e.kind is Kind.STEP_FINISHED)


def test_a_budget_that_holds_is_not_told_however_long_the_rest_takes() -> None:
    """The clock stands still once every service answers; the backup of the new life may take its time."""
    stage = Stage(rto=15.0)
    stage.script.on("database.backup-after", "act", lambda: asyncio.sleep(28))
    stage.play()
    stage.assert_reborn()
    assert crossings(stage) == []


def test_a_castle_without_a_budget_crosses_none() -> None:
    stage = Stage()
    stage.play()
    assert crossings(stage) == []


def test_a_resumed_run_does_not_tell_it_again_and_the_time_between_counts() -> None:
    stage = Stage(rto=60.0)
    undisturbed = Stage()
    undisturbed.play()
    gone = next(e.seq for e in undisturbed.events if e.step == "machines.destroy" and e.kind is Kind.STEP_FINISHED)
    assert stage.play(Power(after_event=gone)) is None
    assert crossings(stage) == []
    stage.clock.before += 500.0
    assert stage.play(Power(after_event=12)) is None
    assert len(crossings(stage)) == 1
    assert stage.play() is RunStatus.DONE
    (crossing,) = crossings(stage)
    assert crossing.data["value"] > 500
