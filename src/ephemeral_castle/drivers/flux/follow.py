"""The graph of units is followed until every one is ready with the run's revision, or never can be."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from ephemeral_castle.drivers.flux import graph as graphs
from ephemeral_castle.drivers.flux import hang as hangs
from ephemeral_castle.drivers.flux import heal, sync, units
from ephemeral_castle.drivers.flux.cause import Causes, cause
from ephemeral_castle.drivers.flux.controllers import titled
from ephemeral_castle.drivers.flux.fetching import Fetching
from ephemeral_castle.drivers.flux.graph import Graph, Seen
from ephemeral_castle.drivers.flux.pace import LOST, Pace
from ephemeral_castle.drivers.flux.part import Part, mending
from ephemeral_castle.drivers.flux.units import Goal, Stage
from ephemeral_castle.drivers.flux.vocabulary import GIT, KUSTOMIZATION, KUSTOMIZE, REQUESTED, SOURCE
from ephemeral_castle.errors import CastleError, NotFound, Permanent, Transient
from ephemeral_castle.model.step import Observation
from ephemeral_castle.spi.kubernetes import Change, Cluster, Ref
from ephemeral_castle.spi.part import NOT_REACHED, REACHED

TICK = 0.5  # seconds between two decisions when nothing changes
SETTLED = 3.0  # seconds without any change after which a graph in which nothing moves is frozen
WORST = 5  # units that are told when time is up


class Units(Part):
    """Every unit is ready."""

    async def observe(self) -> Observation:
        """One look at all of them."""
        cluster = await self.cluster()
        graph, fetching = self.graph(), self.fetching()
        source = sync.refs(self.options)[0]
        found = await cluster.get(source)
        if found is not None:
            fetching.take(Change("ADDED", found), 0.0)
        for each in await cluster.list(KUSTOMIZE, KUSTOMIZATION):
            graph.take(Change("ADDED", each))
        seen = graph.seen()
        unready = [name for name, each in seen.items() if each.stage not in (Stage.READY, Stage.SUSPENDED)]
        if not fetching.done:
            return Observation(NOT_REACHED, fetching.says or f"{source} has fetched nothing yet")
        if unready or graphs.frozen(seen, graph.units):
            return Observation(NOT_REACHED, f"{len(unready)} of {len(seen)} units are not ready: {_some(unready)}")
        return await self._all_well(seen, {})

    async def act(self) -> Observation | None:
        """Follows and nudges.

        Raises:
            Permanent: a unit, or the source, can become ready by another commit only; the graph is frozen; or time
                is up. With the last words of each that is not ready.
        """
        cluster = await self.cluster()
        walk = Walk(self, cluster)
        async with walk.listening():
            seen = await walk.to_the_end()
        for name, each in seen.items():
            if each.stage is Stage.SUSPENDED:
                text = f"unit `{name}` is suspended in the repository or by a person: it stays at what it had"
                self.ctx.diagnostic("warning", text)
        return await self._all_well(seen, walk.times)

    async def _all_well(self, seen: Mapping[str, Seen], times: Mapping[str, Mapping[str, float]]) -> Observation:
        titles = {"controllers": await titled(await self.cluster())}
        return Observation(
            REACHED, _well(seen), {**self._facts(seen, times), **await self._doors(), **titles}, renews=True
        )

    def graph(self) -> Graph:
        """Empty, with the goal of the run."""
        space, name = self.options.namespace, self.options.name
        return Graph(f"{space}/{name}", Goal((GIT, f"{space}/{name}"), str(self.facts("source")["sha"])))

    def fetching(self) -> Fetching:
        """What is known of the source: nothing yet."""
        return Fetching(sync.refs(self.options)[0], str(self.facts("source")["sha"]))

    def _facts(self, seen: Mapping[str, Seen], times: Mapping[str, Mapping[str, float]]) -> dict[str, Any]:
        known = self.facts("source")
        before = self.facts("units").get("units") or {}
        found = {
            name: {
                "stage": each.stage.value,
                "needs": list(each.unit.needs),
                **(times.get(name) or {key: when for key, when in (before.get(name) or {}).items() if key in TIMES}),
            }
            for name, each in seen.items()
        }
        return {"sha": known["sha"], "revision": known["revision"], "units": found}

    async def _doors(self) -> dict[str, Any]:
        """What castle opens for people on this computer, by the address of its machine in this life."""
        wanted = self.options.doors
        machines = await asyncio.gather(*(self.ctx.machine(door.machine) for door in wanted.values()))
        pairs = zip(wanted.items(), machines, strict=True)
        found = {name: {"address": machine.address, "port": door.port} for (name, door), machine in pairs}
        return {"inside": found} if found else {}


TIMES = ("applied_after", "ready_after", "nudges")


class Walk:
    """One follow of the graph: what was seen so far, and what was asked.

    Attributes:
        times: by unit: seconds from the beginning until it was applied and ready, and how often it was asked.
    """

    def __init__(self, part: Units, cluster: Cluster) -> None:
        self.part = part
        self.ctx = part.ctx
        self.cluster = cluster
        self.graph = part.graph()
        self.fetching = part.fetching()
        self.pace = Pace()
        self.times: dict[str, dict[str, float]] = {}
        self.begun = self.now
        self.changed = self.begun
        self.stages: dict[str, str] = {}
        self.queue: asyncio.Queue[Change] = asyncio.Queue()
        self.asked = 0
        self.healed: set[str] = set()
        self.causes = Causes(cluster)

    @property
    def now(self) -> float:
        """Seconds that never jump."""
        return self.ctx.world.clock.monotonic()

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[None]:
        """One watch of each kind, for as long as the walk takes."""
        source = sync.refs(self.part.options)[0]
        watches = (
            self.cluster.watch(KUSTOMIZE, KUSTOMIZATION),
            self.cluster.watch(SOURCE, GIT, source.namespace),
        )
        tasks = [asyncio.create_task(self._listen(each)) for each in watches]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, self.causes.close(), return_exceptions=True)

    async def _listen(self, watch: AsyncIterator[Change]) -> None:
        """A watch that ends by an error ends the walk with it."""
        try:
            async for change in watch:
                self.queue.put_nowait(change)
        except CastleError as error:
            self.queue.put_nowait(Change("ERROR", {"error": error}))

    async def to_the_end(self) -> Mapping[str, Seen]:
        """Until all are ready."""
        deadline = self.begun + self.part.options.wait
        while True:
            await self._hear()
            seen = self.graph.seen()
            self._tell(seen)
            if self._done(seen):
                return seen
            self._give_up(seen)
            await self._unhang(seen)
            if self.now >= deadline:
                raise await self._too_late(seen)
            for name in self.pace.due(seen, self.now):
                await self._ask(name)
            if self.fetching.due(self.now):
                await self._ask_source()

    async def _hear(self) -> None:
        """Takes what came; waits a moment, by the world's clock, when nothing did."""
        if self.queue.empty():
            heard = asyncio.create_task(self.queue.get())
            slept = asyncio.create_task(self.ctx.world.clock.sleep(TICK))
            done, left = await asyncio.wait({heard, slept}, return_when=asyncio.FIRST_COMPLETED)
            for task in left:
                task.cancel()
            await asyncio.gather(*left, return_exceptions=True)
            for task in done:
                change = await task
                if isinstance(change, Change):
                    self._take(change)
        while not self.queue.empty():
            self._take(self.queue.get_nowait())

    def _take(self, change: Change) -> None:
        if change.type == "ERROR":
            raise change.object["error"]
        self.changed = self.now
        if not self.graph.take(change):
            self.fetching.take(change, self.now)

    def _done(self, seen: Mapping[str, Seen]) -> bool:
        over = all(each.stage in (Stage.READY, Stage.SUSPENDED) for each in seen.values())
        return over and self.fetching.done and not graphs.frozen(seen, self.graph.units)

    def _tell(self, seen: Mapping[str, Seen]) -> None:
        """One line for each unit that came further, or says something new."""
        ready = sum(each.stage is Stage.READY for each in seen.values())
        for name, each in seen.items():
            self._clock(name, each)
            line = _line(name, each)
            if self.stages.get(name) != line:
                self.stages[name] = line
                self.ctx.progress(line, done=ready, total=len(seen))
        if self.fetching.news():
            self.ctx.progress(self.fetching.says, done=ready, total=len(seen))
        name, why = self.causes.news(seen, self.now)
        if why:
            self.ctx.progress(f"{name}: {why}", done=ready, total=len(seen))

    def _clock(self, name: str, each: Seen) -> None:
        times = self.times.setdefault(name, {})
        after = round(self.now - self.begun, 2)
        if each.stage in (Stage.CHECKING, Stage.READY):
            times.setdefault("applied_after", after)
        if each.stage is Stage.READY:
            times.setdefault("ready_after", after)

    def _give_up(self, seen: Mapping[str, Seen]) -> None:
        if self.fetching.hopeless(self.now):
            raise self._unfetched()
        for each in self.pace.hopeless(seen, self.now):
            raise Permanent(
                f"unit `{each.unit.name}` will not become ready with this commit",
                where=f"Kustomization {each.unit.name}, commit {self.graph.goal.sha[:12]}",
                why=each.unit.says,
                state="what is ready stays; nothing that depends on this unit was applied",
                hints=[f"castle logs --step {self.part.layer}/units", mending(self.ctx)],
            )
        why = graphs.frozen(seen, self.graph.units) if self.now - self.changed >= SETTLED else ""
        if why:
            raise Permanent(
                "the units of Flux wait for what will not come",
                where=f"layer {self.part.layer}, commit {self.graph.goal.sha[:12]}",
                why=why,
                state="what is ready stays; the others were not applied",
                hints=["a unit that a person suspended goes on by `flux resume kustomization NAME`", mending(self.ctx)],
            )

    async def _unhang(self, seen: Mapping[str, Seen]) -> None:
        """Restarts a controller that hangs, once, where a person allowed it. Raises Permanent: it still does."""
        hang = hangs.found(seen, self.pace, self.fetching, self.now)
        if hang is None:
            return
        again = hang.controller in self.healed
        if again or not self.ctx.request.heal:
            raise await heal.refusal(self.part, self.cluster, hang, again=again)
        await heal.restart(self.part, self.cluster, hang)
        self.healed.add(hang.controller)
        self.pace.anew(self.now)
        self.fetching.anew(self.now)

    def _unfetched(self) -> Permanent:
        return Permanent(
            "the cluster cannot fetch the repository",
            where=f"{self.fetching.ref} ({self.part.facts('source')['url']})",
            why=self.fetching.says,
            state="the cluster and Flux stand; nothing of this commit was applied",
            hints=[
                "compare `repository_url`, key or token, and host keys with what the Git host has",
                "castle doctor",
                f"castle resume {self.ctx.run}",
            ],
        )

    async def _too_late(self, seen: Mapping[str, Seen]) -> Permanent:
        unready = [each for each in seen.values() if each.stage is not Stage.READY]
        lines = [_line(each.unit.name, each, detail=True) for each in unready[:WORST]]
        if len(unready) > WORST:
            lines.append(f"and {len(unready) - WORST} more")
        busy = [each.unit.name for each in unready if each.stage is not Stage.WAITING][:WORST]
        causes = await asyncio.gather(*(cause(self.cluster, name) for name in busy))
        more = "; ".join(filter(None, causes)) or (await self._explained(busy[0]) if busy else "")
        fetched = "" if self.fetching.done else f"{self.fetching.ref}: {self.fetching.says}"
        still = hangs.found(seen, self.pace, self.fetching, self.now, LOST)
        more = "; ".join(filter(None, [more, f"{still.controller} does not stir" if still else ""]))
        return Permanent(
            f"{len(unready)} of {len(seen)} units are not ready after {self.part.options.wait:g} s",
            where=f"layer {self.part.layer}, commit {self.graph.goal.sha[:12]}",
            why="; ".join(filter(None, [fetched, *lines, more])),
            state="what is ready stays, and Flux goes on trying",
            hints=[f"castle logs --step {self.part.layer}/units", mending(self.ctx),
                   *(heal.healing(self.part) if still else [])],
        )  # fmt: skip

    async def _explained(self, name: str) -> str:
        space, _, own = name.partition("/")
        try:
            return units.short(await self.cluster.explain(Ref(KUSTOMIZE, KUSTOMIZATION, own, space)))
        except CastleError:
            return ""

    async def _ask(self, name: str) -> None:
        """Has a unit look again now."""
        space, _, own = name.partition("/")
        token = self._token()
        try:
            await self._request(Ref(KUSTOMIZE, KUSTOMIZATION, own, space), token)
        except NotFound:  # it went meanwhile
            return
        except Transient:
            self.pace.missed(name, self.now)
            return
        self.pace.asked(name, token, self.now)
        times = self.times.setdefault(name, {})
        times["nudges"] = times.get("nudges", 0) + 1

    async def _ask_source(self) -> None:
        with contextlib.suppress(Transient, NotFound):
            await self._request(self.fetching.ref, self._token())
        self.fetching.asked(self.now)

    async def _request(self, ref: Ref, token: str) -> None:
        await self.cluster.patch(ref, {"metadata": {"annotations": {REQUESTED: token}}})

    def _token(self) -> str:
        self.asked += 1
        return f"{self.ctx.run}-{self.ctx.world.clock.now():.3f}-{self.asked}"


def _line(name: str, each: Seen, *, detail: bool = False) -> str:
    if each.stage in (Stage.READY, Stage.SUSPENDED):
        return f"{name}: {each.stage.value}"
    if each.stage is Stage.WAITING:
        return f"{name}: {each.why}"
    if each.stage is Stage.RUNNING and not detail:
        return f"{name}: {each.stage.value}"
    return f"{name}: {each.stage.value}: {each.why}" if each.why else f"{name}: {each.stage.value}"


def _some(names: list[str]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")


def _well(seen: Mapping[str, Seen]) -> str:
    count = sum(each.stage is Stage.READY for each in seen.values())
    return f"{count} unit{'s' if count != 1 else ''} ready"
