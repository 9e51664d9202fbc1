"""Nothing new is begun while a run lies between two lives, whatever ran after it."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from ephemeral_castle.cli.wiring import _between_lives, _not_over_a_birth, _unfinished_birth
from ephemeral_castle.errors import Busy
from ephemeral_castle.journal.store import Journal
from ephemeral_castle.model.castle import Castle, Treasury, Verb
from ephemeral_castle.model.events import Event, Kind
from ephemeral_castle.model.plan import Plan
from ephemeral_castle.model.step import Effect, Phase, Step

DESTROY = Step("m.destroy", "m", "podman", "destroy", "destroy", Phase.DESTROY, Effect.IRREVERSIBLE)


def plan(verb: Verb) -> Plan:
    return Plan("c", "here", verb, (DESTROY,), {"m.destroy": ()}, {"m": "ground"}, {})


CREATE = Step("m.create", "m", "podman", "create", "create", Phase.APPLY, Effect.CONVERGE)
RECORD = Step("castle.record-life", "castle", "castle", "record-life", "record", Phase.VERIFY, Effect.ONCE)


async def births(path: Path, *runs: tuple[str, Verb, str, tuple[int, int], bool]) -> None:
    """Runs with the lives they work on, each of which made a machine or did not."""
    journal = await Journal.open(path)
    for at, (run, verb, status, (old, new), made) in enumerate(runs):
        steps = (CREATE, RECORD)
        edges: dict[str, tuple[str, ...]] = {"m.create": (), "castle.record-life": ()}
        stored = Plan("c", "here", verb, steps, edges, {"m": "ground", "castle": "castle"}, {})
        await journal.create_run(run, stored, "castle", float(at))
        await journal.take_over(run)
        await journal.append(Event(run, Kind.RUN_STARTED, at, data={"old_life": old, "life": new}))
        if made:
            await journal.append(Event(run, Kind.STEP_INTENT, at, "m.create", 1, {"what": "create"}), durable=True)
        if status == "recorded":
            await journal.append(Event(run, Kind.STEP_FINISHED, at, RECORD.id, 1, {"state": "done"}), durable=True)
            await journal.append(Event(run, Kind.STEP_UNDONE, at, RECORD.id, 1), durable=True)
        end = {"status": "failed" if status == "recorded" else status}
        await journal.append(Event(run, Kind.RUN_FINISHED, at, data=end), durable=True)
    await journal.close()


@pytest.mark.parametrize("status", ["failed", "refused", "cancelled", "running"])
def test_a_first_birth_that_did_not_end_is_found(tmp_path: Path, status: str) -> None:
    """`castle raise --new` said of it that its stanza was never backed up, and that there is nothing to restore."""
    path = tmp_path / "journal.db"
    later = ("r2", Verb.BACKUP, "failed", (0, 0), False)
    asyncio.run(births(path, ("r1", Verb.RAISE, status, (0, 1), True), later))
    assert _unfinished_birth(path) == ("r1", 0)


@pytest.mark.parametrize(
    "runs",
    [
        [("r1", Verb.RAISE, "failed", (0, 1), False)],  # it ended before it made anything
        [("r1", Verb.RAISE, "failed", (3, 3), True)],  # a machine was added to a life that stands
        [("r1", Verb.RAISE, "recorded", (0, 1), True)],
        [("r1", Verb.RAISE, "failed", (0, 1), True), ("r2", Verb.RAISE, "done", (0, 1), True)],
        [("r1", Verb.REBIRTH, "failed", (1, 2), True)],  # `_between_lives` knows these
        [],
    ],
)
def test_what_is_no_unfinished_birth(tmp_path: Path, runs: Any) -> None:
    path = tmp_path / "journal.db"
    asyncio.run(births(path, *runs))
    assert _unfinished_birth(path) == ("", 0)


@pytest.mark.parametrize(("server", "life"), [("here", 0), ("", 0), ("here", 2)])
def test_a_new_life_over_an_unfinished_one_is_refused_with_the_run_that_goes_on(
    tmp_path: Path, server: str, life: int
) -> None:
    """With `down` named only where it costs nothing: it takes a treasury kept here along."""
    path = tmp_path / "journal.db"
    asyncio.run(births(path, ("r1", Verb.RAISE, "failed", (life, life + 1), True)))
    castle = Castle("c", Treasury("b", "c", server=server), {})
    with pytest.raises(Busy) as error:
        _not_over_a_birth(castle, path, Verb.RAISE)
    assert error.value.hints[-1].startswith("castle resume r1")
    assert any(hint.startswith("castle down") for hint in error.value.hints) == (life == 0 and server == "here")
    for verb in (Verb.BACKUP, Verb.WIPE, Verb.DRILL):
        _not_over_a_birth(castle, path, verb)


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
