"""Flux is told what to apply: the repository at the run's commit, and from where in it."""

from __future__ import annotations

import asyncio

from ephemeral_castle.drivers.flux import sync
from ephemeral_castle.drivers.flux.rest import stilled, woken
from ephemeral_castle.drivers.flux.values import VALUES, Values
from ephemeral_castle.drivers.flux.vocabulary import OWN, REQUESTED
from ephemeral_castle.model.step import Observation, State
from ephemeral_castle.spi import marks
from ephemeral_castle.spi.kubernetes import Manifest, Ref
from ephemeral_castle.spi.part import NOT_REACHED, REACHED
from ephemeral_castle.spi.pinned import BUNDLE


class Root(Values):
    """GitRepository and root Kustomization are as wanted, and nothing rests that castle had put to rest."""

    pinned = True

    async def observe(self) -> Observation:
        """Compares both with what is wanted."""
        wanted = await self.manifests()
        live = await self._live(wanted)
        other = self._foreign(live[0])
        if other:
            return Observation(State.FOREIGN, other)
        for manifest, each in zip(wanted, live, strict=True):
            why = sync.differs(each, manifest)
            if why:
                return Observation(NOT_REACHED, f"{Ref.of(manifest)}: {why}")
        return await self._unfinished() or self._reached()

    async def _unfinished(self) -> Observation | None:
        """What an act that broke off behind those two, or ahead of them, left undone."""
        cluster, values = await self.cluster(), self.of_life()
        live, asleep = await asyncio.gather(cluster.get(Ref.of(values)), stilled(cluster, marks.own(self.ctx)))
        if live is None or live.get("data") != values["data"]:
            return Observation(NOT_REACHED, f"`{VALUES}` has not the values of this life")
        if asleep:
            return Observation(NOT_REACHED, f"{len(asleep)} still rest that castle suspended")
        return None

    async def act(self) -> Observation | None:
        """Applies them: the root last, so that its first pass has everything."""
        cluster = await self.cluster()
        wanted = await self.manifests()
        await self._warn()
        await self._lend()
        await cluster.apply(self.of_life())
        before = (await self._live(wanted))[0]
        for manifest in wanted:
            await cluster.apply(manifest)
        if before is not None:  # a spec that did not change wakes nobody
            notes = {"annotations": {REQUESTED: self.token()}}
            await cluster.patch(Ref.of(wanted[0]), {"metadata": notes})
        names = await woken(cluster, marks.own(self.ctx))
        if names:
            self.ctx.diagnostic("info", f"castle had suspended these, and they go on: {', '.join(names)}")
        return self._reached()

    async def _lend(self) -> None:
        """Where the repository's host is silent, the cluster reads castle's own copy."""
        known = self.facts("source")
        if known["from"] == BUNDLE:
            url = await self.source.lend(str(known["sha"]), str(known["name"]).removeprefix(sync.HEADS))
            text = f"the repository does not answer: Flux reads castle's own copy of it at {url}"
            self.ctx.diagnostic("warning", f"{text}; the next `castle raise` after it answers again turns Flux back")

    def token(self) -> str:
        """Of a request to look again."""
        return f"{self.ctx.run}-{self.ctx.world.clock.now():.3f}"

    async def manifests(self) -> list[Manifest]:
        """GitRepository and root, built on what the repository itself says of them."""
        wanted = self.wanted(pinned=self.pinned)
        found = await self.components(wanted.sha)
        bases = [
            found.of_sync(kind, self.options.namespace, self.options.name)
            for kind in ("GitRepository", "Kustomization")
        ]
        made = [sync.repository(self.options, wanted, bases[0]), sync.root(self.options, bases[1])]
        for each in made:
            each["metadata"]["labels"] = {**(each["metadata"].get("labels") or {}), **self.labels()}
        return made

    async def _live(self, wanted: list[Manifest]) -> list[Manifest | None]:
        cluster = await self.cluster()
        return list(await asyncio.gather(*(cluster.get(Ref.of(each)) for each in wanted)))

    def _foreign(self, live: Manifest | None) -> str:
        """Why the GitRepository of that name is not for castle to change; "" when it is."""
        if live is None:
            return ""
        owner = (live["metadata"].get("labels") or {}).get(OWN)
        url, wanted = live["spec"].get("url"), self.wanted().url
        if owner and owner != marks.own(self.ctx):
            return f"{Ref.of(live)} belongs to another castle"
        if not owner and url != wanted:
            return f"{Ref.of(live)} is of another repository: {url}, not {wanted}"
        return ""

    async def _warn(self) -> None:
        wanted = self.wanted()
        found = await self.components(wanted.sha)
        space, name = self.options.namespace, self.options.name
        bases = found.of_sync("GitRepository", space, name), found.of_sync("Kustomization", space, name)
        for text in sync.elsewhere(self.options, wanted, *bases) if self.options.carries_itself else ():
            self.ctx.diagnostic("warning", text)

    def _reached(self) -> Observation:
        revision = str(self.facts("source")["revision"])
        return Observation(REACHED, revision, {"revision": revision}, renews=True)


class Loose(Root):
    """At the end: Flux follows the branch again, from the commit that was raised."""

    pinned = False

    async def observe(self) -> Observation:
        """Whether the GitRepository still is held at the commit."""
        wanted = (await self.manifests())[0]
        cluster = await self.cluster()
        live = await cluster.get(Ref.of(wanted)) or {}
        if live.get("spec", {}).get("ref") != wanted["spec"]["ref"]:
            return Observation(NOT_REACHED, "it stays at the commit")
        return self._loose()

    async def act(self) -> Observation | None:
        """Applies it without the commit."""
        cluster = await self.cluster()
        await cluster.apply((await self.manifests())[0])
        return self._loose()

    def _loose(self) -> Observation:
        name = str(self.facts("source")["name"])
        return Observation(REACHED, f"Flux follows {name}" if name else "Flux stays at the commit")
