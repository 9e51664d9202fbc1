"""A run of one layer over a cluster in memory, in virtual time."""

from __future__ import annotations

import dataclasses
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar, cast

from ephemeral_castle.errors import CastleError
from ephemeral_castle.model.castle import Castle, Layer, Role, Site, Treasury, Verb
from ephemeral_castle.model.record import Record
from ephemeral_castle.model.step import Observation, State, Step
from ephemeral_castle.spi.driver import Context, Request
from ephemeral_castle.spi.options import read_options
from ephemeral_castle.world.simulated import MemoryObjects, MemorySecrets, SimulatedWorld
from ephemeral_castle.world.simulated_kubernetes import MemoryCluster
from tests.scenario.virtual import LoopClock

T = TypeVar("T")
ID = "c0ffee00-0000-4000-8000-000000000001"
CLUSTER = Layer("cluster", Role.FOUNDATIONS, "kubeadm")


class Bed:
    """Implements `spi.driver.Context` for one layer.

    Args:
        driver: of the layer.
        layer: itself.
        options: as written.
    """

    def __init__(self, driver: Any, layer: Layer, **options: Any) -> None:
        self.clock = LoopClock()
        self.api = MemoryCluster()
        self.world = SimulatedWorld(self.clock, MemoryObjects(self.clock))
        self.driver, self.layer = driver, layer
        self.options = read_options(driver.Options, options)
        self.life, self.old_life, self.attempt = 2, 1, 1
        self.passed_no_return, self.run, self.started = False, "20261122-100000-beef", 0.0
        self.record = Record(ID, "c", "age1toy", 1, site="lab")
        site = Site("lab", (CLUSTER, layer))
        self.request = Request(Verb.RAISE, Castle("c", Treasury("b", "c"), {"lab": site}), site)
        self.secrets = MemorySecrets()
        self.known: dict[str, Mapping[str, Any]] = {}
        self.said: list[str] = []
        self.lines: list[str] = []
        self.no_cluster: CastleError | None = None

    # spi.driver.Context

    def facts(self, step_id: str) -> Mapping[str, Any]:
        return self.known.get(step_id, {})

    def published(self, layer: str, fact: str) -> Any:
        return None

    def progress(self, text: str, *, done: float | None = None, total: float | None = None) -> None:
        self.lines.append(text)

    async def intent(self, what: str, /, **data: Any) -> None:
        self.said.append(what)

    def decided(self, decision: str, reason: str, /, **inputs: Any) -> None:
        self.said.append(f"{decision}: {reason}")

    def diagnostic(self, severity: str, text: str) -> None:
        self.said.append(f"{severity}: {text}")

    async def machine(self, name: str, *, old: bool = False) -> Any:
        raise AssertionError("it knows no machines")

    async def cluster(self, *, old: bool = False) -> MemoryCluster:
        if self.no_cluster is not None:
            raise self.no_cluster
        return self.api

    # A test

    def verb(self, verb: Verb) -> None:
        """The run is another one."""
        self.request = dataclasses.replace(self.request, verb=verb)

    def steps(self) -> list[Step]:
        return list(self.driver.plan(self.layer, self.options, self.request))

    @property
    def ctx(self) -> Context:
        return cast("Context", self)

    async def step(self, action: str) -> Observation:
        """One step to its goal, as the engine would do it."""
        step = next(each for each in self.steps() if each.action == action)
        seen = await self.driver.observe(step, self.ctx)
        if seen.state is not State.REACHED:
            seen = await self.driver.act(step, self.ctx) or await self.driver.observe(step, self.ctx)
        assert seen.state is State.REACHED, seen
        self.known[step.id] = seen.facts
        return cast("Observation", seen)

    def play(self, work: Callable[[], Awaitable[T]]) -> T:
        """In virtual time."""

        async def whole() -> T:
            return await work()

        return self.clock.play(whole())

    def does(self, action: str) -> Observation:
        """One step, in virtual time."""
        return self.play(lambda: self.step(action))
