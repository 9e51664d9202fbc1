"""Services that want one port of one address, and others who want the address for themselves."""

from __future__ import annotations

from collections.abc import Iterator

from ephemeral_castle.manifests.repository import Object, Repository
from ephemeral_castle.manifests.rules.addresses import wanted
from ephemeral_castle.manifests.rules.fields import ERROR, Path, each, fault, notes
from ephemeral_castle.manifests.rules.rule import Rule, Setting
from ephemeral_castle.model.finding import Finding

ID = "address-clash"
SHARED = ("metallb.io/allow-shared-ip", "metallb.universe.tf/allow-shared-ip")


def find(repository: Repository, setting: Setting) -> Iterator[Finding]:
    """Looks at every Service that asks for an address."""
    taken: dict[tuple[str, str, str], Object] = {}
    holders: dict[str, Object] = {}
    for service in repository.of("Service", ""):
        for path, address in wanted(service):
            holder = holders.setdefault(address, service)
            if holder.subject != service.subject and (not _key(holder) or _key(holder) != _key(service)):
                message = f"{address} is asked for by {holder.subject} too ({holder.mark}), and they do not share it"
                hints = (f"give both the annotation `{SHARED[0]}` with one value, or each its own address",)
                yield fault(ID, ERROR, service, path, message, hints=hints, says="can't change sharing key for service")
                continue
            yield from _ports(service, address, taken)


def _ports(service: Object, address: str, taken: dict[tuple[str, str, str], Object]) -> Iterator[Finding]:
    for path, port in each(service.manifest, "spec", "ports"):
        key = (address, str(port.get("protocol", "TCP")), str(port.get("port")))
        first = taken.setdefault(key, service)
        if first.subject != service.subject:
            at: Path = (*path, "port")
            message = f"port {key[2]}/{key[1]} of {address} belongs to {first.subject} already ({first.mark})"
            says = f'port {key[1]}/{key[2]} is already in use by service "{first.namespace}/{first.name}"'
            yield fault(ID, ERROR, service, at, message, hints=("use another port or another address",), says=says)


def _key(service: Object) -> str:
    return next((str(notes(service)[name]) for name in SHARED if name in notes(service)), "")


RULE = Rule(
    ID,
    "two Services want one port of one address",
    "A load balancer gives an address to one Service, or to several that share it by one key and differ in their "
    "ports. The later one stays `pending`, with the reason in an event only.",
    "MetalLB's documentation of sharing addresses",
    find,
    ("F161",),
)
