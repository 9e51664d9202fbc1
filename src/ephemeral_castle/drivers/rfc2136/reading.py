"""Reads names from their servers, and asks again while a server is silent."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from ephemeral_castle.drivers.rfc2136.zone import FAMILIES, Standing, owner_name
from ephemeral_castle.errors import Conflict, Refused, Transient
from ephemeral_castle.spi.driver import Context
from ephemeral_castle.spi.names import NameAnswer, NameChange, NameSet, TsigKey

T = TypeVar("T")
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 2.0


async def key_of(ctx: Context) -> TsigKey:
    """The key that signs.

    Raises:
        Refused: it is missing, or not of the form that is needed.
    """
    name = ctx.options.key
    text = await ctx.secrets.get(name)
    form = f'write it into the key file, under [secrets]: "{name}" = "hmac-sha256:NAME:BASE64"'
    if text is None:
        raise Refused(
            f"the secret `{name}` is missing", where=ctx.layer.position,
            why="it is the key that signs changes of the zone", state="nothing was changed",
            hints=[form, "castle card"],
        )  # fmt: skip
    try:
        return TsigKey.parse(text)
    except ValueError as error:
        raise Refused(
            f"the secret `{name}` is no key for a name server", where=ctx.layer.position, why=str(error),
            state="nothing was changed", hints=[form, "castle card"],
        ) from None  # fmt: skip


async def read_all(ctx: Context, names: Sequence[str], key: TsigKey) -> list[Standing]:
    """What the server that takes changes says about each name."""
    return list(await asyncio.gather(*(_read_true(ctx, name, key) for name in names)))


async def read(ctx: Context, server: str, name: str) -> Standing:
    """What a server says about a name.

    Raises:
        Refused: it does not speak for the zone. Others: as `spi.names.Names` says.
    """
    ask = ctx.world.names.query
    types = (*((name, type_) for type_ in FAMILIES), (owner_name(name), "TXT"))
    answers = await asyncio.gather(*(ask(server, each, type_) for each, type_ in types))
    sets = [answer.get(name, type_) for type_, answer in zip(FAMILIES, answers, strict=False)]
    found = [each for each in sets if each.values]
    first, marks = answers[0], answers[-1]
    return Standing(
        name,
        {each.type: each.values for each in found},
        ttl=max((each.ttl for each in found), default=0),
        alias=next(iter(first.get(name, "CNAME").values), ""),
        marks=marks.get(owner_name(name), "TXT").values,
        delegated=_delegated(ctx, server, name, first),
        negative=_negative(first),
    )


async def _read_true(ctx: Context, name: str, key: TsigKey) -> Standing:
    """Without what a wildcard of the zone gives: such an answer stands at no name."""
    server, zone = ctx.options.server, ctx.options.zone
    standing = await read(ctx, server, name)
    if standing.marks or not (standing.values or standing.alias):
        return standing
    sets = [NameSet(name, type_, values) for type_, values in standing.addresses.items()]
    if standing.alias:
        sets.append(NameSet(name, "CNAME", (standing.alias,)))
    try:
        await ctx.world.names.update(server, NameChange(zone, tuple(sets)), key)
    except Conflict:
        # Those who had asked before got the wildcard's answer, and keep it as long.
        return Standing(name, {}, negative=max(standing.ttl, standing.negative))
    return standing


def _delegated(ctx: Context, server: str, name: str, answer: NameAnswer) -> bool:
    if answer.authoritative:
        return False
    if any(each.type == "NS" and each.name != ctx.options.zone for each in answer.authority):
        return True
    raise Refused(
        f"name server {server} does not speak for zone {ctx.options.zone}",
        where=name,
        why="its answer is not authoritative: a resolver, or a server of another zone",
        state="nothing was changed",
        hints=["let `server` name an authoritative server of the zone", "castle plan --offline"],
    )


def _negative(answer: NameAnswer) -> int:
    """How long a resolver may keep "nothing": the lesser of the SOA's TTL and its last number (RFC 2308)."""
    for each in answer.authority:
        if each.type == "SOA" and each.values:
            return min(each.ttl, int(each.values[0].split()[-1]))
    return 0


async def patiently(ctx: Context, seconds: float, what: str, work: Callable[[], Awaitable[T]]) -> T:
    """Does it again while nobody answers, for at most so many seconds.

    Args:
        ctx: for clock and progress.
        seconds: how long.
        what: what the person reads meanwhile.
        work: may be repeated.

    Raises:
        Transient: the last one, when the time is up. Others at once.
    """
    clock, pause = ctx.world.clock, FIRST_PAUSE
    until = clock.monotonic() + seconds
    while True:
        try:
            return await work()
        except Transient as error:
            if clock.monotonic() + pause >= until:
                raise
            ctx.progress(f"{what}: {error.message} ({error.why}); asked again")
            await clock.sleep(pause)
            pause = min(LONGEST_PAUSE, pause * 1.5)
