"""A small rebirth: prove, cut, seal, wipe two machines, raise, restore, probe, back up."""

from __future__ import annotations

from typing import Any

from ephemeral_castle.model.castle import Verb
from ephemeral_castle.model.events import Event, Kind
from ephemeral_castle.model.plan import Plan
from ephemeral_castle.model.step import Effect, Phase, Step


def step(
    name: str, layer: str, phase: Phase, effect: Effect = Effect.CONVERGE, *, clock: str = "", undo: bool = False
) -> Step:
    return Step(f"{layer}.{name}", layer, "fake", name, name, phase, effect, clock=clock, undo=undo)


def rebirth() -> Plan:
    steps = (
        step("prove", "db", Phase.PROVE, Effect.ONCE),
        step("fence", "db", Phase.SEAL, Effect.ONCE, clock="cut", undo=True),
        step("seal", "db", Phase.SEAL, Effect.ONCE),
        step("wipe1", "vm", Phase.DESTROY, Effect.IRREVERSIBLE, clock="destroy"),
        step("wipe2", "vm", Phase.DESTROY, Effect.IRREVERSIBLE, clock="destroy"),
        step("raise", "vm", Phase.APPLY),
        step("restore", "db", Phase.RESTORE, Effect.IRREVERSIBLE),
        step("probe", "web", Phase.VERIFY, Effect.READ, clock="served"),
        step("backup", "db", Phase.VERIFY, Effect.ONCE),
    )
    edges = {
        "db.prove": (),
        "db.fence": ("db.prove",),
        "db.seal": ("db.fence",),
        "vm.wipe1": ("db.seal",),
        "vm.wipe2": ("db.seal",),
        "vm.raise": ("vm.wipe1", "vm.wipe2"),
        "db.restore": ("vm.raise",),
        "web.probe": ("db.restore",),
        "db.backup": ("web.probe",),
    }
    roles = {"db": "treasures", "vm": "ground", "web": "proof"}
    return Plan("here", "here", Verb.REBIRTH, steps, edges, roles, {})


class Story:
    """Writes a stream of events with running numbers and a clock that one sets."""

    def __init__(self, at: float = 1000.0) -> None:
        self.at = at
        self.events: list[Event] = []

    def say(self, kind: Kind, step: str = "", attempt: int = 0, **data: object) -> Story:
        self.events.append(Event("r1", kind, self.at, step, attempt, data, seq=len(self.events) + 1))
        return self

    def run_started(self) -> Story:
        return self.say(Kind.RUN_STARTED, pid=1, epoch=1)

    def begin(self, step: str, attempt: int = 1) -> Story:
        return self.say(Kind.STEP_STARTED, step, attempt, effect="converge")

    def intend(self, step: str, attempt: int = 1) -> Story:
        return self.say(Kind.STEP_INTENT, step, attempt, what="act")

    def finish(self, step: str, attempt: int = 1, state: str = "done", how: str = "acted", **data: object) -> Story:
        return self.say(Kind.STEP_FINISHED, step, attempt, state=state, how=how, **data)

    def does(self, step: str, took: float, attempt: int = 1, **data: Any) -> Story:
        """The whole step, alone."""
        self.begin(step, attempt).intend(step, attempt)
        self.at += took
        return self.finish(step, attempt, took=took, **data)
