"""How a cluster reaches the treasury: one on castle's own machines by their gateway, any other one by its address."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from urllib.parse import urlsplit

from ephemeral_castle.errors import Refused
from ephemeral_castle.model.castle import Layer, Role
from ephemeral_castle.spi.driver import Request
from ephemeral_castle.spi.names import split_server
from ephemeral_castle.spi.world import TreasuryAccess

TREASURY = "treasury"  # option of a layer of foundations: where its pods find the treasury, see `way`
PORT = 443


@dataclass(frozen=True)
class Way:
    """Where pods find the treasury.

    `address`: what `host` means there; "" where their own names say it, and on castle's own machines, where it is their
    gateway.
    """

    host: str
    port: int
    address: str


def raised_here(request: Request) -> bool:
    """Whether the cluster stands on machines of the same site: it ends with them."""
    layers = {each.id: each for each in request.site.layers}
    waiting = [each.id for each in request.site.layers if each.role is Role.FOUNDATIONS]
    seen: set[str] = set()
    while waiting:
        layer = layers.get(waiting.pop())
        if layer is None or layer.id in seen:
            continue
        if layer.role is Role.GROUND:
            return True
        seen.add(layer.id)
        waiting += layer.needs
    return False


def way(request: Request, access: TreasuryAccess) -> Way:
    """For the pods of the site's cluster; `check` has seen that there is one.

    What the foundations tell is ADDRESS:PORT, or NAME:PORT of a name that their own DNS knows.
    """
    if raised_here(request):
        return Way(access.host, access.port, "")
    told = _told(request)
    if told:
        address, port = split_server(told)
        return Way(access.host, port, address) if _is_address(address) else Way(address, port, "")
    parts = urlsplit(request.castle.treasury.endpoint)
    host = parts.hostname or ""
    return Way(access.host, parts.port or PORT, host if _is_address(host) else "")


def check(layer: Layer, request: Request) -> None:
    """Refuses a plan whose pods could not reach the treasury: nothing would be archived.

    Raises:
        Refused: the cluster is somebody else's, and the treasury is on this computer alone.
    """
    if raised_here(request) or _told(request):
        return
    host = urlsplit(request.castle.treasury.endpoint).hostname or ""
    if host and host != "localhost" and not (_is_address(host) and ipaddress.ip_address(host).is_loopback):
        return
    kept = "castle keeps it on this computer (`server: here`)" if not host else f"its endpoint is {host}"
    raise Refused(
        f"layer `{layer.id}` could not reach the treasury from its cluster",
        where=layer.position,
        why=f"{kept}, and castle does not raise that cluster",
        state="nothing was changed",
        hints=[
            "give the treasury an `endpoint` that the cluster reaches, too",
            f"or say where its pods find it: `{TREASURY}: ADDRESS:PORT` in the layer of role `foundations`",
        ],
    )


def _told(request: Request) -> str:
    found = (layer.options.get(TREASURY) for layer in request.site.layers if layer.role is Role.FOUNDATIONS)
    return next((str(each) for each in found if each), "")


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
