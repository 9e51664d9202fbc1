"""A run of one layer over a cluster in memory, in virtual time."""

from __future__ import annotations

import dataclasses
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar, cast

from ephemeral_castle.errors import CastleError, Transient
from ephemeral_castle.model.castle import Castle, Layer, Role, Site, Treasury, Verb
from ephemeral_castle.model.record import Record
from ephemeral_castle.model.step import Observation, State, Step
from ephemeral_castle.spi.driver import Context, Request
from ephemeral_castle.spi.options import read_options
from ephemeral_castle.spi.secret import Secret
from ephemeral_castle.world.simulated import MemoryObjects, MemorySecrets, SimulatedWorld
from ephemeral_castle.world.simulated_kubernetes import MemoryCluster
from tests.scenario.virtual import LoopClock

T = TypeVar("T")
ID, RUN = "c0ffee00-0000-4000-8000-000000000001", "20261122-100000-beef"
CLUSTER = Layer("cluster", Role.FOUNDATIONS, "kubeadm")


class Bed:
    """Implements `spi.driver.Context` for one layer.

    Args:
        driver: of the layer.
        layer: itself.
        site: with all layers; None for a cluster and this one.
        options: as written.
    """

    def __init__(self, driver: Any, layer: Layer, *, site: Site | None = None, **options: Any) -> None:
        self.clock = LoopClock()
        self.api = MemoryCluster()
        self.world = SimulatedWorld(self.clock, MemoryObjects(self.clock))
        self.driver, self.layer = driver, layer
        self.options = read_options(driver.Options, options)
        self.life, self.old_life, self.attempt = 2, 1, 1
        self.passed_no_return, self.run, self.started = False, RUN, 0.0
        self.record = Record(ID, "c", "age1toy", 1, site="lab")
        site = site or Site("lab", (CLUSTER, layer))
        self.request = Request(Verb.RAISE, Castle("c", Treasury("b", "c"), {site.name: site}), site)
        self.secrets = MemorySecrets()
        self.known: dict[str, Mapping[str, Any]] = {}
        self.said: list[str] = []
        self.lines: list[str] = []
        self.no_cluster: CastleError | None = None

    # spi.driver.Context

    def facts(self, step_id: str) -> Mapping[str, Any]:
        return self.known.get(step_id, {})

    def claims(self) -> list[Any]:
        return []

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

    def secret(self, name: str, value: str) -> None:
        """A person stored it."""
        self.secrets.known[name] = Secret(value)

    def verb(self, verb: Verb, **flags: Any) -> None:
        """The run is another one."""
        self.request = dataclasses.replace(self.request, verb=verb, **flags)

    def steps(self) -> list[Step]:
        return list(self.driver.plan(self.layer, self.options, self.request))

    def the(self, action: str) -> Step:
        return next(each for each in self.steps() if each.action == action)

    @property
    def ctx(self) -> Context:
        return cast("Context", self)

    async def step(self, action: str) -> Observation:
        """One step to its goal, as the engine would do it."""
        step = self.the(action)
        for number in range(1, step.retry.attempts + 1):
            self.attempt = number
            try:
                return await self._once(step)
            except Transient:
                if number == step.retry.attempts:
                    raise
                await self.clock.sleep(step.retry.delay)
        raise AssertionError("unreachable")

    async def _once(self, step: Step) -> Observation:
        seen = await self.driver.observe(step, self.ctx)
        if seen.state is not State.REACHED:
            assert seen.state in (State.NOT_REACHED, State.PARTIAL), seen
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

    def everything_said(self) -> str:
        """All that a person, the journal or a log could see."""
        return "\n".join([*self.said, *self.lines, str(self.known)])
