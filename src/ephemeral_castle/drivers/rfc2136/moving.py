"""Changes of names: TTL down, to the maintenance page, to the new life, away. Each is one compare-and-swap."""

from __future__ import annotations

import ipaddress
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from ephemeral_castle.drivers.rfc2136 import page, zone
from ephemeral_castle.drivers.rfc2136.looking import late, names_of
from ephemeral_castle.drivers.rfc2136.options import HERE
from ephemeral_castle.drivers.rfc2136.reading import key_of, patiently, read_all
from ephemeral_castle.drivers.rfc2136.refusals import refused, what_stands, why_not
from ephemeral_castle.drivers.rfc2136.steps import PATIENCE
from ephemeral_castle.drivers.rfc2136.zone import Kind, Owner, Standing, kind, may_take
from ephemeral_castle.errors import CastleError, Conflict, Permanent, Refused, Transient
from ephemeral_castle.model.step import Observation, State
from ephemeral_castle.spi.driver import Context
from ephemeral_castle.spi.names import NameChange

REACHED, NOT_REACHED = State.REACHED, State.NOT_REACHED


async def standings_of(ctx: Context) -> list[Standing]:
    """What the server that takes changes says now."""
    return await read_all(ctx, list(names_of(ctx)), await key_of(ctx))


async def change(ctx: Context, wanted: NameChange) -> None:
    """Makes it.

    Raises:
        Transient: a name changed since it was looked at: look again. Others: as `spi.names.Names` says.
    """
    if not wanted.put:
        return
    try:
        await ctx.world.names.update(ctx.options.server, wanted, await key_of(ctx))
    except Conflict as error:
        raise Transient("a name changed while it was being changed", where=error.where, why=error.why) from None


def ours(ctx: Context, standings: Sequence[Standing]) -> list[Standing]:
    """Those that are marked as this castle's."""
    return [each for each in standings if kind(each, ctx.record.id, ctx.life) is Kind.OURS]


def seen_before(ctx: Context) -> dict[str, Standing]:
    """The names as they were when the run began; empty when they could not be seen."""
    told = ctx.facts(f"{ctx.layer.id}.look").get("standing", {}).get("names", {})
    return {name: Standing.from_json(name, data) for name, data in told.items()}


class Lower:
    """A short TTL while a rebirth is under way."""

    def __init__(self, ctx: Context) -> None:
        self.ctx = ctx

    def _high(self, standings: Sequence[Standing]) -> list[Standing]:
        low = self.ctx.options.lowered_ttl
        return [each for each in ours(self.ctx, standings) if each.values and each.ttl > low]

    async def observe(self) -> Observation:
        """Whether every name of ours has the lower TTL."""
        high = self._high(await standings_of(self.ctx))
        if high:
            return Observation(NOT_REACHED, ", ".join(f"{each.name} {each.ttl} s" for each in high))
        return self._done()

    async def act(self) -> Observation:
        """Lowers it."""
        low = int(self.ctx.options.lowered_ttl)
        await change(self.ctx, zone.retimed(self.ctx.options.zone, self._high(await standings_of(self.ctx)), low))
        return self._done()

    def _done(self) -> Observation:
        text = f"{self.ctx.options.lowered_ttl:g} s"
        return Observation(REACHED, text, {"at": self.ctx.world.clock.now()})

    async def undo(self) -> str:
        """Gives the names their old TTL back. A low one locks nobody out, and the next run puts it right."""
        try:
            return await self.put_back()
        except Transient as error:
            text = f"the TTL stays low ({error.message}: {error.why}); castle raise sets it right"
            self.ctx.diagnostic("warning", text)
            return text

    async def put_back(self) -> str:
        """Old TTLs, and old addresses where names lead to the maintenance page."""
        return await patiently(self.ctx, PATIENCE, "taking the names back", self._put_back)

    async def _put_back(self) -> str:
        before, options = seen_before(self.ctx), self.ctx.options
        page_sets = page.sets(self.ctx)
        targets: dict[str, Standing] = {}
        now = [each for each in ours(self.ctx, await standings_of(self.ctx)) if each.name in before]
        for each in now:
            was = before[each.name]
            addresses = was.addresses if page_sets and each.addresses == page_sets else each.addresses
            ttl = was.ttl if each.ttl == int(options.lowered_ttl) else each.ttl
            if addresses != each.addresses or (each.values and ttl != each.ttl):
                targets[each.name] = Standing(each.name, addresses, ttl)
        changed = [each for each in now if each.name in targets]
        await change(self.ctx, zone.restored(options.zone, changed, targets))
        told = [f"{name} {what_stands(each)} for {each.ttl} s" for name, each in targets.items()]
        return ", ".join(told) or "the names are as they were"


