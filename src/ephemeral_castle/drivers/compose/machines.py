"""The machines of the site, as the definition has them. Pure."""

from __future__ import annotations

from ephemeral_castle.model.castle import Role
from ephemeral_castle.spi.driver import Request


def machines_of(request: Request) -> list[str]:
    """Names of the machines of the site."""
    grounds = [layer for layer in request.site.layers if layer.role is Role.GROUND]
    return [name for layer in grounds for name in (layer.options.get("machines") or {})]
