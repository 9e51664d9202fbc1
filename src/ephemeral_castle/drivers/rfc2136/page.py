"""The maintenance page: one of castle's own, or one that answers elsewhere."""

from __future__ import annotations

import ipaddress

from ephemeral_castle.drivers.rfc2136 import zone
from ephemeral_castle.drivers.rfc2136.options import HERE
from ephemeral_castle.errors import CastleError, Transient
from ephemeral_castle.spi.driver import Context

WAIT = 4  # seconds
RETRY = 30  # seconds after which a client should ask again, when the castle has no budget for its RTO


def sets(ctx: Context) -> dict[str, tuple[str, ...]]:
    """Its address by type of record; empty without a page."""
    wanted = ctx.options.maintenance
    address = ctx.world.pages.address if wanted == HERE else wanted
    return {zone.family(address): (str(ipaddress.ip_address(address)),)} if address else {}


async def show(ctx: Context) -> str:
    """Brings it up where it is castle's own, and sees whether it answers; gives why not, or ""."""
    if ctx.options.maintenance != HERE:
        return await silence(ctx)
    if ctx.world.pages.shown:
        return ""
    layer = ctx.options.certificate
    chain, key = None, None
    if layer is not None:
        chain = await ctx.secrets.get(f"certificate/{layer}/chain")
        key = await ctx.secrets.get(f"certificate/{layer}/key")
        if chain is None or key is None:
            ctx.diagnostic("warning", f"layer `{layer}` has no certificate yet: the maintenance page is http alone")
    retry = round(ctx.request.castle.budget.rto or RETRY)
    try:
        await ctx.world.pages.show(ctx.request.castle.name, retry, chain.reveal() if chain else "", key)
    except CastleError as error:
        return f"{error.message}: {error.why}"
    return ""


async def end(ctx: Context, at: float) -> None:
    """Castle's own ends when no resolver leads there any more."""
    if ctx.options.maintenance == HERE:
        await ctx.world.pages.end(at)


async def silence(ctx: Context) -> str:
    """Why the page does not answer at its address and port, or "". Any HTTP status will do: 503 is what it is for."""
    address, port = ctx.options.maintenance, ctx.options.maintenance_port
    host = f"[{address}]" if ":" in address else address
    scheme = "http" if port in (80, 8080) else "https"
    # Its certificate is for a name that does not lead there yet: whether somebody answers is all that is asked.
    argv = ["curl", "--silent", "--show-error", "--insecure", "--noproxy", "*", "--output", "/dev/null"]
    argv += ["--max-time", str(WAIT), f"{scheme}://{host}:{port}/"]
    if ipaddress.ip_address(address) in ipaddress.ip_network(ctx.request.site.subnet):
        argv = ctx.world.enclosure.enter(argv)
    try:
        result = await ctx.world.exec.run(argv, timeout=WAIT + 5)
    except Transient as error:
        return error.why or error.message
    return "" if result.ok else result.last_words(1)
