"""What a step learns of another layer by the name of a fact."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

from ephemeral_castle.engine.context import Shared, StepContext
from ephemeral_castle.model.castle import Verb
from ephemeral_castle.model.plan import Plan
from ephemeral_castle.model.runview import RunView, StepState, StepView
from ephemeral_castle.model.step import Effect, Phase, Step


def step(name: str, layer: str) -> Step:
    return Step(name, layer, "toy", name.partition(".")[2], name, Phase.APPLY, Effect.CONVERGE)


def published(states: dict[str, tuple[StepState, dict[str, Any]]], ahead: tuple[str, ...] = ()) -> Any:
    """What `web` is told of the endpoint of `database`, whose steps stand so; `ahead`: kept first by the view."""
    steps = tuple(step(name, "database") for name in states)
    plan = Plan("c", "here", Verb.RAISE, (*steps, step("web.up", "web")), {}, {}, {})
    views = {name: StepView(name, state=state, facts=facts) for name, (state, facts) in states.items()}
    view = RunView(plan, {name: views[name] for name in (*ahead, *(each for each in views if each not in ahead))})
    shared = cast("Shared", SimpleNamespace(view=view))
    return StepContext(shared, step("web.up", "web"), 1).published("database", "endpoint")


def test_a_fact_of_a_step_that_is_not_done_was_told() -> None:
    """The address of an attempt that failed was handed to services."""
    done, failed = (StepState.DONE, {"endpoint": "old"}), (StepState.FAILED, {"endpoint": "half"})
    assert published({"database.a": done, "database.b": failed}) == "old"
    assert published({"database.b": failed}) is None


def test_the_last_step_of_the_plan_tells_in_whatever_order_they_are_kept() -> None:
    states = {"database.a": (StepState.DONE, {"endpoint": 1}), "database.b": (StepState.DONE, {"endpoint": 2})}
    assert published(states) == 2
    assert published(states, ahead=("database.b",)) == 2