class Page:
    """Castle's own maintenance page answers, before anybody is led there."""

    def __init__(self, ctx: Context) -> None:
        self.ctx = ctx

    async def observe(self) -> Observation:
        """Whether it does."""
        pages = self.ctx.world.pages
        return Observation(REACHED if pages.shown else NOT_REACHED, f"at {pages.address}")

    async def act(self) -> Observation:
        """Brings it up. Without it the names stay where they are until the switch: no reason to stop."""
        why = await page.show(self.ctx)
        if why:
            self.ctx.diagnostic("warning", f"the maintenance page does not answer: {why}")
        return Observation(REACHED, why or f"at {self.ctx.world.pages.address}")

    async def undo(self) -> str:
        """It stays until no resolver gives its address any more."""
        await page.end(self.ctx, self.ctx.world.clock.now() + self.ctx.options.lowered_ttl)
        return "the maintenance page ends"


class Maintenance:
    """The names lead to the maintenance page from the cut to the switch."""

    def __init__(self, ctx: Context) -> None:
        self.ctx = ctx
        self.page = page.sets(ctx)

    async def observe(self) -> Observation:
        """Whether every name of ours leads there."""
        mine = [each for each in ours(self.ctx, await standings_of(self.ctx)) if each.values]
        if not mine:
            return Observation(REACHED, waived="no name of this castle leads anywhere")
        elsewhere = [each.name for each in mine if each.addresses != self.page]
        if self.ctx.options.maintenance == HERE and not self.ctx.world.pages.shown:
            return Observation(NOT_REACHED, "the page is not shown")
        if elsewhere:
            return Observation(NOT_REACHED, ", ".join(elsewhere))
        return self._done()

    async def act(self) -> Observation:
        """Switches them, if the page answers still."""
        why = await page.show(self.ctx)
        if why:
            text = f"the maintenance page does not answer ({why}): the names stay as they are"
            self.ctx.diagnostic("warning", text)
            return Observation(REACHED, text)
        now = [each for each in ours(self.ctx, await standings_of(self.ctx)) if each.values]
        low = int(self.ctx.options.lowered_ttl)
        there = {each.name: Standing(each.name, self.page, low) for each in now}
        await change(self.ctx, zone.restored(self.ctx.options.zone, now, there))
        return self._done()

    def _done(self) -> Observation:
        address = next(iter(self.page.values()))[0]
        return Observation(REACHED, f"at {address}", {"page": address})

    async def undo(self) -> str:
        """Leads them back."""
        return await Lower(self.ctx).put_back()


