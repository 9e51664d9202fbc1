"""Objects of the system's own in Git, which their owner writes back."""

from __future__ import annotations

from collections.abc import Iterator

from ephemeral_castle.manifests.repository import Repository
from ephemeral_castle.manifests.rules.fields import NOTE, fault
from ephemeral_castle.manifests.rules.rule import Rule, Setting
from ephemeral_castle.model.finding import Finding

ID = "system-object"
OWNED = {
    ("ConfigMap", "coredns"): "Talos and k3s write it back; kubeadm does so when it upgrades",
    ("ConfigMap", "kube-proxy"): "kubeadm and Talos write it back",
    ("ConfigMap", "kubeadm-config"): "kubeadm writes it",
    ("ConfigMap", "kubelet-config"): "kubeadm writes it",
    ("Deployment", "coredns"): "Talos and k3s write it back; kubeadm does so when it upgrades",
    ("DaemonSet", "kube-proxy"): "kubeadm and Talos write it back",
    ("DaemonSet", "kube-flannel"): "Talos writes it back",
}


def find(repository: Repository, setting: Setting) -> Iterator[Finding]:
    """Looks at what a repository puts into kube-system under names of the system."""
    for one in repository.objects:
        why = OWNED.get((one.kind, one.name))
        if why and one.namespace == "kube-system":
            message = f"it belongs to the system: {why}"
            hints = (
                "change it where its owner takes it from, or switch the owner's off and bring your own under your name",
            )
            yield fault(ID, NOTE, one, ("metadata", "name"), message, hints=hints)


RULE = Rule(
    ID,
    "a repository writes an object that the system owns",
    "Talos' controller lays its own template over CoreDNS' configuration, k3s its own manifest; a change by GitOps "
    "is gone minutes later, silently, and names stop to resolve. Either the owner is told (a patch of the machine "
    "configuration, k3s' `coredns-custom`), or its copy is switched off and another one installed.",
    "a rebirth whose names were gone after each birth",
    find,
    ("F94",),
)
