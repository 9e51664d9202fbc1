"""Addresses that no pool has, pools that overlap, and pools that nobody announces."""

from __future__ import annotations

from collections.abc import Iterator

from ephemeral_castle.manifests.repository import Object, Repository
from ephemeral_castle.manifests.rules.addresses import Range, pools, span, wanted
from ephemeral_castle.manifests.rules.fields import ERROR, WARNING, Path, dig, fault, labels, listed, spec
from ephemeral_castle.manifests.rules.resolving import whole
from ephemeral_castle.manifests.rules.rule import Rule, Setting
from ephemeral_castle.model.finding import Finding

ID = "metallb-address"


def find(repository: Repository, setting: Setting) -> Iterator[Finding]:
    """Looks at pools, announcements and what Services ask for, where there is a pool at all."""
    ranges = list(pools(repository))
    yield from _overlaps(ranges)
    if not whole(repository):
        return
    for pool in {one.mark: one for one, _, _ in ranges}.values():
        if not any(_announces(one, pool) for kind in KINDS for one in repository.of(kind, "metallb.io")):
            message = "no L2Advertisement or BGPAdvertisement names this pool: its addresses answer to nobody"
            hints = (f"write an L2Advertisement with `ipAddressPools: [{pool.name}]`",)
            yield fault(ID, ERROR, pool, ("metadata", "name"), message, hints=hints)
    for service in repository.of("Service", ""):
        for path, address in wanted(service):
            found = span(address)
            inside = found and any(v == found[0] and low <= found[1] <= high for _, _, (v, low, high) in ranges)
            if ranges and found and not inside and not spec(service).get("loadBalancerClass"):
                message = f"no pool has {address}"
                hints = ("ask for an address of a pool, or widen one",)
                says = f'["{address}"] is not allowed in config'
                yield fault(ID, ERROR, service, path, message, hints=hints, says=says)


KINDS = ("L2Advertisement", "BGPAdvertisement")


def _overlaps(ranges: list[tuple[Object, Path, Range]]) -> Iterator[Finding]:
    for index, (pool, path, (version, low, high)) in enumerate(ranges):
        for other, _, (kind, first, last) in ranges[:index]:
            if version == kind and low <= last and first <= high and pool.name != other.name:
                message = f"it overlaps with the pool {other.name} ({other.mark})"
                hints = ("give each address to one pool",)
                yield fault(
                    ID, WARNING, pool, path, message, hints=hints, says="CIDR overlaps with already defined CIDR"
                )


def _announces(one: Object, pool: Object) -> bool:
    named, chosen = listed(spec(one).get("ipAddressPools")), listed(spec(one).get("ipAddressPoolSelectors"))
    if not named and not chosen:
        return True
    wanted_labels = [dig(each, "matchLabels") or {} for each in chosen]
    return pool.name in named or any(
        all(labels(pool).get(key) == value for key, value in each.items()) for each in wanted_labels
    )


RULE = Rule(
    ID,
    "an address of MetalLB is in no pool, in two, or announced by nobody",
    "A Service that asks for an address outside of every pool stays `pending`. A pool without an advertisement "
    "gives addresses away that nobody answers for: the Service has one, and it is mute. MetalLB's webhook refuses "
    "pools that overlap.",
    "MetalLB's documentation of pools and advertisements",
    find,
    ("F160", "F162"),
)
