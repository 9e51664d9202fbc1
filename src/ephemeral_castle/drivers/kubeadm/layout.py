"""Which machine is which node, and what each is given of the cluster's networks: pure."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass

from ephemeral_castle.drivers.kubeadm.options import HERE, NODE_PREFIX, KubeadmOptions
from ephemeral_castle.model.castle import Site
from ephemeral_castle.spi.names import split_server

PORT = 6443


@dataclass(frozen=True)
class Node:
    """One node. `pods`: its range; `control`: it carries the control plane; `first`: on it the cluster is born."""

    name: str
    pods: str
    control: bool
    first: bool = False


def nodes(options: KubeadmOptions) -> tuple[Node, ...]:
    """Every node, in the order of the definition. A machine keeps its range as long as those before it stay."""
    ranges = ipaddress.IPv4Network(options.pods).subnets(new_prefix=NODE_PREFIX)
    names = [*options.control, *options.workers]
    return tuple(
        Node(name, str(pods), name in options.control, first=index == 0)
        for index, (name, pods) in enumerate(zip(names, ranges, strict=False))
    )


def endpoint(options: KubeadmOptions, gateway: str) -> tuple[str, int]:
    """Host and port by which all nodes reach the API server."""
    return (gateway, PORT) if options.endpoint == HERE else split_server(options.endpoint)


def mirror_url(options: KubeadmOptions, site: Site, gateway: str) -> str:
    """Where images are pulled from; "" where their names say.

    Raises:
        KeyError: the site has no such `reach`.
    """
    if not options.mirror or "://" in options.mirror:
        return options.mirror
    return f"http://{gateway}:{site.reach[options.mirror].at}"


def routes(node: Node, addresses: Mapping[str, str], options: KubeadmOptions) -> dict[str, str]:
    """Range of pods and the address it is reached by, of every other node.

    Args:
        node: the one that is to have these routes.
        addresses: of machines by name.
        options: of the layer.
    """
    return {other.pods: addresses[other.name] for other in nodes(options) if other.name != node.name}
