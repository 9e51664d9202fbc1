"""Castle's own steps on the record: what a seal leaves there, and when it must go again."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

from ephemeral_castle.engine.context import Shared, StepContext
from ephemeral_castle.engine.own import OwnDriver, rights_of
from ephemeral_castle.model.castle import Castle, Layer, Role, Site, Treasury, Verb
from ephemeral_castle.model.record import Record
from ephemeral_castle.model.step import Effect, State
from ephemeral_castle.spi.driver import Request
from ephemeral_castle.spi.world import Rights

LAYER = Layer("database", Role.TREASURES, "postgres")
SITE = Site("here", (LAYER,))
CASTLE = Castle("tazlab", Treasury("vault", "tazlab"), {"here": SITE})


def seal(run: str, life: int) -> dict[str, Any]:
    return {"mark": {"lsn": "0/7000CD0", "timeline": 2}, "run": run, "life": life, "label": "A"}


def record(run: str, *, pending: int = 0) -> Record:
    lineage = {"database": {"system_id": "1", "mark": "0/3000000", "timeline": 2, "seal": seal(run, 3)}}
    return Record("id", "tazlab", "age1", 3, pending, "here", "one", lineage=lineage, run=run)


class Records:
    """The record in the treasury."""

    def __init__(self, kept: Record) -> None:
        self.kept = kept

    async def update(self, change: Callable[[Record], Record]) -> Record:
        self.kept = change(self.kept)
        return self.kept


def begin(verb: Verb, kept: Record, action: str) -> tuple[OwnDriver, Any, StepContext, Records]:
    request = Request(verb, CASTLE, SITE)
    driver, records = OwnDriver(), Records(kept)
    step = next(s for s in driver.plan(Layer("castle", Role.GROUND, "castle"), None, request) if s.action == action)
    shared = cast(
        "Shared",
        SimpleNamespace(
            request=request, run="r9", life=3, old_life=3, records=records, record=kept, view=SimpleNamespace(steps={})
        ),
    )
    return driver, step, StepContext(shared, step, 1), records


def test_a_seal_that_was_taken_back_leaves_the_record() -> None:
    """After a cancelled rebirth the record named a seal of the living life: its death would have gone back to it."""
    driver, step, ctx, records = begin(Verb.REBIRTH, record("r9", pending=4), "record-seal")
    assert step.undo
    asyncio.run(driver.undo(step, ctx))
    known = records.kept.lineage["database"]
    assert "seal" not in known
    assert (known["mark"], known["timeline"], records.kept.pending_life) == ("0/7000CD0", 2, 0)


def test_taking_back_leaves_the_seal_of_another_run() -> None:
    driver, step, ctx, records = begin(Verb.REBIRTH, record("r1"), "record-seal")
    asyncio.run(driver.undo(step, ctx))
    assert records.kept.lineage["database"]["seal"] == seal("r1", 3)


def test_a_seal_without_a_new_life_reaches_its_goal() -> None:
    """Seal and wipe waited for a life that nobody had announced, until their deadline."""
    for verb in (Verb.SEAL, Verb.WIPE):
        driver, step, ctx, _ = begin(verb, record("r9"), "record-seal")
        assert asyncio.run(driver.observe(step, ctx)).state is State.REACHED


def test_a_sealed_life_that_is_raised_again_is_unsealed_before_anybody_writes() -> None:
    driver, step, ctx, records = begin(Verb.RAISE, record("r1"), "unseal")
    assert "unsealed" in step.provides
    assert asyncio.run(driver.observe(step, ctx)).state is State.NOT_REACHED
    asyncio.run(driver.act(step, ctx))
    assert "seal" not in records.kept.lineage["database"]


def test_a_seal_of_files_leaves_what_it_says_itself() -> None:
    """Taking a seal out of the record read the position of a database from it, which files have not."""
    held = {"mark": {"snapshot": "s", "digest": "d"}, "run": "r9", "life": 3, "label": "s", "stays": {"at": 12.0}}
    kept = Record("id", "tazlab", "age1", 3, 0, "here", "one", run="r9",
                  lineage={"database": {"repository": "x", "seal": held}})  # fmt: skip
    driver, step, ctx, records = begin(Verb.REBIRTH, kept, "record-seal")
    asyncio.run(driver.undo(step, ctx))
    assert records.kept.lineage["database"] == {"repository": "x", "at": 12.0}


def test_only_drivers_that_write_into_the_treasury_take_room_in_the_policy() -> None:
    """Nine layers with paths of their own did not fit into the bucket's policy."""

    class Writes:
        def rights(self, layer: Layer) -> Rights:
            return Rights((f"restic/{layer.id}",))

    site = Site("here", (LAYER, Layer("uploads", Role.TREASURES, "restic"), Layer("page", Role.PROOF, "http-probe")))
    shared = cast(
        "Shared",
        SimpleNamespace(
            request=Request(Verb.RAISE, CASTLE, site), drivers={"restic": Writes(), "http-probe": object()}
        ),
    )
    assert rights_of(shared) == [Rights(("restic/uploads",))]


