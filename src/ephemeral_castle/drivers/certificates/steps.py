"""The plan of a `certificates` layer: pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from ephemeral_castle.drivers.certificates.options import CertificatesOptions
from ephemeral_castle.model.castle import Layer, Verb
from ephemeral_castle.model.step import Effect, Phase, Retry, Step
from ephemeral_castle.spi.driver import Request

NAME = "certificates"
RAISING = (Verb.REBIRTH, Verb.RAISE)
# What the CA's time-out does not cover: account, name server, vault.
ROOM = 60.0


def plan(layer: Layer, options: CertificatesOptions, request: Request) -> Sequence[Step]:
    """Look first; what must be issued is issued before anything is destroyed; what is only due, once all is served."""
    if request.verb is Verb.DRILL:
        return [_look(layer), _drilled(layer, options)]
    if request.verb not in RAISING:
        return []
    steps = [_look(layer)]
    limit = ROOM + (options.acme.timeout if options.acme else 0)
    before = (f"{layer.id}.look",)
    if options.acme:
        title = "have a certificate before anything is destroyed"
        obtain = _step(layer, "obtain", title, Phase.PREPARE, Effect.ONCE, needs=before, deadline=limit)
        steps.append(obtain)
        before = (obtain.id,)
    steps.append(
        _step(layer, "ready", f"certificate for {_few(options.names)}", Phase.APPLY, Effect.ONCE, needs=before,
              provides=(f"certificate:{layer.id}",), deadline=limit)
    )  # fmt: skip
    if options.acme and request.verb is Verb.REBIRTH:
        steps.append(_renew(layer, request, limit))
    return steps


def _look(layer: Layer) -> Step:
    return _step(layer, "look", "look at the certificate", Phase.PREPARE, Effect.READ, retry=Retry(attempts=1))


def _renew(layer: Layer, request: Request, limit: float) -> Step:
    """Behind all that ends the outage: in a castle without a probe, what opens and serves."""
    serves = (f"{token}:{each.id}?" for each in request.site.layers for token in ("open", "serving", "named"))
    needs = (f"{layer.id}.ready", "served?", *serves)
    return _step(layer, "renew", "renew the certificate if it is due", Phase.VERIFY, Effect.ONCE, needs=needs,
                 provides=(f"renewed:{layer.id}",), deadline=limit)  # fmt: skip


def _drilled(layer: Layer, options: CertificatesOptions) -> Step:
    """A drill issues nothing: it would be the living castle's certificate, and count against the CA's limits."""
    title = f"certificate for {_few(options.names)}, as it is carried"
    ready = _step(layer, "ready", title, Phase.APPLY, Effect.READ, needs=(f"{layer.id}.look",),
                  provides=(f"certificate:{layer.id}",))  # fmt: skip
    return replace(ready, action="drilled")


def _few(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{names[0]} and {len(names) - 1} more"


def _step(layer: Layer, action: str, title: str, phase: Phase, effect: Effect, **more: Any) -> Step:
    known = {"exact": True, "deadline": 60.0, "weight": 0.05, "params": {"v": 1}, **more}
    return Step(f"{layer.id}.{action}", layer.id, NAME, action, title, phase, effect, **known)
