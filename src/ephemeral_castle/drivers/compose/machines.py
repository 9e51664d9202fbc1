"""The machines of the site and what is kept of them, as the definition has it. Pure."""

from __future__ import annotations

from ephemeral_castle.model.castle import Role
from ephemeral_castle.spi.driver import Request


def machines_of(request: Request) -> list[str]:
    """Names of the machines of the site."""
    grounds = [layer for layer in request.site.layers if layer.role is Role.GROUND]
    return [name for layer in grounds for name in (layer.options.get("machines") or {})]


def kept_on(request: Request, machine: str) -> tuple[str, ...]:
    """Podman volumes of a machine that a treasure of the site keeps."""
    treasures = [layer.options for layer in request.site.layers if layer.role is Role.TREASURES]
    return tuple(str(each["volume"]) for each in treasures if each.get("volume") and each.get("machine") == machine)