def test_a_proof_that_a_drill_wrote_meanwhile_is_not_overwritten() -> None:
    """A runner wrote the whole lineage as it had read it at its start: what came since was lost."""
    proof = {"label": "A", "at": 5.0, "by": "drill"}
    for verb, action in ((Verb.REBIRTH, "record-seal"), (Verb.REBIRTH, "record-life")):
        driver, step, ctx, records = begin(verb, record("r1"), action)
        shared: Any = ctx.shared
        facts = {"sealed:database": {"seal": seal("r9", 3)}, "home:database": {"timeline": 3}}
        shared.view.steps["x"] = SimpleNamespace(facts=facts)
        shared.life = 4
        shared.world = SimpleNamespace(computer={"id": "one"}, settle=lambda: asyncio.sleep(0))
        known = records.kept.lineage["database"]
        records.kept = dataclasses.replace(records.kept, lineage={"database": {**known, "proof": proof}})
        asyncio.run(driver.act(step, ctx))
        after = records.kept.lineage["database"]
        assert after["proof"] == proof, action
        assert after["timeline"] == (3 if action == "record-life" else 2)


def test_a_proof_is_recorded_once_a_newer_one_stands_there() -> None:
    """A drill and a rebirth prove beside each other: the later proof stays, and both have reached their goal."""
    driver, step, ctx, _ = begin(Verb.DRILL, record("r1"), "record-proof")
    shared: Any = ctx.shared
    shared.view.steps["x"] = SimpleNamespace(facts={"sealed:database": {"proof": {"label": "A", "at": 5.0}}})
    for at, state in ((4.0, State.NOT_REACHED), (5.0, State.REACHED), (6.0, State.REACHED)):
        known = record("r1").lineage["database"]
        proofs = {"database": {**known, "proof": {"label": "B", "at": at}}}
        shared.record = dataclasses.replace(record("r1"), lineage=proofs)
        assert asyncio.run(driver.observe(step, ctx)).state is state


def test_rights_of_the_writer_that_were_lost_stayed_lost_on_a_resume() -> None:
    """The step was done, so nobody looked again: every backup of the new life was refused by the treasury."""
    for verb in (Verb.RAISE, Verb.REBIRTH):
        _, step, _, _ = begin(verb, record("r1"), "writer")
        assert step.recheck
        assert step.effect is Effect.CONVERGE


def test_a_seal_of_one_treasure_stayed_when_another_alone_was_restored() -> None:
    """The services go on after it; a later death would have brought back what was there at the seal."""
    driver, step, ctx, records = begin(Verb.RESTORE, record("r1"), "unseal")
    shared = cast("Any", ctx.shared)
    shared.request = dataclasses.replace(ctx.request, only=("files",))
    shared.view = SimpleNamespace(steps={}, facts=lambda _: {})
    assert asyncio.run(driver.observe(step, ctx)).state is State.NOT_REACHED
    asyncio.run(driver.act(step, ctx))
    assert "seal" not in records.kept.lineage["database"]
