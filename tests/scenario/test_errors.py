"""Errors of drivers: retried or not, told as what they are, and nobody else's trouble."""

from __future__ import annotations

import asyncio

import pytest

from ephemeral_castle.errors import Permanent, Transient, Unreachable
from ephemeral_castle.model.events import Event, Kind, RunStatus
from ephemeral_castle.model.runview import StepState
from ephemeral_castle.model.step import Observation, State
from ephemeral_castle.spi.secret import Secret
from tests.scenario.stage import Stage


def of(stage: Stage, kind: Kind, step: str) -> list[Event]:
    return [event for event in stage.events if event.kind is kind and event.step == step]


def test_transient_errors_are_retried_by_the_steps_policy() -> None:
    stage = Stage()
    stage.script.on("database.backup", "act", Unreachable("reset"), Transient("slow down", retry_after=7.0))
    stage.play()
    stage.assert_reborn()
    retries = of(stage, Kind.STEP_RETRYING, "database.backup")
    assert [event.data["delay"] for event in retries] == [0.5, 7.0]
    assert retries[0].data["error"]["error"] == "Unreachable"
    starts = of(stage, Kind.STEP_STARTED, "database.backup")
    assert starts[2].at - retries[1].at == pytest.approx(7.0)
    assert stage.view.steps["database.backup"].attempts == 3


def test_transient_errors_end_with_the_last_attempt() -> None:
    stage = Stage()
    stage.script.on("database.backup", "act", *[Unreachable("reset")] * 3)
    assert stage.play() is RunStatus.FAILED
    assert [event.data["delay"] for event in of(stage, Kind.STEP_RETRYING, "database.backup")] == [0.5, 1.0]
    assert stage.error()["message"] == "reset"
    stage.assert_as_before()


def test_permanent_errors_are_not_retried() -> None:
    stage = Stage()
    stage.script.on("database.backup", "act", Permanent("wrong key"))
    assert stage.play() is RunStatus.FAILED
    assert of(stage, Kind.STEP_RETRYING, "database.backup") == []
    assert stage.error()["where"] == "layer database, driver treasure, step database.backup"
    assert stage.view.exit_code == 4


def test_a_step_ends_at_its_deadline() -> None:
    stage = Stage()
    stage.script.on("database.backup", "act", lambda: asyncio.sleep(1000))
    assert stage.play() is RunStatus.FAILED
    started = of(stage, Kind.STEP_STARTED, "database.backup")[0].at
    finished = of(stage, Kind.STEP_FINISHED, "database.backup")[0].at
    assert finished - started == pytest.approx(30.0, abs=0.1)
    assert "not done within 30 s" in stage.error()["message"]
    assert stage.error()["hints"][0] == "castle logs --step database/backup"  # without --step it would name a run
    stage.assert_as_before()


def test_a_driver_whose_own_timeout_escapes_has_a_bug_and_did_not_miss_the_deadline() -> None:
    stage = Stage()
    stage.script.on("database.backup", "act", TimeoutError())
    assert stage.play() is RunStatus.FAILED
    assert "unexpected error in driver treasure: TimeoutError" in stage.error()["message"]


def test_a_drivers_bug_is_reported_as_its_bug_and_does_not_stop_what_runs_beside_it() -> None:
    stage = Stage()
    stage.script.on("database.promote", "act", lambda: asyncio.sleep(8))
    stage.script.on("database.data-proof", "observe", ZeroDivisionError("division by zero"))
    assert stage.play() is RunStatus.FAILED
    assert stage.error()["message"] == "unexpected error in driver treasure: ZeroDivisionError: division by zero"
    assert "bug in driver `treasure`" in stage.error()["why"]
    assert stage.view.exit_code == 1
    assert stage.view.steps["database.promote"].state == "done", "a restore must not be killed because a probe failed"
    assert stage.view.steps["database.lift"].state == "pending", "what is blocked is not an error"
    bad = stage.view.in_state(StepState.FAILED, StepState.REFUSED, StepState.CANCELLED)
    assert [step.id for step in bad] == ["database.data-proof"]
    stage.play()
    stage.assert_reborn()


def test_after_the_first_deletion_everything_goes_on_that_does_not_wait_for_what_failed() -> None:
    stage = Stage()
    stage.script.on("machines.create-edge", "act", Permanent("no memory"))
    assert stage.play() is RunStatus.FAILED
    states = {name: stage.view.steps[f"database.{name}"].state for name in ("home", "promote", "pooler", "lift")}
    assert states == {"home": "done", "promote": "done", "pooler": "pending", "lift": "pending"}
    assert stage.error()["message"] == "no memory"


def test_before_the_first_deletion_a_failure_ends_what_runs_beside_it() -> None:
    stage = Stage()
    stage.script.on("database.digest", "act", lambda: asyncio.sleep(25))
    stage.script.on("database.mark", "act", Permanent("no room"))
    assert stage.play() is RunStatus.FAILED
    assert stage.view.steps["database.digest"].state != "done"
    assert of(stage, Kind.STEP_FINISHED, "database.digest")[0].data["state"] == "cancelled"
    stage.assert_as_before()


def test_facts_that_are_no_json_are_the_drivers_bug_and_a_secret_among_them_is_not_shown() -> None:
    stage = Stage()
    stage.script.on("database.mark", "act", Observation(State.REACHED, facts={"key": Secret("hunter2")}))
    assert stage.play() is RunStatus.FAILED
    assert "bug in driver `treasure`" in stage.error()["why"]
    assert "hunter2" not in str(stage.events)
    stage.assert_as_before()


def test_a_driver_that_cannot_close_changes_nothing_about_the_run() -> None:
    stage = Stage()

    async def fail() -> None:
        raise OSError("broken pipe")

    def spoil(event: Event) -> None:
        if event.kind is Kind.RUN_STARTED:
            stage.players["ground"].close = fail

    stage.journal.on_event = spoil
    stage.play()
    stage.assert_reborn()
    assert stage.players["treasure"].closed == 1
    assert any("driver ground did not end well: broken pipe" in each.data["text"] for each in stage.view.diagnostics)


def test_an_act_that_is_repeated_after_a_lost_answer_is_adopted_not_repeated() -> None:
    """The promotion took place, its answer did not arrive: the next attempt sees it."""
    stage = Stage()

    def promoted_without_a_word() -> None:
        stage.infra.promote(2)
        raise Unreachable("no answer")

    stage.script.on("database.promote", "act", promoted_without_a_word)
    stage.play()
    stage.assert_reborn()
    assert stage.view.steps["database.promote"].how == "adopted"
