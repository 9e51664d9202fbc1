"""The address of Talos' control plane on a machine that is none."""

from __future__ import annotations

from collections.abc import Iterator

from ephemeral_castle.manifests.repository import Repository
from ephemeral_castle.manifests.rules import talos
from ephemeral_castle.manifests.rules.addresses import pools, span
from ephemeral_castle.manifests.rules.fields import ERROR, Path, dig, each, fault, mappings, text
from ephemeral_castle.manifests.rules.rule import Rule, Setting
from ephemeral_castle.model.finding import Finding

ID = "talos-vip"


def find(repository: Repository, setting: Setting) -> Iterator[Finding]:
    """Looks at every machine configuration, and at pools that hold the address."""
    given = list(pools(repository))
    for machine in talos.machines(repository):
        base: Path = ("machine", "network", "interfaces")
        for path, _ in each(machine.manifest, *base):
            for inner, found in mappings(dig(machine.manifest, *path), path):
                address = text(dig(found, "vip", "ip"))
                if not address:
                    continue
                if talos.role(machine) == "worker":
                    message = f"the shared address {address} is for control planes; this is a worker"
                    hints = ("take `vip` out; addresses of Services come from a load balancer such as MetalLB",)
                    says = "virtual (shared) IP is not allowed on non-controlplane nodes"
                    yield fault(ID, ERROR, machine, (*inner, "vip"), message, hints=hints, says=says, key=True)
                mine = span(address)
                for pool, _, (version, low, high) in given:
                    if mine and mine[0] == version and low <= mine[1] <= high:
                        message = f"the shared address {address} lies in the pool {pool.name} ({pool.mark}), too"
                        hints = ("take it out of the pool: a Service would take the API server's address",)
                        yield fault(ID, ERROR, machine, (*inner, "vip", "ip"), message, hints=hints)


RULE = Rule(
    ID,
    "Talos' shared address stands on a worker, or in a pool of Services",
    "The shared address (VIP) of Talos is that of the API server. A worker with one is refused at boot. And a pool "
    "of a load balancer that holds it gives it to a Service one day: then nobody reaches the cluster.",
    "Talos' documentation of virtual shared IPs",
    find,
    ("F90",),
)
