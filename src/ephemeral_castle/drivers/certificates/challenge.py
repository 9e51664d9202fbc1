"""Answers to a CA's questions, in the zone for as long as it looks (DNS-01, RFC 8555 section 8.4)."""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType

from ephemeral_castle.errors import CastleError, Conflict, Permanent, Refused, Transient
from ephemeral_castle.spi.driver import Context
from ephemeral_castle.spi.names import NameChange, NameSet, TsigKey

TTL = 5  # seconds; resolvers of a CA keep it for that long
WAIT = 60.0  # seconds for all name servers of the zone to have it
_PAUSE = 0.2


def place(name: str) -> str:
    """Where a CA looks for the answer for a name."""
    return f"_acme-challenge.{name}"


def joined(found: NameSet, texts: Sequence[str]) -> NameSet:
    """The set with more texts; what others have there stays."""
    return NameSet(found.name, "TXT", tuple(sorted({*found.values, *texts})), TTL)


def without(found: NameSet, texts: Sequence[str]) -> NameSet:
    """The set without these texts."""
    return NameSet(found.name, "TXT", tuple(value for value in found.values if value not in texts), TTL)


class Challenge:
    """Texts that stand in the zone inside of an `async with`.

    Args:
        ctx: of the step.
        proofs: names, each with its text. A name and its wildcard share one place.
    """

    def __init__(self, ctx: Context, proofs: Sequence[tuple[str, str]]) -> None:
        self.ctx = ctx
        self.dns = ctx.options.acme.dns
        self.texts: dict[str, list[str]] = {}
        for name, text in proofs:
            self.texts.setdefault(place(name), []).append(f'"{text}"')

    async def __aenter__(self) -> None:
        """Writes them, and waits until every name server has them."""
        try:
            await self._write()
        except CastleError:
            await self._remove()  # nobody leaves by a door that was never entered
            raise

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Removes them."""
        await self._remove()

    async def _write(self) -> None:
        key = await key_of(self.ctx) if self.texts else None
        for at, texts in self.texts.items():
            found = await self._found(at)
            await self._change(NameChange(self.dns.zone, (found,), (joined(found, texts),)), key)
        for server in self.dns.secondaries:
            await self._has_all(server)

    async def _remove(self) -> None:
        """What cannot be removed harms nobody, and is said."""
        for at, texts in self.texts.items():
            try:
                found = await self._found(at)
                put = without(found, texts)
                if put.values != found.values:
                    await self._change(NameChange(self.dns.zone, (found,), (put,)), await key_of(self.ctx))
            except CastleError as left:
                self.ctx.diagnostic(
                    "info", f"the TXT record {at} could not be removed ({left.message}); it is harmless"
                )

    async def _found(self, at: str) -> NameSet:
        answer = await self.ctx.world.names.query(self.dns.server, at, "TXT")
        if not answer.authoritative:
            raise Permanent(f"name server {self.dns.server} does not speak for zone {self.dns.zone}", where=at)
        alias, found = answer.get(at, "CNAME"), answer.get(at, "TXT")
        stands = alias if alias.values else found
        if stands.values and not await self._truly(stands):
            return NameSet(at, "TXT")
        if alias.values:
            raise Refused(
                f"{at} is an alias",
                where=self.dns.server,
                why=f"it leads to {alias.values[0]}: castle cannot answer there",
                state="nothing was changed",
                hints=["remove the CNAME from the zone", "castle resume"],
            )
        return found

    async def _truly(self, stands: NameSet) -> bool:
        """Whether it stands there itself: what a wildcard of the zone gives stands at no name."""
        try:
            await self.ctx.world.names.update(
                self.dns.server, NameChange(self.dns.zone, (stands,)), await key_of(self.ctx)
            )
        except Conflict:
            return False
        return True

    async def _change(self, change: NameChange, key: TsigKey | None) -> None:
        try:
            await self.ctx.world.names.update(self.dns.server, change, key)
        except Conflict as error:
            raise Transient("the zone changed while an answer was written", where=error.where, why=error.why) from None

    async def _has_all(self, server: str) -> None:
        clock = self.ctx.world.clock
        until = clock.monotonic() + WAIT
        while (missing := await self._missing(server)) and clock.monotonic() < until:
            self.ctx.progress(f"waiting until {server} has {missing}")
            await clock.sleep(_PAUSE)
        if missing:
            raise Permanent(
                "a name server of the zone does not have the answer for the CA", where=server, why=missing,
                hints=["look why the zone is not transferred to all servers"],
            )  # fmt: skip

    async def _missing(self, server: str) -> str:
        for at, texts in self.texts.items():
            try:
                found = (await self.ctx.world.names.query(server, at, "TXT")).get(at, "TXT").values
            except Transient as error:
                return f"{at}: {error.message}"
            if not set(texts) <= set(found):
                return at
        return ""


async def key_of(ctx: Context) -> TsigKey:
    """The key that signs changes of the zone.

    Raises:
        Refused: it is missing, or not of the form that is needed.
    """
    name = ctx.options.acme.dns.key
    text, why = await ctx.secrets.get(name), "it is the key that signs changes of the zone"
    if text is not None:
        try:
            return TsigKey.parse(text)
        except ValueError as error:
            why = str(error)
    raise Refused(
        f"the secret `{name}` is missing" if text is None else f"the secret `{name}` is no key for a name server",
        where=ctx.layer.position,
        why=why,
        state="nothing was changed",
        hints=[f'write it into the key file, under [secrets]: "{name}" = "hmac-sha256:NAME:BASE64"', "castle resume"],
    )
