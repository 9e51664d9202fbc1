"""A run of one castle with a cluster in memory and Flux played on it, in virtual time."""

from __future__ import annotations

import dataclasses
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, TypeVar

from ephemeral_castle.drivers.flux import FluxDriver
from ephemeral_castle.drivers.flux.options import FluxOptions
from ephemeral_castle.model.castle import Layer, Reach, Repository, Role, Site
from ephemeral_castle.spi.kubernetes import Manifest
from ephemeral_castle.world.simulated import MemoryObjects, MemorySource, SimulatedWorld
from tests.unit import cluster_bed
from tests.unit.drivers.flux.player import Flux
from tests.unit.drivers.flux.samples import FILES, unit

T = TypeVar("T")
URL = "https://git.example.org/castle.git"
GROUND = Layer("machines", Role.GROUND, "podman", options={"machines": {"control": {"id": 421}}})
CLUSTER = Layer("cluster", Role.FOUNDATIONS, "kubeadm", ("machines",))
DATABASE = Layer("database", Role.TREASURES, "postgres", ("cluster",))
LAYER = Layer("walls", Role.WALLS, "flux", ("cluster", "database"), position="castle.yaml:9:3")
SITE = Site("lab", (GROUND, CLUSTER, DATABASE, LAYER))
REACHING = dataclasses.replace(SITE, reach={"git": Reach(3000, "127.0.0.1", 3000)})
TREES = {"flux-system": [unit("infra"), unit("apps", "infra")]}


class Bed(cluster_bed.Bed):
    """One layer `flux`, with the repository and the controllers that it has."""

    driver: FluxDriver
    options: FluxOptions

    def __init__(
        self,
        trees: Mapping[str, Sequence[Manifest]] | None = None,
        files: Mapping[str, str] | None = None,
        *,
        site: Site = SITE,
        repository: Repository | None = None,
        **options: Any,
    ) -> None:
        written = {"path": "clusters/lab", "components": "flux-system", **options}
        super().__init__(FluxDriver(), LAYER, site=site, **written)
        source = MemorySource()
        self.flux = Flux(self.api, trees if trees is not None else TREES, source.refs)
        self.sha = source.commit(files if files is not None else FILES)
        self.repository = source
        self.world = SimulatedWorld(self.clock, MemoryObjects(self.clock), source=source)
        castle = dataclasses.replace(self.request.castle, repository=repository or Repository(URL))
        self.request = dataclasses.replace(self.request, castle=castle)
        self.endpoints: dict[str, Any] = {"database": {"address": "10.0.0.31", "port": 30432}}

    def published(self, layer: str, fact: str) -> Any:
        return self.endpoints.get(layer) if fact == "endpoint" else None

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

        return super().play(whole)
