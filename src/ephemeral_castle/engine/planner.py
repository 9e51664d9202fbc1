"""From a castle and its drivers to a plan. Pure: reads nothing, writes nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ephemeral_castle.errors import Permanent
from ephemeral_castle.model.castle import Layer, Role
from ephemeral_castle.model.plan import Plan
from ephemeral_castle.model.step import PHASES, Effect, Phase, Step
from ephemeral_castle.spi.driver import Driver, Request

BARRIER = PHASES.index(Phase.DESTROY)


def build(request: Request, drivers: Mapping[str, Driver[Any]], options: Mapping[str, Any], own: Driver[Any]) -> Plan:
    """The plan for a request.

    Args:
        request: verb, castle, site and the flags of this run.
        drivers: driver by name.
        options: validated options by layer id.
        own: the driver of castle's own steps (record, identities of the treasury).

    Raises:
        Permanent: the steps wait for each other, or need something that no step provides (a bug in a driver).
    """
    layers = request.site.layers
    steps: list[Step] = list(own.plan(Layer("castle", layers[0].role, own.name), None, request))
    for layer in layers:
        if layer.role is Role.TREASURES and not request.concerns(layer.id):
            continue
        steps.extend(drivers[layer.driver].plan(layer, options[layer.id], request))
    edges = _edges(steps, {layer.id: layer for layer in layers})
    return Plan(
        castle=request.castle.name,
        site=request.site.name,
        verb=request.verb,
        steps=_ordered(steps, edges),
        edges=edges,
        roles={layer.id: layer.role.value for layer in layers},
        request=request.flags(),
    )


def _edges(steps: Sequence[Step], layers: Mapping[str, Layer]) -> dict[str, tuple[str, ...]]:
    provided: dict[str, list[str]] = {}
    for step in steps:
        provided.setdefault(step.id, []).append(step.id)
        for token in step.provides:
            provided.setdefault(token, []).append(step.id)
    edges: dict[str, tuple[str, ...]] = {}
    for step in steps:
        found: dict[str, None] = {}
        for need in step.needs:
            if need.endswith("*"):
                found |= {step_id: None for token, ids in provided.items() if _fits(token, need) for step_id in ids}
                continue
            optional = need.endswith("?")
            for provider in provided.get(need.removesuffix("?"), ()):
                found[provider] = None
            if need.removesuffix("?") not in provided and not optional:
                raise Permanent(f"step {step.id} needs {need}, which nothing provides")
        if not step.exact:
            found.update(dict.fromkeys(_by_phase(step, steps)))
            found.update(dict.fromkeys(_by_layer(step, steps, layers)))
        elif _destroys(step):
            found.update(dict.fromkeys(_by_layer(step, steps, layers)))
        found.update(dict.fromkeys(_barrier(step, steps)))
        found.pop(step.id, None)
        edges[step.id] = tuple(found)
    return edges


def _fits(token: str, pattern: str) -> bool:
    """Whether a capability is of a kind: `machine:*` is every machine, however many there are."""
    return token.startswith(pattern.removesuffix("*"))


def _by_phase(step: Step, steps: Sequence[Step]) -> list[str]:
    """All steps of the nearest earlier phase that the layer has."""
    earlier = [s for s in steps if s.layer == step.layer and PHASES.index(s.phase) < PHASES.index(step.phase)]
    if not earlier:
        return []
    nearest = max(PHASES.index(s.phase) for s in earlier)
    return [s.id for s in earlier if PHASES.index(s.phase) == nearest]


def _by_layer(step: Step, steps: Sequence[Step], layers: Mapping[str, Layer]) -> list[str]:
    """Applying follows `needs`, also over layers that have no step of their own; destroying goes the other way."""
    if step.layer not in layers:
        return []
    if step.phase is Phase.DESTROY:
        dependents = {name for name in layers if step.layer in _below(name, layers)}
        return [s.id for s in steps if s.layer in dependents and s.phase is Phase.DESTROY]
    if PHASES.index(step.phase) > BARRIER:
        below = _below(step.layer, layers)
        return [s.id for s in steps if s.layer in below and BARRIER < PHASES.index(s.phase) <= PHASES.index(step.phase)]
    return []


def _below(name: str, layers: Mapping[str, Layer]) -> set[str]:
    """Every layer that this one stands on, directly or not."""
    found: set[str] = set()
    waiting = [name]
    while waiting:
        new = set(layers[waiting.pop()].needs) & set(layers) - found
        found |= new
        waiting.extend(new)
    return found


def _destroys(step: Step) -> bool:
    """Whether it takes something away; a look at what would go does not."""
    return step.phase is Phase.DESTROY and step.effect is not Effect.READ


def _barrier(step: Step, steps: Sequence[Step]) -> list[str]:
    """Every look, proof and seal before any destruction; all of these before anything new; all before a dissolution."""
    phase = PHASES.index(step.phase)
    if step.phase is Phase.DISSOLVE:
        return [s.id for s in steps if PHASES.index(s.phase) < phase]
    if _destroys(step):
        return [s.id for s in steps if PHASES.index(s.phase) < BARRIER]
    if phase > BARRIER:
        return [s.id for s in steps if PHASES.index(s.phase) <= BARRIER]
    return []


def _ordered(steps: Sequence[Step], edges: Mapping[str, Sequence[str]]) -> tuple[Step, ...]:
    """A topological order that keeps the given order where it may."""
    done: set[str] = set()
    result: list[Step] = []
    waiting = list(steps)
    while waiting:
        ready = [step for step in waiting if all(need in done for need in edges[step.id])]
        if not ready:
            names = ", ".join(step.id for step in waiting)
            raise Permanent(f"these steps wait for each other: {names}")
        result.extend(ready)
        done.update(step.id for step in ready)
        waiting = [step for step in waiting if step.id not in done]
    return tuple(result)
