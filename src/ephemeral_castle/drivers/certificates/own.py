"""Issuing by the castle's own authority: no network, no waiting."""

from __future__ import annotations

from ephemeral_castle.drivers.certificates import authority, papers
from ephemeral_castle.drivers.certificates.carried import OWN, Coming, keep, keep_coming, name_of, text
from ephemeral_castle.errors import Damaged
from ephemeral_castle.spi.driver import Context


async def issue(ctx: Context) -> Coming:
    """A new certificate, complete in the vault; services are not given it yet."""
    ca, ca_key = await _authority(ctx)
    names, key = tuple(ctx.options.names), papers.new_key()
    chain = authority.make_leaf(ca, ca_key, key, names, ctx.world.clock.now())
    return await keep_coming(ctx, Coming(key, OWN, names, ctx.run, chain=chain))


async def _authority(ctx: Context) -> tuple[str, str]:
    """Certificate and key of the authority. The key is kept before its first use, and stays the same for ever.

    Raises:
        Damaged: what the vault has cannot be read. Another authority is not made by itself: people trust this one.
    """
    key, ca, now = await text(ctx, "ca-key"), await text(ctx, "ca"), ctx.world.clock.now()
    domains = authority.domains_of(ctx.options.names, ctx.options.domains)
    if not key:
        key = papers.new_key()
        await keep(ctx, "ca-key", key)
        ca = ""
    try:
        why = authority.why_not(ca, key, domains, now) if ca else "there is none yet"
        if not why:
            return ca, key
        made = authority.make_authority(f"Ephemeral Castle {ctx.request.castle.name}", key, domains, now)
    except ValueError as error:
        raise _damaged(ctx, error) from None
    if ca:
        told = "the castle's own CA is made anew with the same key; give it to those who trust the old one"
        ctx.diagnostic("warning", f"{told} ({why}): castle secret get {name_of(ctx, 'ca')}")
    ctx.decided("authority", f"it may sign {', '.join(domains)}", why=why)
    await keep(ctx, "ca", made)
    return made, key


def _damaged(ctx: Context, error: ValueError) -> Damaged:
    return Damaged(
        "the castle's own CA in the vault cannot be used",
        where=f"{name_of(ctx, 'ca')}, {name_of(ctx, 'ca-key')}",
        why=str(error),
        state="no certificate was issued; the one that the services have stays",
        hints=["castle secret list", "castle resume"],
    )
