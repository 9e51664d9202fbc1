"""A restore in place: the tree is quiet when it is kept, and still so when it is replaced."""

from __future__ import annotations

from typing import Any

import pytest

from ephemeral_castle.cli import wiring
from ephemeral_castle.drivers.restic.part import Desk
from ephemeral_castle.drivers.restic.side import Before, Calm
from ephemeral_castle.errors import Refused
from ephemeral_castle.model.castle import Verb
from ephemeral_castle.model.plan import Plan
from ephemeral_castle.model.step import Effect, Phase, State
from ephemeral_castle.spi.world import Result
from tests.unit.drivers.restic.bed import TAKEN, Machine, context

KEPT = {"label": "a" * 8, "snapshot": "a" * 64, "before": "x", "after": "x", "taken": TAKEN, "moved": []}
EXAMPLE = "examples/here/castle.yaml"


def plan(**words: Any) -> Plan:
    return wiring.offline_plan(wiring.load_castle(EXAMPLE), Verb.RESTORE, None, words)


def test_a_restore_in_place_deleted_what_services_wrote_meanwhile() -> None:
    """Nothing stopped the services: what they wrote after the snapshot of the present was gone without a copy."""
    made = plan()
    for machine in ("control", "data", "edge"):
        still, again = made.by_id[f"blog.still-{machine}"], made.by_id[f"blog.again-{machine}"]
        assert (still.phase, still.undo, still.recheck, still.clock) == (Phase.SEAL, True, True, "cut")
        assert {"uploads.rehearse", "database.rehearse"} <= set(made.edges[still.id])
        assert {"uploads.before", "uploads.rewind", "database.rewind", again.id} <= made.descendants(still.id)
        assert (again.phase, again.provides, again.effect) == (Phase.OPEN, ("serving:blog",), Effect.CONVERGE)
        assert again.id in made.descendants("uploads.rewind") & made.descendants("database.lift")
    assert "database.stop" in made.edges["uploads.calm"]  # the last look is not followed by an hour of sealing
    assert "uploads.calm" in made.edges["uploads.rewind"]


def test_a_copy_beside_stops_nobody() -> None:
    assert not [step.id for step in plan(side=True).steps if step.layer == "blog"]


def test_services_that_the_definition_moved_are_stopped_before_the_last_snapshot() -> None:
    """The last snapshot waited for the machine of the definition only, not for those that carry the old services."""
    made = wiring.offline_plan(wiring.load_castle(EXAMPLE), Verb.REBIRTH, None, {})
    stills = {f"blog.still-{machine}" for machine in ("control", "data", "edge")}
    assert stills <= set(made.edges["uploads.last"])


@pytest.mark.parametrize(("seen", "state"), [("x", State.REACHED), ("y", State.NOT_REACHED)])
async def test_on_a_resume_what_is_here_is_kept_again_when_something_wrote(seen: str, state: State) -> None:
    ctx = context(Verb.RESTORE, facts={"uploads.before": KEPT}, machine=Machine(Result(0, f"{seen}\n", "")))
    assert (await Before(ctx, Desk()).observe()).state is state


async def test_what_is_not_in_the_snapshot_of_the_present_is_never_replaced() -> None:
    facts = {"uploads.before": KEPT}
    quiet = Calm(context(Verb.RESTORE, facts=facts, machine=Machine(Result(0, "x\n", ""))), Desk())
    assert (await quiet.observe()).state is State.NOT_REACHED  # the look is made at its time, not before
    seen = await quiet.act()
    assert seen is not None
    assert seen.state is State.REACHED
    stirs = Calm(context(Verb.RESTORE, facts=facts, machine=Machine(Result(0, "y\n", ""))), Desk())
    with pytest.raises(Refused, match="something still writes") as error:
        await stirs.act()
    assert error.value.hints[-1] == "castle restore"
