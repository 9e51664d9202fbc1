"""`--cold`: when images go, when they are built again, and what is never risked for it."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import pytest

from ephemeral_castle.cli import wiring
from ephemeral_castle.errors import Conflict
from ephemeral_castle.model.castle import Verb
from ephemeral_castle.model.plan import Plan
from ephemeral_castle.model.step import State
from ephemeral_castle.spi.cold import drop, see_dropped
from ephemeral_castle.spi.driver import Context
from ephemeral_castle.spi.world import Recipe

RECIPE = Recipe("tiny", ())
EXAMPLE = "examples/here/castle.yaml"


def plan(verb: Verb, *, cold: bool) -> Plan:
    return wiring.offline_plan(wiring.load_castle(EXAMPLE), verb, None, {"cold": cold})


def after(made: Plan, first: str, then: str) -> bool:
    return then in made.descendants(first)


def test_a_rebirth_drops_images_behind_the_destruction_and_builds_them_before_they_are_needed() -> None:
    made = plan(Verb.REBIRTH, cold=True)
    assert after(made, "machines.destroy", "machines.cold")
    assert after(made, "machines.destroy", "database.cold")
    assert after(made, "machines.cold", "machines.image-cold")
    assert after(made, "machines.image-cold", "machines.create-data")
    assert after(made, "database.cold", "database.image-cold")
    assert after(made, "database.outside-cold", "database.home")
    assert after(made, "database.outside-cold", "answers.ready")


def test_a_raise_drops_before_it_builds_and_a_wipe_only_drops() -> None:
    made = plan(Verb.RAISE, cold=True)
    assert after(made, "machines.cold", "machines.image")
    assert after(made, "database.cold", "database.image")
    wiped = plan(Verb.WIPE, cold=True)
    assert after(wiped, "machines.destroy", "machines.cold")
    assert not [step.id for step in wiped.steps if step.id.endswith("image-cold")]


@pytest.mark.parametrize("verb", list(Verb))
def test_images_stay_without_the_word(verb: Verb) -> None:
    assert not [step.id for step in plan(verb, cold=False).steps if "cold" in step.id]


class Store:
    """An image store with one image."""

    def __init__(self, *, used: bool) -> None:
        self.used = used
        self.there = True

    async def present(self, recipe: Recipe) -> bool:
        assert recipe == RECIPE
        return self.there

    async def drop(self, recipe: Recipe) -> None:
        assert recipe == RECIPE
        if self.used:
            raise Conflict("the image tiny is in use", why="containers stand on it")
        self.there = False


@pytest.mark.parametrize("used", [False, True])
def test_what_others_stand_on_is_kept_and_that_is_said(used: bool) -> None:
    said: list[str] = []
    store = Store(used=used)
    ctx = SimpleNamespace(world=SimpleNamespace(images=store), diagnostic=lambda severity, text: said.append(text))
    context: Any = cast("Context", ctx)

    async def work() -> None:
        assert (await see_dropped(context, RECIPE)).state is State.NOT_REACHED
        seen = await drop(context, RECIPE)
        assert seen.state is State.REACHED
        assert bool(seen.waived) is used

    asyncio.run(work())
    assert store.there is used
    assert bool(said) is used
