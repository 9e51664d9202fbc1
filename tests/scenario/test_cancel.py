"""`castle cancel` at any moment: everything back before the first deletion, a safe place after it."""

from __future__ import annotations

import asyncio

import pytest

from ephemeral_castle.errors import Permanent, Refused
from ephemeral_castle.model.events import Event, Kind, RunStatus
from tests.scenario.infra import Power
from tests.scenario.stage import Stage
from tests.scenario.test_kills import EVENTS


def after(stage: Stage, number: int) -> None:
    """Somebody asks for cancellation when so many events were written."""

    def look(event: Event) -> None:
        if event.seq == number:
            stage.journal.cancel_by = "anna"

    stage.journal.on_event = look


def starts_after_cancel(stage: Stage) -> list[str]:
    kinds = [event.kind for event in stage.events]
    asked = kinds.index(Kind.RUN_CANCELLING)
    return [event.step for event in stage.events[asked:] if event.kind is Kind.STEP_STARTED]


def test_cancelled_after_every_event() -> None:
    seen = set()
    for number in range(2, EVENTS + 1):
        stage = Stage()
        after(stage, number)
        status = stage.play()
        seen.add(status)
        if status is not RunStatus.DONE:
            assert starts_after_cancel(stage) == [], number
            assert stage.view.passed_no_return is (status is RunStatus.STOPPED), number
            assert stage.view.cancelling == "anna"
        if status is RunStatus.CANCELLED:
            stage.assert_as_before()
        stage.journal.cancel_by = ""
        stage.play()
        stage.assert_reborn()
    assert seen == {RunStatus.CANCELLED, RunStatus.STOPPED, RunStatus.DONE}


def test_a_cancel_by_a_runner_of_its_own_resumes_nothing() -> None:
    """The first runner was killed; the one that `castle cancel` starts must not take the run further."""
    for number in range(2, EVENTS, 3):
        stage = Stage()
        assert stage.play(Power(after_event=number)) is None
        deleted = {name: count for name, count in stage.infra.acts.items() if name.startswith("delete")}
        status = stage.play(cancel_by="anna")
        assert {name: count for name, count in stage.infra.acts.items() if name.startswith("delete")} == deleted, number
        assert starts_after_cancel(stage) == [], number
        assert status in (RunStatus.CANCELLED, RunStatus.STOPPED, RunStatus.DONE)
        if status is RunStatus.CANCELLED:
            stage.assert_as_before()


def test_undo_goes_backwards() -> None:
    stage = Stage()
    stage.script.on("machines.destroy", "observe", Refused("not today"))
    assert stage.play() is RunStatus.REFUSED
    assert stage.view.undone == ("castle.record-seal", "database.stop", "database.fence", "castle.writer")
    stage.assert_as_before()


@pytest.mark.parametrize("fault", [Permanent("PgBouncer is gone", why="connection refused"), RuntimeError("a bug")])
def test_an_undo_that_fails_is_told_and_the_next_cancel_tries_again(fault: Exception) -> None:
    stage = Stage()
    stage.script.on("database.stop", "undo", fault)
    stage.script.on("machines.destroy", "observe", Refused("not today"))
    assert stage.play() is RunStatus.FAILED
    assert "database.stop" in stage.error()["message"]
    assert "database.stop" in stage.error()["state"]
    assert "not today" in stage.error()["why"]
    assert any("could not take back database.stop" in entry.data["text"] for entry in stage.view.diagnostics)
    database = stage.infra.database(1)
    assert database is not None
    assert (database.running, database.fenced) == (False, False), "one undo that fails keeps no other from running"
    assert stage.play(cancel_by="anna") is RunStatus.CANCELLED
    stage.assert_as_before()


def test_a_step_that_was_broken_off_and_not_undone_is_undone_by_the_next_cancel() -> None:
    """A new runner makes what was cancelled pending again; the world still has half a fence."""
    stage = Stage()

    async def half_a_fence() -> None:
        database = stage.infra.database(1)
        assert database is not None
        database.fenced = True
        stage.journal.cancel_by = "anna"
        await asyncio.sleep(20)

    stage.script.on("database.fence", "act", half_a_fence)
    stage.script.on("database.fence", "undo", Permanent("no answer"))
    assert stage.play() is RunStatus.FAILED
    assert stage.play(cancel_by="anna") is RunStatus.CANCELLED
    stage.assert_as_before()


def test_a_rebirth_that_failed_left_the_account_of_a_life_that_never_began() -> None:
    stage = Stage()
    stage.script.on("database.marker", "act", Permanent("no"))
    assert stage.play() is RunStatus.FAILED
    stage.assert_as_before()
    stage.play()
    stage.assert_reborn()


def test_an_account_that_cannot_be_removed_is_told_and_taken_over() -> None:
    stage = Stage()
    stage.script.on("database.marker", "act", Permanent("no"))

    async def refuse(name: str, account: str) -> None:
        if name == "revoke":
            raise Permanent("the account interface is closed")

    stage.identities.before = refuse
    assert stage.play() is RunStatus.FAILED
    assert stage.error()["message"] == "no", "what failed the run is what a person must read"
    assert any("the next run takes it over" in entry.data["text"] for entry in stage.view.diagnostics)
    stage.identities.before = None
    stage.play()
    stage.assert_reborn()


def test_a_driver_that_cleans_up_after_a_cancel_is_not_broken_off_once_more() -> None:
    stage = Stage()
    cleaned = []

    async def tidy() -> None:
        try:
            stage.journal.cancel_by = "anna"
            await asyncio.sleep(20)
        finally:
            await asyncio.sleep(1)
            cleaned.append(True)

    stage.script.on("database.digest", "act", tidy)
    stage.script.on("database.mark", "act", lambda: asyncio.sleep(20))
    assert stage.play() is RunStatus.CANCELLED
    assert cleaned == [True]
    stage.assert_as_before()
