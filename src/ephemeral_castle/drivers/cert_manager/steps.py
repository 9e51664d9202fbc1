"""The plan of a `cert-manager` layer: pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ephemeral_castle.drivers.cert_manager.options import CertManagerOptions
from ephemeral_castle.model.castle import Layer, Verb
from ephemeral_castle.model.step import Effect, Phase, Retry, Step
from ephemeral_castle.spi.driver import Request
from ephemeral_castle.spi.ways import raised_here

NAME = "cert-manager"
RAISING = (Verb.REBIRTH, Verb.RAISE, Verb.DRILL)
PATIENT = Retry(attempts=4, delay=1.0, factor=2.0, ceiling=8.0)
ROOM = 60.0  # seconds beside the wait itself


def plan(layer: Layer, options: CertManagerOptions, request: Request) -> Sequence[Step]:
    """The Secrets first, before anybody applies the Certificates; then these must be Ready."""
    if request.verb not in RAISING or (request.verb is Verb.DRILL and not raised_here(request)):
        return []  # a drill beside a living cluster writes nothing into that
    owners = dict.fromkeys(each.layer for each in options.carried)
    names = ", ".join(each.name for each in options.carried[:3]) + (", ..." if len(options.carried) > 3 else "")
    carried = _step(layer, "carried", f"key and chain for {names}", Phase.APPLY,
                    needs=("cluster-api?", *(f"certificate:{owner}?" for owner in owners)),
                    provides=("ahead-of-walls",), deadline=120.0, weight=0.2)  # fmt: skip
    below = tuple(f"flux:{need}?" for need in layer.needs)
    ready = _step(layer, "ready", f"cert-manager takes {names}", Phase.OPEN, needs=(carried.id, *below),
                  provides=(f"serving:{layer.id}",), deadline=options.wait + ROOM, weight=2)  # fmt: skip
    return [carried, ready]


def _step(layer: Layer, action: str, title: str, phase: Phase, **more: Any) -> Step:
    known = {"exact": True, "retry": PATIENT, "recheck": True, "params": {"v": 1}, **more}
    return Step(f"{layer.id}.{action}", layer.id, NAME, action, title, phase, Effect.CONVERGE, **known)
