"""Steps that have a certificate issued, hand it to the services, or renew it."""

from __future__ import annotations

from ephemeral_castle.drivers.certificates import carried as vault
from ephemeral_castle.drivers.certificates import own
from ephemeral_castle.drivers.certificates.carried import Coming
from ephemeral_castle.drivers.certificates.part import Seen, facts_of, in_words, see
from ephemeral_castle.errors import CastleError, Refused
from ephemeral_castle.model.castle import Verb
from ephemeral_castle.model.step import Observation, State
from ephemeral_castle.spi.driver import Context

REACHED, NOT_REACHED = State.REACHED, State.NOT_REACHED


async def issue(ctx: Context, why: str) -> Coming:
    """A new certificate, complete in the vault; services are not given it yet."""
    ctx.decided("issue", why, names=list(ctx.options.names))
    if ctx.options.acme is None:
        return await own.issue(ctx)
    from ephemeral_castle.drivers.certificates.orders import issue as by_acme

    return await by_acme(ctx)


class Ready:
    """Services are given a certificate that will do."""

    def __init__(self, ctx: Context) -> None:
        self.ctx = ctx

    def _due(self, seen: Seen) -> bool:
        """The castle's own CA answers at once: there is no reason to wait until all is served."""
        return seen.mine.due and self.ctx.options.acme is None

    async def observe(self) -> Observation:
        """What services would be given now."""
        seen = await see(self.ctx)
        if seen.waiting is not None:
            return Observation(NOT_REACHED, "a newer one is in the vault")
        if not seen.mine.good:
            return Observation(NOT_REACHED, seen.mine.why)
        if self._due(seen):
            return Observation(NOT_REACHED, f"it is due: {in_words(seen.mine)}")
        return Observation(REACHED, in_words(seen.mine), facts_of(self.ctx, seen))

    async def act(self) -> None:
        """Takes over the one that waits, or has one issued."""
        seen = await see(self.ctx)
        coming = seen.carried.coming if seen.waiting is not None else None
        if coming is None:
            coming = await issue(self.ctx, seen.mine.why or f"it is due: {in_words(seen.mine)}")
        await vault.take_over(self.ctx, coming)


async def settled(ctx: Context) -> str:
    """Why a raise would have another certificate issued or handed over; "" when it would not."""
    seen = await see(ctx)
    if seen.waiting is not None:
        return "a newer certificate is in the vault"
    if not seen.mine.good:
        return seen.mine.why
    return f"the certificate is due: {in_words(seen.mine)}" if seen.mine.due else ""


class Obtain:
    """A certificate that will do is in the vault before anything is destroyed, so that no life begins without one."""

    def __init__(self, ctx: Context) -> None:
        self.ctx = ctx

    async def observe(self) -> Observation:
        """Whether there is one. One that is only due is renewed here where a raise will hand it to the services."""
        seen = await see(self.ctx)
        if seen.waiting is not None:
            return Observation(REACHED, f"a new one: {in_words(seen.waiting)}")
        if not seen.mine.good:
            return Observation(NOT_REACHED, seen.mine.why)
        if seen.mine.due and self.ctx.request.verb is Verb.RAISE:
            return Observation(NOT_REACHED, f"it is due: {in_words(seen.mine)}")
        return Observation(REACHED, in_words(seen.mine))

    async def act(self) -> Observation | None:
        """Has one issued.

        Raises:
            Refused: the CA gives none, and what is carried will not do.
        """
        seen = await see(self.ctx)
        try:
            await issue(self.ctx, seen.mine.why or "it is due")
        except CastleError as error:
            if seen.mine.good:
                self.ctx.diagnostic("warning", f"the certificate was not renewed: {_told(error)}")
                return Observation(REACHED, in_words(seen.mine))
            raise refused(error, seen) from None
        return None


class Renew:
    """A certificate that is due is renewed while the castle serves, never while people wait for it."""

    def __init__(self, ctx: Context) -> None:
        self.ctx = ctx

    async def observe(self) -> Observation:
        """Whether it is due."""
        seen = await see(self.ctx)
        if seen.waiting is not None:
            return Observation(REACHED, f"renewed: {in_words(seen.waiting)}", {"renewed": True})
        if seen.mine.good and not seen.mine.due:
            return Observation(REACHED, in_words(seen.mine), {"renewed": False})
        return Observation(NOT_REACHED, seen.mine.why or f"it is due: {in_words(seen.mine)}")

    async def act(self) -> Observation | None:
        """Renews it. A failure is told, and fails no run: the castle serves, and a third of the time is left."""
        seen = await see(self.ctx)
        try:
            await issue(self.ctx, seen.mine.why or "it is due")
        except CastleError as error:
            left = f"the castle serves with the present one ({in_words(seen.mine)}); `castle raise` tries again"
            self.ctx.diagnostic("warning", f"the certificate was not renewed: {_told(error)}; {left}")
            return Observation(REACHED, "not renewed", {"renewed": False, "failed": error.message})
        self.ctx.diagnostic("info", "the certificate was renewed; services are given it by the next `castle raise`")
        return None


async def drilled(ctx: Context) -> Observation:
    """What a drill brings up: the certificate as it is carried.

    Raises:
        Refused: there is none that services could be given.
    """
    seen = await see(ctx)
    if not (seen.carried.chain and seen.carried.key):
        raise Refused(
            "the vault has no certificate",
            where=vault.name_of(ctx, "chain"),
            why="it is issued by a raise or a rebirth, and never by a drill",
            state="the living castle was not touched",
            hints=["castle raise", "castle drill"],
        )
    if not seen.mine.good:
        ctx.diagnostic("warning", f"a rebirth would first have to have a certificate issued: {seen.mine.why}")
    return Observation(REACHED, seen.mine.why or in_words(seen.mine), facts_of(ctx, seen))


def _told(error: CastleError) -> str:
    return f"{error.message} ({error.why})" if error.why else error.message


def refused(error: CastleError, seen: Seen) -> Refused:
    """Why no life may begin: there would be no certificate."""
    return Refused(
        f"a certificate must be issued, and cannot be: {error.message}",
        where=error.where,
        why=". ".join(filter(None, [error.why, f"The one that is carried will not do: {seen.mine.why}"])),
        state="nothing was destroyed",
        hints=[
            *(hint for hint in error.hints if not hint.startswith("castle ")),
            "with `issuer: own` a certificate of the castle's own CA takes its place meanwhile",
            "castle resume",
        ],
    )
