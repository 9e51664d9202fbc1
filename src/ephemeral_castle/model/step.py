"""What the engine runs: steps with phase, effect, needs, deadline."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Phase(StrEnum):
    """Order of steps inside a layer. Every step up to SEAL ends before any DESTROY begins (the barrier).

    DISSOLVE takes away what this very run made (a drill), after everything else.
    """

    PREPARE = "prepare"
    PROVE = "prove"
    SEAL = "seal"
    DESTROY = "destroy"
    APPLY = "apply"
    RESTORE = "restore"
    OPEN = "open"
    VERIFY = "verify"
    DISSOLVE = "dissolve"


PHASES = tuple(Phase)


class Effect(StrEnum):
    """What an act does to the world, and so how it may be repeated."""

    READ = "read"  # changes nothing
    CONVERGE = "converge"  # may be repeated at will
    ONCE = "once"  # repeatable only under a key made from the run
    IRREVERSIBLE = "irreversible"  # never twice, never on a guess


class State(StrEnum):
    """An observation, relative to the step's goal."""

    REACHED = "reached"
    NOT_REACHED = "not_reached"
    PARTIAL = "partial"
    FOREIGN = "foreign"  # something there is not ours
    UNKNOWN = "unknown"  # cannot see; never the same as absent


@dataclass(frozen=True)
class Observation:
    """What was seen.

    Attributes:
        state: relative to the goal of the step.
        detail: a few words for people: what was seen, or why it is not yet so.
        facts: JSON values that later steps, the report and a resume need. Never a secret.
        waived: when the goal does not apply in this world (a treasure proven absent needs no seal): the reason.
        renews: on a resume that makes a finished step again (`recheck`): these facts take the place of those it had.
    """

    state: State
    detail: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)
    waived: str = ""
    renews: bool = False


@dataclass(frozen=True)
class Retry:
    """How transient errors are retried: `attempts` in all, waiting `delay` × `factor`ⁿ seconds between."""

    attempts: int = 4
    delay: float = 0.2
    factor: float = 2.0
    ceiling: float = 5.0


@dataclass(frozen=True)
class Step:
    """One step of a plan; pure data, stored with the run and executed from there on resume.

    Attributes:
        id: "layer.name"; stable between versions of a plan.
        layer: the layer it belongs to.
        driver: name of the driver that observes and acts.
        action: the driver's own word for what to do.
        title: what a person reads while it runs.
        phase: orders steps in a layer; carries the barrier before destroy.
        effect: how the act may be repeated.
        needs: ids of steps, or capabilities (`machine:431`) that some step provides; with `?` at its end where nothing
            may provide it, with `*` all that begin so.
        provides: capabilities that hold once this step is done.
        exact: it waits for its own `needs` alone; otherwise also for the earlier phases of its layer and for the
            layers that its layer needs. The barriers round destruction hold for every step.
        deadline: seconds for all its attempts together.
        retry: policy for transient errors.
        params: versioned JSON parameters.
        undo: the driver can undo it (fence); run backwards when the run ends before the first deletion.
        recheck: look again on resume while nothing is destroyed yet (a fence may have been lifted by hand).
        clock: what its moment means for the figures: "cut" (start), "destroy" (start), "served" (end), or "".
        weight: expected seconds, to show the long pole before anything was measured.
    """

    id: str
    layer: str
    driver: str
    action: str
    title: str
    phase: Phase
    effect: Effect
    needs: tuple[str, ...] = ()
    provides: tuple[str, ...] = ()
    exact: bool = False
    deadline: float = 60.0
    retry: Retry = Retry()
    params: Mapping[str, Any] = field(default_factory=dict)
    undo: bool = False
    recheck: bool = False
    clock: str = ""
    weight: float = 0.0
