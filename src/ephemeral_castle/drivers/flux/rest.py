"""Flux rests: what is suspended applies nothing, undoes no fence, and deletes nothing.

Suspending the root alone would not do: each unit works by itself. What a person had suspended before stays so.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from ephemeral_castle.drivers.flux import units
from ephemeral_castle.drivers.flux.graph import Graph
from ephemeral_castle.drivers.flux.part import Part
from ephemeral_castle.drivers.flux.units import Goal
from ephemeral_castle.drivers.flux.vocabulary import (
    HELM,
    KUSTOMIZATION,
    KUSTOMIZE,
    LAYER,
    OWN,
    PARENT_NAME,
    PARENT_NAMESPACE,
    RELEASE,
    STILLED,
)
from ephemeral_castle.errors import NotFound, Refused, Transient, Unreachable
from ephemeral_castle.model.step import Observation
from ephemeral_castle.spi import marks
from ephemeral_castle.spi.awake import known_dead
from ephemeral_castle.spi.kubernetes import Change, Cluster, Manifest, Ref
from ephemeral_castle.spi.part import NOT_REACHED, REACHED

LOOKING = 30.0  # seconds for an API server that did answer in this run, before it counts as gone
PAUSE = 1.0
END = 20.0  # seconds for a pass that runs to apply what it has begun


class Rest(Part):
    """The root and all that it applied rest."""

    async def cluster(self) -> Cluster:
        """Of the life that ends."""
        return await self.ctx.cluster(old=True)

    async def observe(self) -> Observation:
        """Whether any of them would still act.

        A cluster whose machines are listed, and which this run found dead, is waived. Any other may act though castle
        cannot reach it.

        Raises:
            Refused: it does not answer.
        """
        if not self.ctx.old_life:
            return Observation(REACHED, waived="no life stood before this run", facts={"suspended": []})
        try:
            ours = await self._looked()
        except NotFound as error:
            return Observation(
                REACHED, waived=f"there is no cluster in the old life ({error})", facts={"suspended": []}
            )
        except Unreachable as error:
            if not known_dead(self.ctx):
                raise self._unseen(error) from None
            text = f"the cluster was found dead ({error.why or error}): Flux was not suspended"
            return Observation(REACHED, waived=f"{text}; whether it acts is not known", facts={"suspended": []})
        awake = [str(Ref.of(each)) for each in ours if not _rests(each)]
        if awake:
            return Observation(NOT_REACHED, f"{len(awake)} would still act: {', '.join(awake[:5])}")
        return self._reached(ours)

    async def _looked(self) -> list[Manifest]:
        """What would act; a server that is silent for a moment is asked again, by time and not by attempts."""
        clock = self.ctx.world.clock
        until = clock.monotonic() + LOOKING
        while True:
            try:
                return await self._ours(await self.cluster())
            except Unreachable:
                if known_dead(self.ctx) or clock.monotonic() >= until:
                    raise
                await clock.sleep(PAUSE)

    def _unseen(self, error: Unreachable) -> Refused:
        return Refused(
            "the API server does not answer, and Flux may act on",
            where=f"layer {self.layer}",
            why=error.why or str(error),
            state="Flux was not suspended, and whether it acts is not known; nothing was destroyed",
            hints=[
                "bring the API server back, then `castle resume`, which looks at the cluster again",
                "or write `suspend: false` into the layer, if Flux may act while the castle is sealed",
            ],
        )

    async def act(self) -> Observation | None:
        """Suspends the root first, then all others; waits until what was being applied is."""
        cluster = await self.cluster()
        ours = await self._ours(cluster)
        stilled = [each for each in ours if not _rests(each)]
        mark = marks.own(self.ctx)
        for each in stilled[:1]:
            await _still(cluster, each, mark)
        await asyncio.gather(*(_still(cluster, each, mark) for each in stilled[1:]))
        await self._ended(cluster, ours)
        ours = await self._ours(cluster)
        awake = [str(Ref.of(each)) for each in ours if not _rests(each)]
        if awake:  # a pass that had begun before came after us
            raise Transient("Flux goes on by itself", why=f"these woke again: {', '.join(awake[:5])}")
        return self._reached(ours)

    async def undo(self) -> str:
        """Wakes what castle suspended, and only that."""
        if not self.ctx.old_life:
            return "there was nothing to wake"
        try:
            cluster = await self.cluster()
        except NotFound:
            return "there is no cluster"
        names = await woken(cluster, marks.own(self.ctx))
        return f"Flux goes on with {', '.join(names)}" if names else "nothing was suspended"

    async def _ours(self, cluster: Cluster) -> list[Manifest]:
        """The roots first: the one of the definition, and any that castle made for this layer under another name."""
        all_units = await _list(cluster, KUSTOMIZE, KUSTOMIZATION)
        marked = {OWN: marks.own(self.ctx), LAYER: self.layer}
        roots = {f"{self.options.namespace}/{self.options.name}"}
        roots |= {units.read(each).name for each in all_units if marked.items() <= _labels(each).items()}
        names: set[str] = set()
        for root in roots:
            graph = Graph(root, Goal(("", ""), ""))
            for each in all_units:
                graph.take(Change("ADDED", each))
            names |= graph.ours(left_behind=True)
        found = [each for each in all_units if units.read(each).name in names]
        releases = [each for each in await _list(cluster, HELM, RELEASE) if _parent(each) in names]
        return [*sorted(found, key=lambda each: units.read(each).name not in roots), *releases]

    async def _ended(self, cluster: Cluster, ours: Sequence[Manifest]) -> None:
        """A suspension does not stop a pass that runs. One that only checks health applies nothing any more."""
        clock = self.ctx.world.clock
        until = clock.monotonic() + END
        waiting = [Ref.of(each) for each in ours if each["kind"] == KUSTOMIZATION]
        while waiting:
            live = await asyncio.gather(*(cluster.get(ref) for ref in waiting))
            waiting = [ref for ref, each in zip(waiting, live, strict=True) if each is not None and _applies(each)]
            if waiting and clock.monotonic() >= until:
                names = ", ".join(str(ref) for ref in waiting)
                self.ctx.diagnostic("warning", f"suspended, and still applying what was begun before: {names}")
                return
            if waiting:
                await clock.sleep(0.3)

    def _reached(self, ours: Sequence[Manifest]) -> Observation:
        names = [str(Ref.of(each)) for each in ours if _mark(each) == marks.own(self.ctx)]
        text = f"{len(names)} suspended" if names else "nothing of Flux acts here"
        return Observation(REACHED, text, {"suspended": names})


class Wake(Rest):
    """After a restore in place the same life goes on, and Flux with it."""

    async def observe(self) -> Observation:
        """Whether anything still rests that castle suspended."""
        asleep = await stilled(await self.cluster(), marks.own(self.ctx))
        if asleep:
            return Observation(NOT_REACHED, f"{len(asleep)} still rest")
        return Observation(REACHED, "nothing rests that castle suspended")

    async def act(self) -> Observation | None:
        """Wakes it."""
        await woken(await self.cluster(), marks.own(self.ctx))
        return None


async def woken(cluster: Cluster, mark: str) -> list[str]:
    """Wakes what castle suspended under a mark; gives the names."""
    asleep = await stilled(cluster, mark)
    body: dict[str, Any] = {"spec": {"suspend": False}, "metadata": {"annotations": {STILLED: None}}}
    await asyncio.gather(*(cluster.patch(Ref.of(each), body) for each in asleep))
    return [str(Ref.of(each)) for each in asleep]


async def _still(cluster: Cluster, manifest: Manifest, mark: str) -> None:
    """One patch, so that what rests and why are never apart."""
    await cluster.patch(Ref.of(manifest), {"spec": {"suspend": True}, "metadata": {"annotations": {STILLED: mark}}})


async def stilled(cluster: Cluster, mark: str) -> list[Manifest]:
    """All that rests under a mark."""
    kinds = ((KUSTOMIZE, KUSTOMIZATION), (HELM, RELEASE))
    return [each for kind in kinds for each in await _list(cluster, *kind) if _mark(each) == mark]


async def _list(cluster: Cluster, api: str, kind: str) -> Sequence[Manifest]:
    """Nothing where the cluster has no such kind: helm-controller is optional."""
    try:
        return await cluster.list(api, kind)
    except NotFound:
        return []


def _mark(manifest: Manifest) -> str:
    return str((manifest["metadata"].get("annotations") or {}).get(STILLED, ""))


def _rests(manifest: Manifest) -> bool:
    return bool((manifest.get("spec") or {}).get("suspend"))


def _labels(manifest: Manifest) -> Manifest:
    return manifest["metadata"].get("labels") or {}


def _parent(manifest: Manifest) -> str:
    labels = _labels(manifest)
    return f"{labels.get(PARENT_NAMESPACE, '')}/{labels.get(PARENT_NAME, '')}"


def _applies(manifest: Manifest) -> bool:
    unit = units.read(manifest)
    return bool(unit.doing) and not unit.doing.startswith(units.HEALTH) and unit.ready.status == "Unknown"
