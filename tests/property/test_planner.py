"""Whatever drivers plan, the engine's order keeps the promise: proof and seal, then the end, then the new."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from ephemeral_castle.engine import planner
from ephemeral_castle.engine.own import OwnDriver
from ephemeral_castle.model.castle import Castle, Layer, Role, Site, Treasury, Verb
from ephemeral_castle.model.plan import Plan
from ephemeral_castle.model.step import PHASES, Effect, Phase, Step
from ephemeral_castle.spi.driver import Request

BARRIER = PHASES.index(Phase.DESTROY)
EFFECTS = {Phase.DESTROY: [Effect.READ, Effect.IRREVERSIBLE, Effect.CONVERGE]}


class Written:
    """A driver whose steps stand in the layer's options."""

    name = "written"
    Options: Any = None

    def plan(self, layer: Layer, options: Sequence[Step], request: Request, /) -> Sequence[Step]:
        return options

    async def observe(self, step: Step, ctx: Any, /) -> Any:
        raise NotImplementedError

    async def act(self, step: Step, ctx: Any, /) -> Any:
        raise NotImplementedError


@st.composite
def castles(draw: st.DrawFn) -> tuple[Request, dict[str, list[Step]]]:
    """Up to five layers that stand on earlier ones; steps of any phase, exact or not."""
    layers: list[Layer] = []
    steps: dict[str, list[Step]] = {}
    for number in range(draw(st.integers(1, 5))):
        name = f"layer{number}"
        below = draw(st.sets(st.sampled_from([layer.id for layer in layers]))) if layers else set()
        layers.append(Layer(name, Role.GROUND, "written", tuple(sorted(below))))
        phases = sorted(draw(st.lists(st.sampled_from(PHASES), max_size=5)), key=PHASES.index)
        steps[name] = []
        for index, phase in enumerate(phases):
            before = [s.id for s in steps[name]]
            needs = tuple(sorted(draw(st.sets(st.sampled_from(before), max_size=2)))) if before else ()
            effect = draw(st.sampled_from(EFFECTS.get(phase, list(Effect))))
            steps[name].append(
                Step(f"{name}.s{index}", name, "written", "do", "do", phase, effect, needs, exact=draw(st.booleans()))
            )
    site = Site("here", tuple(layers))
    verb = draw(st.sampled_from([Verb.REBIRTH, Verb.WIPE]))
    return Request(verb, Castle("toy", Treasury("b", "toy"), {"here": site}), site), steps


def build(request: Request, steps: dict[str, list[Step]]) -> Plan:
    return planner.build(request, {"written": Written()}, steps, OwnDriver())


def ancestors(plan: Plan) -> dict[str, set[str]]:
    """For each step all that must be done before it."""
    found: dict[str, set[str]] = {}
    for step in plan.steps:
        found[step.id] = {each for need in plan.edges[step.id] for each in (need, *found[need])}
    return found


@given(castles())
@settings(max_examples=200)
def test_every_seal_before_any_destruction_and_nothing_new_before_it_is_over(
    made: tuple[Request, dict[str, list[Step]]],
) -> None:
    plan = build(*made)
    before = ancestors(plan)
    for step in plan.steps:
        phase = PHASES.index(step.phase)
        for other in plan.steps:
            earlier = PHASES.index(other.phase)
            if phase == BARRIER and step.effect is not Effect.READ and earlier < BARRIER:
                assert other.id in before[step.id], f"{step.id} may destroy before {other.id}"
            if phase > BARRIER and earlier <= BARRIER:
                assert other.id in before[step.id], f"{step.id} may begin before {other.id}"


def stands_on(layers: dict[str, Layer], upper: str, lower: str) -> bool:
    return any(need == lower or stands_on(layers, need, lower) for need in layers[upper].needs)


@given(castles())
@settings(max_examples=200)
def test_what_stands_on_another_is_destroyed_first_also_over_layers_that_destroy_nothing(
    made: tuple[Request, dict[str, list[Step]]],
) -> None:
    plan = build(*made)
    before = ancestors(plan)
    layers = {layer.id: layer for layer in made[0].site.layers}
    destroys = [s for s in plan.steps if s.phase is Phase.DESTROY and s.effect is not Effect.READ]
    for lower in destroys:
        for upper in destroys:
            if upper.layer != lower.layer and stands_on(layers, upper.layer, lower.layer):
                assert upper.id in before[lower.id], f"{lower.id} may go before {upper.id}, which stands on it"


@given(castles())
@settings(max_examples=200)
def test_what_a_layer_stands_on_is_made_first_unless_it_says_what_it_waits_for(
    made: tuple[Request, dict[str, list[Step]]],
) -> None:
    plan = build(*made)
    before = ancestors(plan)
    layers = {layer.id: layer for layer in made[0].site.layers}
    new = [s for s in plan.steps if PHASES.index(s.phase) > BARRIER and s.layer in layers]
    for upper in new:
        for lower in new:
            comes_first = PHASES.index(lower.phase) <= PHASES.index(upper.phase)
            if not upper.exact and comes_first and stands_on(layers, upper.layer, lower.layer):
                assert lower.id in before[upper.id]


@given(castles())
@settings(max_examples=200)
def test_equal_input_gives_an_equal_plan_and_json_gives_it_back(made: tuple[Request, dict[str, list[Step]]]) -> None:
    plan = build(*made)
    again = build(*made)
    assert again == plan
    assert again.digest == plan.digest
    stored = Plan.from_json(json.loads(json.dumps(plan.to_json())))
    assert stored == plan
    assert stored.digest == plan.digest
    position = {step.id: index for index, step in enumerate(plan.steps)}
    assert all(position[need] < position[step.id] for step in plan.steps for need in plan.edges[step.id])