class Switch:
    """The names lead to the new life, once it serves."""

    def __init__(self, ctx: Context) -> None:
        self.ctx = ctx
        self.owner = Owner(ctx.record.id, ctx.life)

    async def observe(self) -> Observation:
        """Whether they lead there already, under the mark of this life."""
        to = await self.wanted()
        standings = await self._patiently(to, "name server", lambda: standings_of(self.ctx))
        self._judge(to, standings)
        wrong = [each for each in standings if not self.right(each, to)]
        if wrong:
            return Observation(NOT_REACHED, ", ".join(f"{each.name} {what_stands(each)}" for each in wrong))
        if self._page_is_left_over():
            return Observation(NOT_REACHED, "the maintenance page still waits for its end")
        return self._done(to, self._until_by_facts(standings))

    async def act(self) -> Observation:
        """Switches all in one change; after an answer that got lost it looks before it tries again."""
        to = await self.wanted()
        moved: list[Standing] = []
        standings: list[Standing] = []

        async def once() -> None:
            standings[:] = await standings_of(self.ctx)
            self._judge(to, standings)
            wrong = [each for each in standings if not self.right(each, to)]
            if not wrong:
                return
            self._tell_strange(wrong)
            moved[:] = wrong
            options = self.ctx.options
            await change(self.ctx, zone.moved(options.zone, wrong, to, self.owner, int(options.ttl)))

        await self._patiently(to, "switch of the names", once)
        until = self._until(moved, to) if moved else self._until_by_facts(standings)
        await page.end(self.ctx, until or 0.0)
        return self._done(to, until)

    def _page_is_left_over(self) -> bool:
        """An earlier runner may have died between the switch and the page's end."""
        if self.ctx.options.maintenance != HERE:
            return False
        return self.ctx.world.pages.shown and not self.ctx.world.pages.ending

    async def wanted(self) -> dict[str, str]:
        """Address of this life by name."""
        found = {}
        for name, machine in names_of(self.ctx).items():
            found[name] = str(ipaddress.ip_address((await self.ctx.machine(machine)).address))
        return found

    def right(self, standing: Standing, to: Mapping[str, str]) -> bool:
        """Whether it leads there, under the mark of this life."""
        return zone.is_right(standing, to[standing.name], self.owner, int(self.ctx.options.ttl))

    def _judge(self, to: Mapping[str, str], standings: Sequence[Standing]) -> None:
        kinds = [(each, kind(each, self.ctx.record.id, self.ctx.life)) for each in standings]
        bad = [(each, found) for each, found in kinds if not may_take(found, adopt=self.ctx.request.adopt)]
        if bad:
            raise refused(bad, self.ctx.options.zone, self.ctx.life, self._state(to))

    def _tell_strange(self, standings: Sequence[Standing]) -> None:
        """Somebody else changed a name of ours during the run: it is switched, and that is said."""
        before, page_sets = seen_before(self.ctx), page.sets(self.ctx)
        for each in standings:
            was = before.get(each.name)
            if was is not None and each.addresses not in (was.addresses, page_sets):
                text = f"{each.name} was changed during the run, from {what_stands(was)} to {what_stands(each)}"
                self.ctx.diagnostic("warning", f"{text}; it leads to this castle again now")

    def _until(self, moved: Sequence[Standing], to: Mapping[str, str]) -> float | None:
        """Until when the last resolver may give an old address."""
        lowered = self.ctx.facts(f"{self.ctx.layer.id}.lower-ttl").get("at")
        now, before = self.ctx.world.clock.now(), seen_before(self.ctx)
        changed = [each for each in moved if each.values != (to[each.name],)]
        times = [zone.stale_until(each, before.get(each.name), now, lowered) for each in changed]
        return max(times, default=None)

    def _until_by_facts(self, standings: Sequence[Standing]) -> float | None:
        """The same after an earlier runner switched and could not tell when: at the latest now."""
        before = seen_before(self.ctx)
        to = {each.name: each.values[0] for each in standings}
        return self._until([before[each.name] for each in standings if each.name in before], to)

    def _done(self, to: Mapping[str, str], until: float | None) -> Observation:
        text = ", ".join(f"{name} {address}" for name, address in to.items())
        facts: dict[str, Any] = {"names": dict(to), "resolver": self.ctx.options.server}
        if until is not None:
            facts["stale_until"] = until
            clock = datetime.fromtimestamp(until, UTC).strftime("%H:%M:%S UTC")
            text += f"; resolvers may answer the old address until {clock}"
        return Observation(REACHED, text, facts)

    def _state(self, to: Mapping[str, str]) -> str:
        addresses = ", ".join(dict.fromkeys(to.values()))
        before = [each for name, each in seen_before(self.ctx).items() if each.values != (to[name],)]
        names = "; ".join(f"{each.name} led to {what_stands(each)} when the run began" for each in before)
        if shown := self.ctx.facts(f"{self.ctx.layer.id}.maintenance").get("page"):
            names = f"they lead to the maintenance page at {shown}"
        return f"the castle serves at {addresses}; only its names were not switched" + (f" ({names})" if names else "")

    async def _patiently(self, to: Mapping[str, str], what: str, work: Callable[[], Awaitable[Any]]) -> Any:
        """Asks until the layer's time is up; whatever it ends with, the castle itself stands and serves."""
        try:
            return await patiently(self.ctx, self.ctx.options.timeout, what, work)
        except Refused:
            raise
        except CastleError as error:
            raise Permanent(
                "the names could not be switched to the new life",
                where=error.where or self.ctx.options.server,
                why=f"{error.message}: {error.why}",
                state=self._state(to),
                hints=[*error.hints, "start or mend the name server", "castle resume"],
            ) from None


async def settled(ctx: Context) -> str:
    """Why a raise would switch names; "" when it would not."""
    to = await Switch(ctx).wanted()
    wrong = [each for each in await standings_of(ctx) if not Switch(ctx).right(each, to)]
    if wrong:
        return ", ".join(f"{each.name} {what_stands(each)}" for each in wrong)
    # One that ends by itself waits only for resolvers that still lead there.
    if ctx.world.pages.shown and not ctx.world.pages.ending:
        return "the maintenance page is shown, and nobody has told it to end"
    return "; ".join(await late(ctx, to))


class Remove:
    """Names that are ours go with the castle."""

    def __init__(self, ctx: Context) -> None:
        self.ctx = ctx

    async def observe(self) -> Observation:
        """Whether anything of ours stands."""
        standings = await self._patiently(lambda: standings_of(self.ctx))
        mine = ours(self.ctx, standings)
        for each in standings:
            found = kind(each, self.ctx.record.id, self.ctx.life)
            if found not in (Kind.OURS, Kind.FREE):
                self.ctx.diagnostic("warning", f"left alone: {why_not(each, found, self.ctx.life)}")
        if mine:
            return Observation(NOT_REACHED, ", ".join(f"{each.name} {what_stands(each)}" for each in mine))
        return Observation(REACHED, "no name is ours")

    async def act(self) -> Observation | None:
        """Removes addresses and marks in one change."""

        async def once() -> None:
            mine = ours(self.ctx, await standings_of(self.ctx))
            await change(self.ctx, zone.removed(self.ctx.options.zone, mine))

        await self._patiently(once)
        return None

    async def _patiently(self, work: Callable[[], Awaitable[Any]]) -> Any:
        try:
            return await patiently(self.ctx, self.ctx.options.timeout, "removal of the names", work)
        except Transient as error:
            raise Permanent(
                "the names could not be removed",
                where=error.where,
                why=f"{error.message}: {error.why}",
                state="machines that this layer leads to still stand",
                hints=["start the name server", "castle resume"],
            ) from None
