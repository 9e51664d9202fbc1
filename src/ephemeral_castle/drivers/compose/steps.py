"""The plan of a `compose` layer: pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ephemeral_castle.drivers.compose.machines import machines_of
from ephemeral_castle.drivers.compose.options import ComposeOptions
from ephemeral_castle.model.castle import Layer, Verb
from ephemeral_castle.model.step import Effect, Phase, Retry, Step
from ephemeral_castle.spi.driver import Request

SEALING = (Verb.REBIRTH, Verb.WIPE, Verb.SEAL)
RAISING = (Verb.REBIRTH, Verb.RAISE, Verb.DRILL)


def plan(layer: Layer, options: ComposeOptions, request: Request) -> Sequence[Step]:
    """Revision and images first; services that write are stilled at the cut; the new life's projects come up.

    All but the cut is made again on a resume, in this order: so what was mended and pushed meanwhile comes up.
    """
    steps: list[Step] = []
    if request.verb in RAISING:
        steps += _prepare(layer)
    in_place = request.verb is Verb.RESTORE and not request.side
    if request.verb in SEALING or in_place:
        steps += _still(layer, options, request)
    if in_place:
        steps += _again(layer, options, request)
    if request.verb in RAISING:
        steps += _up(layer, options)
    return steps


def _prepare(layer: Layer) -> list[Step]:
    return [
        _step(layer, "source", "revision of the projects, and what is wrong with it", Phase.PREPARE, Effect.CONVERGE,
              recheck=True, deadline=3600, weight=0.5),
        _step(layer, "images", "images of the services", Phase.PREPARE, Effect.CONVERGE, needs=(f"{layer.id}.source",),
              recheck=True, deadline=3600, weight=1),
    ]  # fmt: skip


def _still(layer: Layer, options: ComposeOptions, request: Request) -> list[Step]:
    """Nothing stops before every backup of the site is proven.

    What stands is as it was raised: a service that the definition has moved since runs on a machine that it names no
    more for this layer, so every machine of the site is looked at.
    """
    proven = tuple(f"proven:{each.id}?" for each in request.site.layers)
    return [
        _step(layer, f"still-{machine}", f"stop what writes on {machine}", Phase.SEAL, Effect.ONCE,
              needs=("old-machines?", f"{layer.id}.images?", *proven), provides=(f"still:{machine}",),
              params={"v": 1, "machine": machine}, undo=True, recheck=True, clock="cut",
              deadline=options.grace + 120, weight=1)
        for machine in _machines(options, request)
    ]  # fmt: skip


def _machines(options: ComposeOptions, request: Request) -> list[str]:
    return list(dict.fromkeys([*options.projects, *machines_of(request)]))


def _again(layer: Layer, options: ComposeOptions, request: Request) -> list[Step]:
    """After a restore in place the same life goes on, with the services that were stopped for it."""
    opened = tuple(f"open:{need}?" for need in layer.needs)
    return [
        _step(layer, f"again-{machine}", f"start again what was stopped on {machine}", Phase.OPEN, Effect.CONVERGE,
              needs=(f"{layer.id}.still-{machine}", *opened), provides=(f"serving:{layer.id}",),
              params={"v": 1, "machine": machine}, retry=Retry(attempts=3), deadline=options.timeout + 120, weight=1)
        for machine in _machines(options, request)
    ]  # fmt: skip


def _up(layer: Layer, options: ComposeOptions) -> list[Step]:
    below = [f"{what}:{need}?" for need in layer.needs for what in ("certificate", "address")]
    ups = [
        _step(layer, f"up-{machine}", f"services on {machine}", Phase.APPLY, Effect.CONVERGE,
              needs=(f"{layer.id}.source", f"{layer.id}.images", f"machine:{machine}", f"files:{machine}?", *below),
              provides=(f"address:{layer.id}",), params={"v": 1, "machine": machine}, recheck=True,
              retry=Retry(attempts=3), deadline=options.grace + 300, weight=1.5)
        for machine in options.projects
    ]  # fmt: skip
    opened = tuple(f"open:{need}?" for need in layer.needs)
    healthy = _step(
        layer, "healthy", "every service is well", Phase.OPEN, Effect.CONVERGE,
        needs=(*(step.id for step in ups), *opened), provides=(f"serving:{layer.id}",), retry=Retry(attempts=2),
        recheck=True, deadline=options.timeout + 120, weight=2,
    )  # fmt: skip
    return [*ups, healthy]


def _step(layer: Layer, action: str, title: str, phase: Phase, effect: Effect, **more: Any) -> Step:
    return Step(f"{layer.id}.{action}", layer.id, "compose", action, title, phase, effect, exact=True, **more)
