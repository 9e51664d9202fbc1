"""The lease is lost in the middle of a run: it pauses before the next irreversible act, and never aborts half-way."""

from __future__ import annotations

import asyncio
import json

from ephemeral_castle.errors import Unreachable
from ephemeral_castle.model.events import Event, Kind, RunStatus
from tests.scenario.stage import Stage


def slow_seal(stage: Stage) -> None:
    """The seal takes longer than a lease is trusted without a beat (40 s)."""
    for step in ("database.digest", "database.stop"):
        stage.script.on(step, "act", lambda: asyncio.sleep(25))


def cut_off(stage: Stage, until: float) -> None:
    """The lease cannot be read or written until that second; the rest of the treasury answers."""
    usual = stage.objects.before
    assert usual is not None

    async def asked(name: str, key: str) -> None:
        await usual(name, key)
        if key == "lease.json" and 1.5 < stage.clock.monotonic() < until:
            raise Unreachable("the treasury does not answer")

    stage.objects.before = asked


def take_over(stage: Stage, *, state: str = "held", change: bool = False) -> None:
    """Another computer writes the lease; maybe it also works on the castle."""
    body = json.loads(stage.objects.data["lease.json"][0])
    body |= {"state": state, "fence": body["fence"] + 1, "nonce": "theirs", "host": "other", "computer": "computer-2"}
    stage.objects._store("lease.json", json.dumps(body).encode())
    if change:
        record = json.loads(stage.objects.data["castle.json"][0])
        stage.objects._store("castle.json", json.dumps(record | {"nonce": "theirs", "run": "their-run"}).encode())


def when(stage: Stage, step: str, do: object, kind: Kind = Kind.STEP_FINISHED) -> None:
    def look(event: Event) -> None:
        if event.step == step and event.kind is kind:
            stage.journal.on_event = lambda event: None
            do()  # type: ignore[operator]

    stage.journal.on_event = look


def pauses(stage: Stage) -> list[str]:
    return [each.data["text"] for each in stage.view.diagnostics if "paused before" in each.data["text"]]


def test_a_treasury_that_is_silent_pauses_the_run_and_the_deadline_stands_still() -> None:
    stage = Stage()
    slow_seal(stage)
    cut_off(stage, until=200.0)
    stage.play()
    stage.assert_reborn()
    assert len(pauses(stage)) == 1
    assert "paused before machines.destroy" in pauses(stage)[0]
    began = next(e.at for e in stage.events if e.step == "machines.destroy" and e.kind is Kind.STEP_INTENT)
    assert began - stage.clock.zero > 200.0
    looks = [c for c in stage.script.calls if c == ("machines.destroy", "observe")]
    assert len(looks) == 3, "once more after the pause, and after the act"


def test_another_runner_has_the_castle_so_nothing_is_destroyed_and_nothing_is_lifted() -> None:
    """It may have sealed the castle itself: a fence that we lift would let rows be written behind its seal."""
    stage = Stage()
    slow_seal(stage)
    when(stage, "database.fence", lambda: take_over(stage))
    assert stage.play() is RunStatus.FAILED
    assert stage.infra.violations == []
    assert not any(act.startswith("delete") for act in stage.infra.acts)
    database = stage.infra.database(1)
    assert database is not None
    assert database.fenced
    assert "could not take back" in stage.error()["message"]
    assert "other" in stage.error()["why"]
    assert "another runner holds this castle" in stage.error()["why"]


def test_another_runner_took_the_castle_after_the_first_deletion() -> None:
    stage = Stage()
    stage.script.on("machines.create-data", "act", lambda: asyncio.sleep(25))
    when(stage, "machines.destroy", lambda: take_over(stage))
    assert stage.play() is RunStatus.FAILED
    assert stage.view.exit_code == 11
    assert stage.error()["error"] == "Busy"
    assert stage.infra.acts["restore 2"] == 0
    assert stage.view.undone == ()
    body = json.loads(stage.objects.data["lease.json"][0])
    stage.objects._store("lease.json", json.dumps(body | {"state": "free", "nonce": "given up"}).encode())
    stage.play()
    stage.assert_reborn()


def test_a_lease_that_another_took_and_gave_back_is_taken_again() -> None:
    stage = Stage()
    stage.script.on("machines.create-data", "act", lambda: asyncio.sleep(25))
    when(stage, "machines.destroy", lambda: take_over(stage, state="free"))
    stage.play()
    stage.assert_reborn()
    assert stage.hold is not None
    assert stage.hold.fence == 3


def test_a_castle_that_another_changed_meanwhile_is_not_ours_to_finish() -> None:
    stage = Stage()
    stage.script.on("machines.create-data", "act", lambda: asyncio.sleep(25))
    when(stage, "castle.revoke", lambda: take_over(stage, state="free", change=True))
    assert stage.play() is RunStatus.FAILED
    assert "changed it" in stage.error()["message"]
    assert "their-run" in stage.error()["why"]
    assert stage.infra.acts["restore 2"] == 0


def test_a_proof_that_a_drill_wrote_meanwhile_is_no_change_by_another_runner() -> None:
    """A drill takes no lease; a rebirth that was cut off from its own for a while stopped between two lives."""
    stage = Stage()
    stage.script.on("machines.create-data", "act", lambda: asyncio.sleep(25))

    def drilled() -> None:
        take_over(stage, state="free")
        record = json.loads(stage.objects.data["castle.json"][0])
        record["lineage"].setdefault("database", {})["proof"] = {"label": "A", "at": 1.0, "by": "drill"}
        stage.objects._store("castle.json", json.dumps(record | {"nonce": "a drill's"}).encode())

    when(stage, "castle.revoke", drilled)
    stage.play()
    stage.assert_reborn()
    assert stage.record().lineage["database"]["proof"]["by"] == "drill"


def test_a_paused_run_can_be_cancelled() -> None:
    stage = Stage()
    stage.script.on("database.backup", "act", lambda: asyncio.sleep(20))
    stage.script.on("machines.create-data", "act", lambda: asyncio.sleep(25))
    cut_off(stage, until=5000.0)

    async def anna() -> None:
        await asyncio.sleep(300)
        stage.journal.cancel_by = "anna"

    status = stage.play(beside=anna)
    assert status is RunStatus.STOPPED
    assert pauses(stage)
    assert stage.clock.monotonic() < 400
    stage.journal.cancel_by = ""
    stage.clock.before = 6000.0
    stage.play()
    stage.assert_reborn()


def test_a_treasury_that_is_gone_keeps_nobody_fenced_out() -> None:
    """Before the first deletion a cancel lifts the fence, lease or no lease: nobody else has it as far as we know."""
    stage = Stage()
    slow_seal(stage)
    cut_off(stage, until=5000.0)

    async def anna() -> None:
        await asyncio.sleep(300)
        stage.journal.cancel_by = "anna"

    assert stage.play(beside=anna) is RunStatus.CANCELLED
    stage.assert_as_before()


def test_a_lease_that_cannot_be_given_back_spoils_no_finished_run() -> None:
    stage = Stage()

    def silent() -> None:
        cut_off(stage, until=9e9)

    when(stage, "castle.record-life", silent)
    stage.play()
    stage.assert_reborn()
