"""Addresses that Services ask for, and pools that give them. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_address, ip_network

from ephemeral_castle.manifests.repository import Object, Repository
from ephemeral_castle.manifests.rules.fields import Path, dig, listed, notes, spec, text

ASKED = ("metallb.io/loadBalancerIPs", "metallb.universe.tf/loadBalancerIPs")
Range = tuple[int, int, int]  # version of IP, first and last address


def wanted(service: Object) -> Iterator[tuple[Path, str]]:
    """The addresses that a Service asks for, each with its field."""
    if spec(service).get("type") != "LoadBalancer":
        return
    single = text(spec(service).get("loadBalancerIP"))
    if single:
        yield ("spec", "loadBalancerIP"), single
    for name in ASKED:
        for address in filter(None, (part.strip() for part in text(notes(service).get(name)).split(","))):
            yield ("metadata", "annotations", name), address


def pools(repository: Repository) -> Iterator[tuple[Object, Path, Range]]:
    """Every range of every pool of MetalLB, with its field."""
    for pool in repository.of("IPAddressPool", "metallb.io"):
        for index, said in enumerate(listed(dig(pool.manifest, "spec", "addresses"))):
            found = span(text(said))
            if found:
                yield pool, ("spec", "addresses", index), found


def span(said: str) -> Range | None:
    """A range, "10.0.0.1-10.0.0.9", a network, or one address; None where it is none of them."""
    first, dash, last = said.partition("-")
    try:
        if dash:
            begin, end = ip_address(first.strip()), ip_address(last.strip())
            return begin.version, int(begin), int(end)
        network = ip_network(said.strip(), strict=False)
        return network.version, int(network[0]), int(network[-1])
    except ValueError:
        return None
