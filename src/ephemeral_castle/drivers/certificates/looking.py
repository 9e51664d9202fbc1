"""Looks: before a run, and for `castle status`."""

from __future__ import annotations

from typing import Any

from ephemeral_castle.drivers.certificates import authority, papers
from ephemeral_castle.drivers.certificates import carried as vault
from ephemeral_castle.drivers.certificates.papers import Fault
from ephemeral_castle.drivers.certificates.part import Seen, in_words, issuer_of, read_file, see
from ephemeral_castle.drivers.certificates.ready import refused
from ephemeral_castle.errors import CastleError, Refused
from ephemeral_castle.model.castle import Verb
from ephemeral_castle.model.step import Observation, State
from ephemeral_castle.spi.driver import Context

# The run's lease is written anew every 20 seconds: the treasury's clock is seen by it.
LEASE, RENEWED = "lease.json", 60.0
_ALARM_SHARE = 3


async def before(ctx: Context) -> Observation:
    """The carried certificate, the clocks, and whether the CA answers where one must be issued.

    Raises:
        Refused: a life would begin without a certificate.
    """
    seen = await see(ctx)
    await _clocks(ctx)
    if seen.mine.has(Fault.EARLY) and ctx.request.verb is not Verb.DRILL:
        raise Refused(
            "the carried certificate begins in the future",
            where=vault.name_of(ctx, "chain"),
            why=seen.mine.why,
            state="nothing was changed",
            hints=["set this computer's clock", "castle resume"],
        )
    facts = {"good": seen.has_one, "due": seen.mine.due, "not_after": seen.mine.not_after, "why": seen.mine.why}
    if ctx.options.acme is not None and ctx.request.verb is not Verb.DRILL:
        await _asked(ctx, seen)
    if seen.waiting is not None:
        return Observation(State.REACHED, f"a new one is in the vault: {in_words(seen.waiting)}", facts)
    if seen.mine.good:
        due = "; it is due" if seen.mine.due else ""
        return Observation(State.REACHED, f"{in_words(seen.mine)}{due}", facts)
    what = "it will not do" if ctx.request.verb is Verb.DRILL else f"one will be issued by {_who(ctx)}"
    return Observation(State.REACHED, f"{what}: {seen.mine.why}", facts)


def _who(ctx: Context) -> str:
    return "the castle's own CA" if ctx.options.acme is None else issuer_of(ctx)


async def _clocks(ctx: Context) -> None:
    """The treasury's clock and this computer's."""
    lease, now = await ctx.world.objects.head(LEASE), ctx.world.clock.now()
    if lease is None or not lease.modified:
        return
    # It was written up to a renewal ago: only what is more than that tells of a clock.
    theirs = lease.modified if lease.modified > now else min(now, lease.modified + RENEWED)
    words = papers.skew_in_words("the treasury", theirs, now)
    if words:
        ctx.diagnostic("warning", words)


async def _asked(ctx: Context, seen: Seen) -> None:
    """Whether the CA answers; only when it will be needed is its silence a reason to stop."""
    if seen.has_one and not seen.mine.due:
        return
    server = ctx.options.acme
    try:
        found = await ctx.world.acme.directory(server.directory, read_file(ctx, server.ca) if server.ca else "")
    except CastleError as error:
        if not seen.has_one:
            raise refused(error, seen) from None
        ctx.diagnostic("warning", f"the certificate is due, and its CA does not answer: {error.message} ({error.why})")
        return
    words = papers.skew_in_words(server.directory, found.now, ctx.world.clock.now()) if found.now else ""
    if words:
        ctx.diagnostic("warning", words)


async def status(ctx: Context) -> dict[str, Any]:
    """For `castle status`: days left, issuer, and what is wrong."""
    seen = await see(ctx)
    mine, alarms = seen.mine, []
    told = {"layer": ctx.layer.id, "names": list(ctx.options.names), "left": mine.left, "issuer": mine.issuer}
    if not mine.good:
        text = f"certificate of layer `{ctx.layer.id}`: {mine.why}"
        alarms.append({"severity": "error", "text": text, "mend": "castle raise"})
    elif mine.left < _alarm_at(ctx, mine):
        text = f"certificate of layer `{ctx.layer.id}` ends in {papers.days(mine.left)} and was not renewed"
        if seen.waiting is not None:
            text = f"{text.removesuffix(' and was not renewed')}; a new one is in the vault, not yet with the services"
        alarms.append({"severity": "warning", "text": text, "mend": "castle raise"})
    if ctx.options.acme is None and seen.wanted.root:
        alarms += _authority_alarms(ctx, seen)
    return {"alarms": alarms, "certificates": [told]}


def _alarm_at(ctx: Context, mine: papers.Judgement) -> float:
    """Seconds before its end: a third of the time in which it ought to have been renewed."""
    lifetime = mine.not_after - mine.not_before
    return min(float(ctx.options.renew_before), lifetime / _ALARM_SHARE) / _ALARM_SHARE


def _authority_alarms(ctx: Context, seen: Seen) -> list[dict[str, str]]:
    try:
        ends = papers.read_chain(seen.wanted.root)[0].not_valid_after_utc.timestamp()
    except ValueError:
        text = f"the castle's own CA ({vault.name_of(ctx, 'ca')}) cannot be read"
        return [{"severity": "error", "text": text, "mend": "castle doctor"}]
    left = ends - seen.wanted.now
    if left > authority.LAST_YEAR:
        return []
    text = f"the castle's own CA ends in {papers.days(left)}; it is made anew when a certificate is next issued"
    return [{"severity": "warning", "text": text, "mend": "castle raise"}]
