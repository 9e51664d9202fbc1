"""A run of one castle with a cluster in memory and Flux played on it, in virtual time."""

from __future__ import annotations

import dataclasses
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, TypeVar, cast

from ephemeral_castle.drivers.flux import FluxDriver
from ephemeral_castle.drivers.flux.options import FluxOptions
from ephemeral_castle.errors import CastleError, Transient
from ephemeral_castle.model.castle import Castle, Layer, Reach, Repository, Role, Site, Treasury, Verb
from ephemeral_castle.model.record import Record
from ephemeral_castle.model.step import Observation, State, Step
from ephemeral_castle.spi.driver import Context, Request
from ephemeral_castle.spi.kubernetes import Manifest
from ephemeral_castle.spi.secret import Secret
from ephemeral_castle.world.simulated import MemoryObjects, MemorySecrets, MemorySource, SimulatedWorld
from ephemeral_castle.world.simulated_kubernetes import MemoryCluster
from tests.scenario.virtual import LoopClock
from tests.unit.drivers.flux.player import Flux
from tests.unit.drivers.flux.samples import FILES, unit

T = TypeVar("T")
ID, RUN = "c0ffee00-0000-4000-8000-000000000001", "20261122-100000-beef"
URL = "https://git.example.org/castle.git"
GROUND = Layer("machines", Role.GROUND, "podman", options={"machines": {"control": {"id": 421}}})
CLUSTER = Layer("cluster", Role.FOUNDATIONS, "kubeadm", ("machines",))
DATABASE = Layer("database", Role.TREASURES, "postgres", ("cluster",))
LAYER = Layer("walls", Role.WALLS, "flux", ("cluster", "database"), position="castle.yaml:9:3")
SITE = Site("lab", (GROUND, CLUSTER, DATABASE, LAYER))
REACHING = dataclasses.replace(SITE, reach={"git": Reach(3000, "127.0.0.1", 3000)})
TREES = {"flux-system": [unit("infra"), unit("apps", "infra")]}


class Bed:
    """Implements `spi.driver.Context` over a cluster in memory."""

    def __init__(
        self,
        trees: Mapping[str, Sequence[Manifest]] | None = None,
        files: Mapping[str, str] | None = None,
        *,
        site: Site = SITE,
        repository: Repository | None = None,
        **options: Any,
    ) -> None:
        self.clock = LoopClock()
        self.api = MemoryCluster()
        source = MemorySource()
        self.flux = Flux(self.api, trees if trees is not None else TREES, source.refs)
        self.sha = source.commit(files if files is not None else FILES)
        self.repository = source
        self.world = SimulatedWorld(self.clock, MemoryObjects(self.clock), source=source)
        self.options = FluxOptions(**{"path": "clusters/lab", "components": "flux-system", **options})
        self.layer, self.life, self.old_life, self.attempt = LAYER, 2, 1, 1
        self.passed_no_return, self.run, self.started = False, RUN, 0.0
        self.record = Record(ID, "c", "age1toy", 1, site="lab")
        castle = Castle("c", Treasury("b", "c"), {site.name: site}, repository=repository or Repository(URL))
        self.request = Request(Verb.RAISE, castle, site)
        self.secrets = MemorySecrets()
        self.known: dict[str, Mapping[str, Any]] = {}
        self.endpoints: dict[str, Any] = {"database": {"address": "10.0.0.31", "port": 30432}}
        self.said: list[str] = []
        self.lines: list[str] = []
        self.driver = FluxDriver()
        self.no_cluster: CastleError | None = None

    # spi.driver.Context

    def facts(self, step_id: str) -> Mapping[str, Any]:
        return self.known.get(step_id, {})

    def claims(self) -> list[Any]:
        return []

    def published(self, layer: str, fact: str) -> Any:
        return self.endpoints.get(layer) if fact == "endpoint" else None

    def progress(self, text: str, *, done: float | None = None, total: float | None = None) -> None:
        self.lines.append(text)

    async def intent(self, what: str, /, **data: Any) -> None:
        self.said.append(what)

    def decided(self, decision: str, reason: str, /, **inputs: Any) -> None:
        self.said.append(f"{decision}: {reason}")

    def diagnostic(self, severity: str, text: str) -> None:
        self.said.append(f"{severity}: {text}")

    async def machine(self, name: str, *, old: bool = False) -> Any:
        raise AssertionError("Flux knows no machines")

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
        return seen

    async def all(self, until: str = "") -> None:
        """Every step of the plan in order, or those before one."""
        for each in self.steps():
            if each.action == until:
                return
            await self.step(each.action)

    def play(self, work: Callable[[], Awaitable[T]]) -> T:
        """In virtual time."""

        async def whole() -> T:
            try:
                return await work()
            finally:
                await self.clock.sleep(5)  # what the controllers do besides comes to its end

        return self.clock.play(whole())
