"""The plan of a `flux` layer: pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ephemeral_castle.drivers.flux.options import FluxOptions
from ephemeral_castle.model.castle import Layer, Role, Verb
from ephemeral_castle.model.step import Effect, Phase, Retry, Step
from ephemeral_castle.spi.driver import Request
from ephemeral_castle.spi.ways import raised_here

SEALING = (Verb.REBIRTH, Verb.WIPE, Verb.SEAL)
RAISING = (Verb.REBIRTH, Verb.RAISE, Verb.DRILL)
DESTROYING = (Verb.REBIRTH, Verb.WIPE)
PATIENT = Retry(attempts=4, delay=1.0, factor=2.0, ceiling=8.0)


def plan(layer: Layer, options: FluxOptions, request: Request) -> Sequence[Step]:
    """Revision first; Flux rests from before the cut; the new life gets Flux, the first Secrets, and the repository.

    A wipe needs no more than the rest: machines take the cluster with them, and a cluster that castle did not raise
    keeps its Flux, suspended. A drill never comes near one of those.
    """
    if request.verb is Verb.DRILL and not raised_here(request):
        return []
    steps: list[Step] = []
    opened = _opened(layer, request)
    if request.verb in RAISING:
        steps.append(_source(layer))
    ends = request.verb in DESTROYING and raised_here(request)
    if ends:
        steps.append(_kept(layer))
    in_place = request.verb is Verb.RESTORE and not request.side
    if options.suspend and (request.verb in SEALING or in_place):
        steps.append(_rest(layer, request, f"{layer.id}.kept" if ends else ""))
    if options.suspend and in_place:
        steps.append(_wake(layer, opened))
    if request.verb in RAISING:
        steps += _apply(layer, options)
        steps += _follow(layer, options, opened)
    return steps


def _opened(layer: Layer, request: Request) -> tuple[str, ...]:
    """What must be open before the units can be: the needed layers that stand in the cluster, not the cluster."""
    below = {each.id: each.role for each in request.site.layers if each.role not in (Role.GROUND, Role.FOUNDATIONS)}
    return tuple(f"open:{need}?" for need in layer.needs if need in below)


def _source(layer: Layer) -> Step:
    return _step(layer, "source", "revision for Flux, and what is wrong with it", Phase.PREPARE, Effect.CONVERGE,
                 recheck=True, deadline=3600, weight=0.5)  # fmt: skip


def _kept(layer: Layer) -> Step:
    """What ends with castle's own machines: a cluster that stays keeps its volumes."""
    return _step(layer, "kept", "volumes that nobody keeps", Phase.PREPARE, Effect.READ,
                 needs=("old-machines?", "old-cluster?"), retry=PATIENT, deadline=120, weight=0.2)  # fmt: skip


def _rest(layer: Layer, request: Request, kept: str) -> Step:
    """Flux rests before any fence closes, and not before every backup of the site is proven."""
    proven = tuple(f"proven:{each.id}?" for each in request.site.layers)
    return _step(layer, "rest", "suspend Flux", Phase.SEAL, Effect.ONCE,
                 needs=(*([kept] if kept else []), "old-machines?", "old-cluster?", *proven),
                 provides=(f"still:{layer.id}",), undo=True, recheck=True, retry=PATIENT, deadline=120,
                 weight=0.5)  # fmt: skip


def _wake(layer: Layer, opened: tuple[str, ...]) -> Step:
    """After a restore in place the same life goes on."""
    return _step(layer, "wake", "let Flux go on", Phase.OPEN, Effect.CONVERGE, needs=(f"{layer.id}.rest", *opened),
                 provides=(f"serving:{layer.id}",), retry=PATIENT, deadline=120, weight=0.3)  # fmt: skip


def _apply(layer: Layer, options: FluxOptions) -> list[Step]:
    name = layer.id
    owners = dict.fromkeys(each.partition("/")[0] for keys in options.secrets.values() for each in keys.values())
    renewed = tuple(f"certificate:{owner}?" for owner in owners)
    return [
        _step(layer, "components", "CRDs and controllers of Flux", Phase.APPLY, Effect.CONVERGE,
              needs=(f"{name}.source", "cluster-api?"), recheck=True, retry=PATIENT, deadline=300, weight=4),
        _step(layer, "first", "first Secrets", Phase.APPLY, Effect.CONVERGE, needs=(f"{name}.components", *renewed),
              recheck=True, retry=PATIENT, deadline=420, weight=0.3),
        _step(layer, "controllers", "controllers of Flux run", Phase.APPLY, Effect.CONVERGE,
              needs=(f"{name}.components", "cluster-worker?"), recheck=True, retry=PATIENT, deadline=600, weight=5),
        _step(layer, "root", "the repository at the run's commit", Phase.APPLY, Effect.CONVERGE,
              needs=(f"{name}.first", f"{name}.source", "ahead-of-walls?"), provides=(f"flux:{name}",), recheck=True,
              retry=PATIENT, weight=0.3),
    ]  # fmt: skip


def _follow(layer: Layer, options: FluxOptions, opened: tuple[str, ...]) -> list[Step]:
    name = layer.id
    return [
        _step(layer, "endpoints", "tell Flux where other layers answer", Phase.OPEN, Effect.CONVERGE,
              needs=(f"{name}.components", *opened), recheck=True, retry=PATIENT, weight=0.1),
        _step(layer, "units", "every unit of Flux is ready", Phase.OPEN, Effect.CONVERGE,
              needs=(f"{name}.root", f"{name}.controllers", f"{name}.endpoints", *opened),
              provides=(f"serving:{name}",), recheck=True, retry=Retry(attempts=2), deadline=options.wait + 120,
              weight=20),
        _step(layer, "loose", "let Flux follow the branch again", Phase.VERIFY, Effect.CONVERGE,
              needs=(f"{name}.units",), recheck=True, retry=PATIENT, weight=0.1),
    ]  # fmt: skip


def _step(layer: Layer, action: str, title: str, phase: Phase, effect: Effect, **more: Any) -> Step:
    return Step(f"{layer.id}.{action}", layer.id, "flux", action, title, phase, effect, exact=True, **more)
