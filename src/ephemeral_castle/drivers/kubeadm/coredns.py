"""The cluster's own DNS, from kubeadm's manifests: pure.

Sources: kubeadm's addons/dns, the manual pages of CoreDNS' plugins.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping, Sequence
from typing import Any

import yaml

from ephemeral_castle.drivers.kubeadm.configs import DOMAIN
from ephemeral_castle.spi.kubernetes import Manifest

NAMESPACE, NAME = "kube-system", "coredns"
REPLICAS = 2
TOLERATED = 10  # seconds on a node that is gone, before a pod begins elsewhere


def corefile(forward: Sequence[str], hosts: Mapping[str, str]) -> str:
    """What it answers: names of the cluster, these hosts, and what it may ask others for.

    Args:
        forward: name servers for everything else; without them, everything else has no answer, at once.
        hosts: addresses by name.
    """
    lines = "".join(f"        {address} {name}\n" for name, address in hosts.items())
    ask = f"    forward . {' '.join(forward)}\n" if forward else ""
    return f"""\
.:53 {{
    errors
    health {{
        lameduck 5s
    }}
    ready
    kubernetes {DOMAIN} in-addr.arpa ip6.arpa {{
        pods insecure
        fallthrough in-addr.arpa ip6.arpa
        ttl 30
    }}
    hosts {{
{lines}\
        fallthrough
    }}
    prometheus :9153
{ask}\
    cache 30
    loop
    reload
    loadbalance
}}
"""


def documents(printed: str) -> list[Manifest]:
    """The manifests in what kubeadm prints: each begins with `---`, also on a line with more, behind other lines.

    Raises:
        yaml.YAMLError: one is no YAML.
    """
    found = [yaml.safe_load(text) for text in re.split(r"^---", printed, flags=re.MULTILINE)[1:]]
    return [manifest for manifest in found if manifest]


def adapted(stock: Sequence[Manifest], text: str, nodes: int) -> list[Manifest]:
    """The manifests of kubeadm with our Corefile, one pod a node, and a short patience with nodes that are gone.

    Args:
        stock: of `kubeadm init phase addon coredns --print-manifest`.
        text: the Corefile.
        nodes: how many there are.
    """
    found = copy.deepcopy(list(stock))
    for manifest in found:
        if manifest["kind"] == "ConfigMap":
            manifest["data"] = {"Corefile": text}
        if manifest["kind"] == "Deployment":
            manifest["spec"]["replicas"] = min(REPLICAS, nodes)
            pod = manifest["spec"]["template"]["spec"]
            _spread(pod)
            pod["containers"][0]["readinessProbe"]["periodSeconds"] = 1  # ten by default, and the first comes too soon
        manifest.pop("status", None)
        manifest["metadata"].pop("creationTimestamp", None)
    return sorted(found, key=lambda manifest: manifest["kind"] == "Deployment")


def _spread(pod: dict[str, Any]) -> None:
    """The only term is a demand: two pods on one node would go with it."""
    selector = {"matchLabels": {"k8s-app": "kube-dns"}}
    term = {"labelSelector": selector, "topologyKey": "kubernetes.io/hostname"}
    pod["affinity"] = {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}
    patience = {"operator": "Exists", "effect": "NoExecute", "tolerationSeconds": TOLERATED}
    kept = [each for each in pod.get("tolerations", ()) if each.get("effect") != "NoExecute"]
    gone = ("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable")
    pod["tolerations"] = [*kept, *({"key": key, **patience} for key in gone)]
