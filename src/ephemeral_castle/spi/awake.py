"""What the driver of a cluster tells others about the standing one. Pure."""

from __future__ import annotations

from ephemeral_castle.model.castle import Role
from ephemeral_castle.spi.driver import Context

WAKE = "wake"  # the step, of a driver that raises clusters
ANSWERS = "answers"  # its fact


def known_dead(ctx: Context) -> bool:
    """Whether this run has looked for the standing cluster where its machines are listed, and found it dead."""
    layers = [each.id for each in ctx.request.site.layers if each.role is Role.FOUNDATIONS]
    return any(ctx.facts(f"{each}.{WAKE}").get(ANSWERS) is False for each in layers)
