"""Flux itself: CRDs and controllers, applied in order; an installation that somebody else made is left as it is."""

from __future__ import annotations

import asyncio
import copy
import hashlib
import json
from collections.abc import Sequence
from typing import Any

from ephemeral_castle.drivers.flux import flags
from ephemeral_castle.drivers.flux.components import Components
from ephemeral_castle.drivers.flux.part import Part, mending
from ephemeral_castle.drivers.flux.vocabulary import DIGEST, OWN
from ephemeral_castle.errors import NotFound, Refused
from ephemeral_castle.manifests.order import CRD, stages
from ephemeral_castle.manifests.ready import judge
from ephemeral_castle.model.step import Observation, State
from ephemeral_castle.spi import marks
from ephemeral_castle.spi.kubernetes import Cluster, Manifest, Ref
from ephemeral_castle.spi.part import NOT_REACHED, REACHED

AT_ONCE = 8  # objects; the API server takes more, but each CRD costs it some work
ESTABLISHED = 60.0  # seconds for a CRD
KNOWN = 10.0  # seconds for a kind to be known everywhere after its CRD is established


class Install(Part):
    """The cluster has the CRDs and controllers of the wanted revision."""

    async def observe(self) -> Observation:
        """By the Deployments, which are applied last and carry a digest of all."""
        wanted = await self.objects()
        cluster = await self.cluster()
        refs = [Ref.of(each) for each in flags.controllers(wanted)]
        found = await asyncio.gather(*(cluster.get(ref) for ref in refs))
        others = [each for each in found if each is not None and not self._ours(each)]
        marked = [each for each in others if (each["metadata"].get("labels") or {}).get(OWN)]
        if marked:
            return Observation(State.FOREIGN, f"{Ref.of(marked[0])} belongs to another castle")
        if others:
            names = ", ".join(each["metadata"]["name"] for each in others)
            return Observation(REACHED, f"somebody else installed {names}: left as it is", {"existing": True})
        digest = wanted[0]["metadata"]["annotations"][DIGEST]
        applied = [(each or {}).get("metadata", {}).get("annotations", {}).get(DIGEST) == digest for each in found]
        if not all(applied):
            return Observation(NOT_REACHED, "not there" if not any(found) else "another version is there")
        return self._reached(wanted)

    def _ours(self, live: Manifest) -> bool:
        return bool((live["metadata"].get("labels") or {}).get(OWN) == marks.own(self.ctx))

    def _reached(self, wanted: Sequence[Manifest]) -> Observation:
        return Observation(REACHED, f"{len(wanted)} objects", {"existing": False, "objects": len(wanted)}, renews=True)

    async def act(self) -> Observation | None:
        """Applies them, group by group."""
        wanted = await self.objects()
        cluster = await self.cluster()
        done = 0
        for group in stages(wanted):
            await self._group(cluster, group)
            await self._established(cluster, group)
            done += len(group)
            self.ctx.progress(f"{done} of {len(wanted)} objects are there", done=done, total=len(wanted))
        return self._reached(wanted)

    async def objects(self) -> list[Manifest]:
        """What is applied: as the repository has it, marked, and with the flags that a birth wants.

        Raises:
            Refused: it has errors. The step before said so of any other commit.
        """
        known = self.facts("source")
        found: Components = await self.components(str(known["sha"]))
        if found.wrong:
            raise Refused(
                "Flux cannot be made from the repository",
                where=f"commit {str(known['sha'])[:12]}, layer {self.layer}",
                why="; ".join(found.wrong),
                state="the cluster was not touched by this step",
                hints=[mending(self.ctx)],
            )
        objects = [self._quick(each, int(known["concurrent"])) for each in copy.deepcopy(found.objects)]
        digest = hashlib.sha256(json.dumps(objects, sort_keys=True).encode()).hexdigest()[:16]
        return [self._marked(each, digest) for each in objects]

    def _quick(self, manifest: Manifest, concurrent: int) -> Manifest:
        if manifest["kind"] != "Deployment" or self.options.carries_itself:
            return manifest
        return flags.quickened(manifest, concurrent)

    def _marked(self, manifest: Manifest, digest: str) -> Manifest:
        meta: dict[str, Any] = manifest["metadata"]
        meta["labels"] = {**(meta.get("labels") or {}), **self.labels()}
        meta["annotations"] = {**(meta.get("annotations") or {}), DIGEST: digest}
        return manifest

    async def _group(self, cluster: Cluster, group: Sequence[Manifest]) -> None:
        gate = asyncio.Semaphore(AT_ONCE)

        async def one(manifest: Manifest) -> None:
            async with gate:
                await self._apply(cluster, manifest)

        async with asyncio.TaskGroup() as tasks:
            for each in group:
                tasks.create_task(one(each))

    async def _apply(self, cluster: Cluster, manifest: Manifest) -> None:
        """A kind may be unknown for a moment after its CRD was established, a namespace after it was made."""
        clock = self.ctx.world.clock
        until = clock.monotonic() + KNOWN
        while True:
            try:
                await cluster.apply(manifest)
                return
            except NotFound:
                if clock.monotonic() >= until:
                    raise
            await clock.sleep(0.3)

    async def _established(self, cluster: Cluster, group: Sequence[Manifest]) -> None:
        refs = [Ref.of(each) for each in group if each["kind"] == CRD]
        await asyncio.gather(*(cluster.until(ref, judge, timeout=ESTABLISHED) for ref in refs))
