"""Seals that outlived their run, and what the record must say before anything is destroyed or promoted."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any, cast

from ephemeral_castle.engine.context import Shared, StepContext
from ephemeral_castle.engine.own import OwnDriver
from ephemeral_castle.model.castle import Verb
from ephemeral_castle.model.record import Record
from ephemeral_castle.model.step import State
from tests.unit.engine.test_own import LAYER, Records, begin, record, seal


class View:
    """A run's view with facts of finished steps."""

    def __init__(self, facts: Mapping[str, Mapping[str, Any]]) -> None:
        self.steps = {name: SimpleNamespace(facts=found) for name, found in facts.items()}

    def facts(self, step: str) -> Mapping[str, Any]:
        return self.steps[step].facts if step in self.steps else {}


def with_facts(verb: Verb, kept: Record, action: str, facts: Mapping[str, Any]) -> tuple[OwnDriver, Any, Any, Records]:
    driver, step, ctx, records = begin(verb, kept, action)
    view = SimpleNamespace(**{**vars(ctx.shared), "view": View(facts), "settled": 0})
    world = SimpleNamespace(settle=lambda: asyncio.sleep(0, 1))
    shared = cast("Shared", SimpleNamespace(**{**vars(view), "world": world}))
    return driver, step, StepContext(shared, step, 1), records


def test_an_older_runs_seal_is_taken_out_before_a_new_fence() -> None:
    """`castle seal`, then a rebirth that was cancelled: the first seal stayed, and a later death went back to it."""
    standing = {"database.survey": {"presence": "present"}}
    driver, step, ctx, records = with_facts(Verb.REBIRTH, record("r1"), "unseal", standing)
    records.kept = ctx.shared.record = record("r1")
    assert asyncio.run(driver.observe(step, ctx)).state is State.NOT_REACHED
    asyncio.run(driver.act(step, ctx))
    assert "seal" not in records.kept.lineage[LAYER.id]


def test_the_seal_of_a_castle_that_is_gone_is_kept() -> None:
    driver, step, ctx, _ = with_facts(Verb.REBIRTH, record("r1"), "unseal", {"database.survey": {"presence": "absent"}})
    assert asyncio.run(driver.observe(step, ctx)).state is State.REACHED


def test_an_undone_seal_of_the_same_run_is_written_anew() -> None:
    """A resumed wipe took the record of its undone seal for the new one, and destroyed without writing it."""
    kept = record("r9")
    bare = dataclasses.replace(kept, lineage={"database": {"system_id": "1"}})
    facts = {"database.stop": {"sealed:database": {"seal": seal("r9", 3)}}}
    driver, step, ctx, _ = with_facts(Verb.WIPE, bare, "record-seal", facts)
    assert asyncio.run(driver.observe(step, ctx)).state is State.NOT_REACHED
    driver, step, ctx, _ = with_facts(Verb.WIPE, kept, "record-seal", facts)
    assert asyncio.run(driver.observe(step, ctx)).state is State.REACHED


def test_the_new_timeline_is_announced_before_it_begins() -> None:
    """A castle lost between promotion and record was taken for somebody else's, for ever."""
    facts = {"database.home": {"arriving:database": {"timeline": 3, "life": 4}}}
    driver, step, ctx, records = with_facts(Verb.REBIRTH, record("r9"), "announce", facts)
    assert asyncio.run(driver.observe(step, ctx)).state is State.NOT_REACHED
    asyncio.run(driver.act(step, ctx))
    assert records.kept.lineage["database"]["arriving"] == {"timeline": 3, "life": 4}
    ctx.shared.record = records.kept
    assert asyncio.run(driver.observe(step, ctx)).state is State.REACHED


def test_the_report_learns_which_life_stands() -> None:
    """The demo's last line said `life=None`."""
    driver, step, ctx, _ = with_facts(Verb.REBIRTH, record("r9"), "record-life", {})
    seen = asyncio.run(driver.observe(step, ctx))
    assert (seen.state, seen.facts) == (State.REACHED, {"life": 3})
