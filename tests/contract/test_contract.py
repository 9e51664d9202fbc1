"""Every driver that comes with castle keeps to the contract; and the contract finds those that do not."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Any

import pytest

from ephemeral_castle.cli import wiring
from ephemeral_castle.engine import planner
from ephemeral_castle.engine.own import OwnDriver
from ephemeral_castle.errors import Unreachable
from ephemeral_castle.model.castle import Verb
from ephemeral_castle.model.record import Record
from ephemeral_castle.model.step import Effect, Observation, Phase, State, Step
from ephemeral_castle.spi import contract
from ephemeral_castle.spi.contract import Broken, Subject
from ephemeral_castle.spi.driver import Request
from ephemeral_castle.spi.world import Result
from tests.contract import files

pytestmark = pytest.mark.evidence("simulated", "podman", "postgresql", "pgbackrest", "pgbouncer")

CASTLE = wiring.load_castle(str(Path(__file__).parents[2] / "examples" / "here" / "castle.yaml"))
SITE = CASTLE.site()
CREATED = "c0ffee00-0000-4000-8000-000000000001"
RECORD = Record(CREATED, "here", "age1toy", 1, site="here", computer="computer-1", writers={"1": "w"})
STANDING = {"containers": ["here-1-431"], "volumes": ["here-1-431", "here-1-432"]}
MARK = {"lsn": "0/5000028", "timeline": 1, "segment": "000000010000000000000005", "segment_size": 1 << 24,
        "system_id": "7", "next_xid": 9, "name": "castle-r1-1"}  # fmt: skip
FACTS: dict[str, dict[str, Any]] = {
    "machines.revive": STANDING,
    "machines.inventory": {"inventory": [{"kind": "container", "id": "abc", "name": "here-1-431", "life": 1}]},
    "database.survey": {"presence": "present", "plan": "restore", "label": "20261122-1F", "target": MARK,
                        "databases": ["app"], "proven_archive_start": "000000010000000000000001"},
    "database.backup": {"label": "20261122-1F", "archive_start": "000000010000000000000001"},
    "database.marker-a": {"nonce": "n-a"},
    "database.marker-b": {"nonce": "n-b"},
    "database.digest": {"digest": {"tables": {}, "rows": 0, "others": {}, "excluded": []}},
    "database.mark": {"mark": MARK},
    "database.stop": {"mark": MARK},
    "database.rehearse": {"repo": 1, "moment": {"label": "20261122-1F", "archive_start": "000000010000000000000001"}},
    "database.home": {"arrival": "restored"},
    "database.pooler": {"endpoint": {"address": "10.0.0.32", "port": 6432}, "users": ["app"],
                        "databases": {"app": "app"}},
    **{step: facts for step, facts in files.FACTS.items() if step.startswith("uploads.")},
}  # fmt: skip
# A server that a reboot stopped is started to be looked at: it has all its data, and nothing is made or restored.
WAKING = "castle-postgres serve"
LOOKS = ("ps", "inspect", "volume ls", "volume exists", "image exists", "exec")


def reads(argv: Sequence[str], stdin: bytes) -> bool:
    """Lists, inspections, and conversations in SQL that only select."""
    words = [word for part in argv for word in part.split() if not word.startswith("-")]
    if files.reads(argv, stdin):
        return True
    if "podman" in words:
        command = " ".join(words[words.index("podman") + 1 :])
        if WAKING in " ".join(argv):
            return True
        if command.startswith("exec"):
            return b"probe" in stdin or "pgbackrest" not in command or " info" in command or not stdin
        return command.startswith(LOOKS)
    return words[:1] == ["cat"]


def tokens(verb: Verb) -> Collection[str]:
    """All that the whole castle's plan provides."""
    request = Request(verb=verb, castle=CASTLE, site=SITE)
    drivers, options = wiring.drivers_of(SITE)
    plan = planner.build(request, drivers, options, OwnDriver())
    return {token for step in plan.steps for token in (step.id, *step.provides)}


def subject(layer_id: str) -> Subject:
    layer = next(layer for layer in SITE.layers if layer.id == layer_id)
    _, options = wiring.drivers_of(SITE)
    return Subject(
        make=lambda: wiring.drivers_of(SITE)[0][layer.driver],
        layer=layer,
        options=options[layer.id],
        castle=CASTLE,
        site=SITE,
        record=RECORD,
        given=tokens,
        reads=reads,
        facts=FACTS,
        answer=lambda argv, stdin: Result(125, "", "Error: no such container"),
    )


def title(check: Callable[..., object]) -> str:
    return check.__name__


