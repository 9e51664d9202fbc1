"""What Flux' `postBuild.substituteFrom` can take from castle: this life's values, and where other layers answer.

`castle-values` is there from the beginning. `castle-LAYER` comes when that layer is open: a Kustomization that takes
its values from there, not as optional, applies nothing before.
"""

from __future__ import annotations

from collections.abc import Mapping

from ephemeral_castle.drivers.flux.part import Part
from ephemeral_castle.drivers.flux.vocabulary import WATCHED
from ephemeral_castle.model.step import Observation
from ephemeral_castle.spi import marks
from ephemeral_castle.spi.kubernetes import Manifest, Ref
from ephemeral_castle.spi.part import NOT_REACHED, REACHED
from ephemeral_castle.spi.ways import way

VALUES = "castle-values"


class Values(Part):
    """ConfigMaps of castle in the namespace of Flux."""

    def of_life(self) -> Manifest:
        """`castle-values`."""
        access = self.ctx.world.access
        treasury = way(self.ctx.request, access)
        return self.config(VALUES, {
            "CASTLE_NAME": marks.name(self.ctx),
            "CASTLE_LIFE": str(self.ctx.life),
            "TREASURY_HOST": treasury.host,
            "TREASURY_PORT": str(treasury.port),
            "TREASURY_BUCKET": access.bucket,
            "TREASURY_PREFIX": access.prefix,
            "TREASURY_REGION": access.region,
            **self._reaches(),
        })  # fmt: skip

    def _reaches(self) -> dict[str, str]:
        """HOST:PORT by which pods reach what the site's `reach` names: as machines do, at their gateway."""
        reach = self.ctx.request.site.reach
        gateway = self.ctx.world.enclosure.gateway if reach else ""
        return {f"REACH_{name.upper().replace('-', '_')}": f"{gateway}:{each.at}" for name, each in reach.items()}

    def config(self, name: str, data: Mapping[str, str]) -> Manifest:
        """A ConfigMap that wakes the Kustomizations which take values from it."""
        meta = {"name": name, "namespace": self.options.namespace, "labels": {**self.labels(), **WATCHED}}
        return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": dict(data)}


class Endpoints(Values):
    """`castle-LAYER` for each layer that this one needs and that says where it answers."""

    async def observe(self) -> Observation:
        """Whether they are there with the present addresses."""
        wanted = self._wanted()
        if not wanted:
            return Observation(REACHED, waived="no layer below says where it answers", facts={"told": []})
        cluster = await self.cluster()
        for name, manifest in wanted.items():
            live = await cluster.get(Ref.of(manifest))
            if live is None or live.get("data") != manifest["data"]:
                return Observation(NOT_REACHED, f"`{name}` is not told yet")
        return self._reached(wanted)

    async def act(self) -> Observation | None:
        """Applies them."""
        cluster = await self.cluster()
        wanted = self._wanted()
        for manifest in wanted.values():
            await cluster.apply(manifest)
        return self._reached(wanted)

    def _wanted(self) -> dict[str, Manifest]:
        found = {}
        for need in self.ctx.layer.needs:
            where = self.ctx.published(need, "endpoint")
            if where:
                prefix = f"CASTLE_{need.upper().replace('-', '_')}"
                data = {f"{prefix}_HOST": str(where["address"]), f"{prefix}_PORT": str(where["port"])}
                found[need] = self.config(f"castle-{need}", data)
        return found

    def _reached(self, wanted: Mapping[str, Manifest]) -> Observation:
        text = ", ".join(each["metadata"]["name"] for each in wanted.values())
        return Observation(REACHED, text, {"told": sorted(wanted)}, renews=True)
