"""The plan of an `rfc2136` layer: pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ephemeral_castle.drivers.rfc2136.options import HERE, Rfc2136Options
from ephemeral_castle.model.castle import Layer, Verb
from ephemeral_castle.model.step import Effect, Phase, Retry, Step
from ephemeral_castle.spi.driver import Request

NAME = "rfc2136"
RAISING = (Verb.REBIRTH, Verb.RAISE)
# How long a server that is silent is asked again before a run, where silence ends the run and nothing has happened yet.
PATIENCE = 5.0


def plan(layer: Layer, options: Rfc2136Options, request: Request) -> Sequence[Step]:
    """Look first; TTL down while all is proven; the switch when the castle serves; then every server must say so."""
    if request.verb is Verb.WIPE:
        return [_look(layer), _remove(layer, options)]
    if request.verb is Verb.DRILL:
        return [_meant(layer)]
    if request.verb not in RAISING:
        return []
    before = [_look(layer)]
    if request.verb is Verb.REBIRTH:
        before.append(_lower(layer))
        if options.maintenance == HERE:
            before.append(_page(layer))
        if options.maintenance:
            before.append(_maintenance(layer, request))
    return [*before, _switch(layer, options), _answer(layer, options)]


def _step(layer: Layer, action: str, title: str, phase: Phase, effect: Effect, **more: Any) -> Step:
    more.setdefault("deadline", 30.0)
    return Step(f"{layer.id}.{action}", layer.id, NAME, action, title, phase, effect, **{"exact": True, **more})


def _look(layer: Layer) -> Step:
    title = "look at names, their owner and the key"
    return _step(layer, "look", title, Phase.PREPARE, Effect.READ, retry=Retry(attempts=1), weight=0.05)


def _lower(layer: Layer) -> Step:
    title = "lower the TTL of the names"
    needs = (f"{layer.id}.look",)
    return _step(layer, "lower-ttl", title, Phase.PROVE, Effect.ONCE, needs=needs, undo=True, weight=0.05)


def _page(layer: Layer) -> Step:
    """Ahead of the cut: a program that starts then would be part of the outage."""
    title, needs = "bring up the maintenance page", (f"{layer.id}.look",)
    return _step(layer, "page", title, Phase.PROVE, Effect.ONCE, needs=needs, undo=True, weight=0.4)


def _maintenance(layer: Layer, request: Request) -> Step:
    """From here on people who come by a name see the page: for them the outage begins."""
    proven = (f"proven:{each.id}?" for each in request.site.layers)
    needs = (f"{layer.id}.lower-ttl", f"{layer.id}.page?", *proven)
    title = "point the names at the maintenance page"
    return _step(layer, "maintenance", title, Phase.SEAL, Effect.ONCE, needs=needs, undo=True, clock="cut", weight=0.1)


def _switch(layer: Layer, options: Rfc2136Options) -> Step:
    """It also waits for all steps of the layers that it needs, up to their opening: not every layer has a token."""
    needs = (f"{layer.id}.look", *(f"serving:{each}?" for each in layer.needs))
    return _step(
        layer,
        "switch",
        "point the names at the new life",
        Phase.OPEN,
        Effect.IRREVERSIBLE,
        needs=needs,
        provides=(f"named:{layer.id}",),
        exact=False,
        deadline=3 * options.timeout + 30,
        weight=0.05,
    )


def _meant(layer: Layer) -> Step:
    """A drill asks no name server and changes nothing there: its probes are told where the names would lead."""
    needs = tuple(f"serving:{each}?" for each in layer.needs)
    title = "where the names would lead"
    return _step(layer, "meant", title, Phase.OPEN, Effect.READ, needs=needs, provides=(f"named:{layer.id}",),
                 exact=False)  # fmt: skip


def _answer(layer: Layer, options: Rfc2136Options) -> Step:
    needs = (f"{layer.id}.switch",)
    title = "every name server gives the new addresses"
    return _step(layer, "answer", title, Phase.VERIFY, Effect.READ, needs=needs, retry=Retry(attempts=1),
                 deadline=options.timeout + 30, weight=0.05)  # fmt: skip


def _remove(layer: Layer, options: Rfc2136Options) -> Step:
    """A name that leads to addresses which somebody else may get next is a danger, and so it goes with the castle."""
    title = "remove the names that are ours"
    return _step(layer, "remove", title, Phase.DESTROY, Effect.IRREVERSIBLE, needs=(f"{layer.id}.look",),
                 deadline=3 * options.timeout + 30, weight=0.05)  # fmt: skip