@pytest.mark.parametrize("check", contract.CHECKS, ids=title)
# `compose` keeps to it in test_compose_driver.py, where there is a repository to read.
@pytest.mark.parametrize("layer", [layer.id for layer in SITE.layers if layer.driver != "compose"])
def test_our_drivers_keep_to_it(layer: str, check: Callable[[Subject], None]) -> None:
    check(subject(layer))


class Sound:
    """The smallest driver that keeps to everything."""

    name = "sound"
    Options: Any = None

    def step(self, layer: Any) -> Step:
        return Step(f"{layer.id}.one", layer.id, self.name, "one", "one", Phase.APPLY, Effect.ONCE, params={"v": 1})

    def plan(self, layer: Any, options: Any, request: Request, /) -> list[Step]:
        return [self.step(layer)]

    async def observe(self, step: Step, ctx: Any, /) -> Observation:
        found = await ctx.world.exec.run(["look"])
        return Observation(State.REACHED if found.ok else State.NOT_REACHED)

    async def act(self, step: Step, ctx: Any, /) -> None:
        await ctx.world.exec.run(["do"])


def of(driver: type[Sound]) -> Subject:
    machines = subject("machines")
    return dataclasses.replace(machines, make=driver, reads=lambda argv, stdin: argv[0] == "look")


@pytest.mark.parametrize("check", contract.CHECKS, ids=title)
def test_a_sound_driver_passes(check: Callable[[Subject], None]) -> None:
    check(of(Sound))


class Dice(Sound):
    def step(self, layer: Any) -> Step:
        return dataclasses.replace(super().step(layer), weight=random.random())


class Reader(Sound):
    def step(self, layer: Any) -> Step:
        Path(__file__).read_text()
        return super().step(layer)


class Stray(Sound):
    def step(self, layer: Any) -> Step:
        return dataclasses.replace(super().step(layer), id="elsewhere.one")


class Twin(Sound):
    def plan(self, layer: Any, options: Any, request: Request, /) -> list[Step]:
        return [self.step(layer), self.step(layer)]


class Needy(Sound):
    def step(self, layer: Any) -> Step:
        return dataclasses.replace(super().step(layer), needs=("what.nobody-has",))


class Backwards(Sound):
    def plan(self, layer: Any, options: Any, request: Request, /) -> list[Step]:
        early = dataclasses.replace(
            self.step(layer), id=f"{layer.id}.early", phase=Phase.SEAL, needs=(f"{layer.id}.one",)
        )
        return [self.step(layer), early]


class Endless(Sound):
    def step(self, layer: Any) -> Step:
        return dataclasses.replace(super().step(layer), deadline=float("inf"))


class Careless(Sound):
    def step(self, layer: Any) -> Step:
        return dataclasses.replace(super().step(layer), phase=Phase.DESTROY, effect=Effect.CONVERGE)


class NoWayBack(Sound):
    def step(self, layer: Any) -> Step:
        return dataclasses.replace(super().step(layer), phase=Phase.SEAL, undo=True)


class Opaque(Sound):
    def step(self, layer: Any) -> Step:
        return dataclasses.replace(super().step(layer), params={"v": 1, "names": {"a", "b"}})


class Unversioned(Sound):
    def step(self, layer: Any) -> Step:
        return dataclasses.replace(super().step(layer), params={"name": "a"})


class Meddler(Sound):
    async def observe(self, step: Step, ctx: Any, /) -> Observation:
        await ctx.world.exec.run(["do"])
        return await super().observe(step, ctx)


class Optimist(Sound):
    async def observe(self, step: Step, ctx: Any, /) -> Observation:
        try:
            return await super().observe(step, ctx)
        except Unreachable:
            return Observation(State.REACHED, "it must be gone")


class Crasher(Sound):
    async def act(self, step: Step, ctx: Any, /) -> None:
        found = await ctx.world.exec.run(["do"])
        {}[found.code]


@pytest.mark.parametrize(
    ("driver", "check"),
    [
        (Dice, contract.plan_is_pure),
        (Reader, contract.plan_is_pure),
        (Stray, contract.steps_are_named),
        (Twin, contract.steps_are_named),
        (Needy, contract.needs_can_be_met),
        (Backwards, contract.needs_can_be_met),
        (Endless, contract.effects_are_told),
        (Careless, contract.effects_are_told),
        (NoWayBack, contract.effects_are_told),
        (Opaque, contract.steps_are_json),
        (Unversioned, contract.steps_are_json),
        (Meddler, contract.observing_writes_nothing),
        (Optimist, contract.silence_is_not_absence),
        (Crasher, contract.errors_are_classified),
    ],
)
def test_each_rule_finds_who_breaks_it(driver: type[Sound], check: Callable[[Subject], None]) -> None:
    with pytest.raises(Broken):
        check(of(driver))
