"""Nothing new is begun while a run lies between two lives, whatever ran after it."""

from __future__ import annotations

import asyncio
from pathlib import Path

from ephemeral_castle.cli.wiring import _between_lives
from ephemeral_castle.journal.store import Journal
from ephemeral_castle.model.castle import Verb
from ephemeral_castle.model.events import Event, Kind
from ephemeral_castle.model.plan import Plan
from ephemeral_castle.model.step import Effect, Phase, Step

DESTROY = Step("m.destroy", "m", "podman", "destroy", "destroy", Phase.DESTROY, Effect.IRREVERSIBLE)


def plan(verb: Verb) -> Plan:
    return Plan("c", "here", verb, (DESTROY,), {"m.destroy": ()}, {"m": "ground"}, {})


async def story(path: Path, *runs: tuple[str, Verb, str]) -> None:
    journal = await Journal.open(path)
    for at, (run, verb, status) in enumerate(runs):
        await journal.create_run(run, plan(verb), "castle", float(at))
        await journal.take_over(run)
        await journal.append(Event(run, Kind.RUN_STARTED, at), durable=True)
        if verb is Verb.REBIRTH:
            await journal.append(Event(run, Kind.STEP_STARTED, at, "m.destroy", 1), durable=True)
            await journal.append(Event(run, Kind.STEP_INTENT, at, "m.destroy", 1, {"what": "destroy"}), durable=True)
        await journal.append(Event(run, Kind.RUN_FINISHED, at, data={"status": status}), durable=True)
    await journal.close()


def test_a_failed_backup_does_not_hide_a_broken_rebirth(tmp_path: Path) -> None:
    """The nightly timer ran between the broken rebirth and `castle wipe`, which then destroyed the unsealed life."""
    path = tmp_path / "journal.db"
    asyncio.run(story(path, ("r1", Verb.REBIRTH, "failed"), ("r2", Verb.BACKUP, "failed")))
    assert _between_lives(path) == "r1"


def test_a_raise_that_ended_well_settles_it(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    asyncio.run(story(path, ("r1", Verb.REBIRTH, "failed"), ("r2", Verb.RAISE, "done")))
    assert _between_lives(path) == ""
