"""Looks: before a run, at its end, and for `castle status`."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from ephemeral_castle.drivers.rfc2136 import page
from ephemeral_castle.drivers.rfc2136.options import HERE
from ephemeral_castle.drivers.rfc2136.reading import key_of, patiently, read, read_all
from ephemeral_castle.drivers.rfc2136.refusals import NOTHING_CHANGED, refused, what_stands, why_not
from ephemeral_castle.drivers.rfc2136.steps import PATIENCE
from ephemeral_castle.drivers.rfc2136.zone import Kind, Standing, fqdn, kind, may_take
from ephemeral_castle.errors import Denied, Permanent, Refused, Transient
from ephemeral_castle.model.castle import Verb
from ephemeral_castle.model.step import Observation, State
from ephemeral_castle.spi.driver import Context
from ephemeral_castle.spi.names import NameChange, TsigKey


class _Disagree(Transient):
    """The servers of the zone have not all the same yet."""


def names_of(ctx: Context) -> dict[str, str]:
    """Machine by whole name."""
    return {fqdn(label, ctx.options.zone): machine for label, machine in ctx.options.records.items()}


def servers_of(ctx: Context) -> list[str]:
    """All servers of the zone, the one that takes changes first."""
    return list(dict.fromkeys([ctx.options.server, *ctx.options.secondaries]))


async def before(ctx: Context) -> Observation:
    """Servers, key and names, before anything is changed. What cannot be done at the end ends the run here.

    Raises:
        Refused: why the names could not be switched.
    """
    key = await key_of(ctx)
    try:
        standings = await patiently(ctx, PATIENCE, "name server", lambda: _see(ctx, key))
    except Transient as error:
        return _not_seen(ctx, error)
    except Denied as error:
        raise Refused(
            error.message,
            where=error.where,
            why=error.why,
            state=NOTHING_CHANGED,
            hints=[*error.hints, f"castle {ctx.request.verb.value}"],
        ) from None
    _judge(ctx, standings)
    if ctx.options.maintenance not in ("", HERE) and ctx.request.verb is Verb.REBIRTH:
        await _page(ctx)
    facts = {"names": {each.name: each.to_json() for each in standings}, "at": ctx.world.clock.now()}
    text = ", ".join(f"{each.name} {what_stands(each)}" for each in standings)
    return Observation(State.REACHED, text, {"standing": facts})


def _not_seen(ctx: Context, error: Transient) -> Observation:
    """A castle that lies down is raised all the same: it can be reached by address, and the switch asks again."""
    if ctx.request.verb is Verb.RAISE and not isinstance(error, _Disagree):
        text = f"{error.message} ({error.where}: {error.why}); the castle is raised, and its names may not follow"
        ctx.diagnostic("warning", text)
        return Observation(State.REACHED, "not seen", {"unseen": f"{error.where}: {error.why}"})
    hints = ["start it, or take it out of the definition", f"castle {ctx.request.verb.value}"]
    raise Refused(
        error.message, where=error.where, why=error.why or "it was asked for some seconds", state=NOTHING_CHANGED,
        hints=[*error.hints, *hints] if not isinstance(error, _Disagree) else error.hints,
    ) from None  # fmt: skip


async def _see(ctx: Context, key: TsigKey) -> list[Standing]:
    """The zone on every server, whether the key is accepted, and the names; all must have the same."""
    zone, servers = ctx.options.zone, servers_of(ctx)
    await asyncio.gather(*(_speaks_for(ctx, server, zone) for server in servers))
    await ctx.world.names.update(ctx.options.server, NameChange(zone), key)  # asks for nothing: is the key accepted
    standings = await read_all(ctx, list(names_of(ctx)), key)
    for server in servers[1:]:
        others = await asyncio.gather(*(read(ctx, server, each.name) for each in standings))
        for ours, theirs in zip(standings, others, strict=True):
            _agree(ctx, server, ours, theirs)
    return standings


async def _speaks_for(ctx: Context, server: str, zone: str) -> None:
    answer = await ctx.world.names.query(server, zone, "SOA")
    if answer.authoritative and answer.get(zone, "SOA").values:
        return
    raise Refused(
        f"name server {server} does not speak for zone {zone}",
        where=ctx.layer.position,
        why="its answer is not authoritative" if not answer.authoritative else "it has no zone of that name",
        state=NOTHING_CHANGED,
        hints=["look at `server`, `secondaries` and `zone` in the definition", "castle plan --offline"],
    )


def _agree(ctx: Context, server: str, ours: Standing, theirs: Standing) -> None:
    # A wildcard's answer was left out of ours: where nothing stands there is nothing to compare.
    if not ours.values or (ours.addresses == theirs.addresses and ours.marks == theirs.marks):
        return
    raise _Disagree(
        f"the name servers of zone {ctx.options.zone} disagree about {ours.name}",
        where=server,
        why=f"{ctx.options.server} says {what_stands(ours)}, {server} says {what_stands(theirs)}",
        hints=["look why the zone is not transferred to all servers", f"castle {ctx.request.verb.value}"],
    )


def _judge(ctx: Context, standings: Sequence[Standing]) -> None:
    if ctx.request.verb is Verb.WIPE:
        return  # what is not ours is left alone then, and is in nobody's way
    kinds = [(each, kind(each, ctx.record.id, ctx.life)) for each in standings]
    bad = [(each, found) for each, found in kinds if not may_take(found, adopt=ctx.request.adopt)]
    if bad:
        raise refused(bad, ctx.options.zone, ctx.life, NOTHING_CHANGED)
    for each, found in kinds:
        if found is Kind.UNCLAIMED:
            ctx.decided("adopt", f"{each.name} ({what_stands(each)}) is taken over, as this command line says")


async def _page(ctx: Context) -> None:
    why = await page.silence(ctx)
    if why:
        raise Refused(
            "the maintenance page does not answer",
            where=f"{ctx.options.maintenance} port {ctx.options.maintenance_port}",
            why=why,
            state=NOTHING_CHANGED,
            hints=["start it, or take `maintenance` out of the definition", f"castle {ctx.request.verb.value}"],
        )


async def after(ctx: Context) -> Observation:
    """Whether every server gives the new addresses."""
    wanted: Mapping[str, str] = ctx.facts(f"{ctx.layer.id}.switch").get("names", {})
    behind = await late(ctx, wanted)
    if behind:
        return Observation(State.NOT_REACHED, "; ".join(behind))
    servers = ", ".join(servers_of(ctx))
    told = [f"{name} → {address} by {servers}" for name, address in wanted.items()]
    return Observation(State.REACHED, "; ".join(told), {"verified": told})


async def late(ctx: Context, wanted: Mapping[str, str]) -> list[str]:
    """What servers still say, where it is something else."""

    async def one(server: str, name: str, address: str) -> str:
        try:
            seen = await read(ctx, server, name)
        except Transient as error:
            return f"{server}: {error.message} ({error.why})"
        return "" if seen.values == (address,) else f"{server} gives {what_stands(seen)} for {name}, not {address}"

    asked = (one(server, name, address) for server in servers_of(ctx) for name, address in wanted.items())
    return [text for text in await asyncio.gather(*asked) if text]


async def wait_for_all(ctx: Context) -> Observation:
    """Asks until every server gives the new addresses.

    Raises:
        Permanent: one still gives another when the time is up.
    """

    async def once() -> Observation:
        seen = await after(ctx)
        if seen.state is not State.REACHED:
            raise Transient("a name server does not give the new addresses yet", why=seen.detail)
        return seen

    try:
        return await patiently(ctx, ctx.options.timeout, "name servers", once)
    except Transient as error:
        raise Permanent(
            f"not every name server of zone {ctx.options.zone} gives the new addresses",
            why=error.why,
            state="the castle serves, and the server that takes changes has the new addresses",
            hints=["look why the zone is not transferred to all servers", "castle resume"],
        ) from None


async def status(ctx: Context) -> dict[str, Any]:
    """For `castle status`: names that lead elsewhere, or are somebody else's."""
    alarms, unseen = [], []
    for name, machine in names_of(ctx).items():
        try:
            standing = await read(ctx, ctx.options.server, name)
        except Transient as error:
            unseen.append(f"{ctx.layer.id}: {name}: {error.message} ({error.where}: {error.why})")
            continue
        address = (await ctx.machine(machine)).address
        found = kind(standing, ctx.record.id, ctx.life)
        if found not in (Kind.OURS, Kind.FREE):
            alarms.append(
                {"severity": "error", "text": why_not(standing, found, ctx.life), "mend": "castle plan raise"}
            )
        elif standing.values != (address,):
            text = f"{name} leads to {what_stands(standing)}, and life {ctx.life} is at {address}"
            alarms.append({"severity": "error", "text": text, "mend": "castle raise"})
    return {"alarms": alarms, "unseen": unseen}
