"""The order in which `kubectl kustomize` prints: by kind, then by name. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ephemeral_castle.manifests.kustomize.faults import Broken
from ephemeral_castle.manifests.kustomize.resource import Resource
from ephemeral_castle.manifests.tree import Map

FIRST = (
    "Namespace", "ResourceQuota", "StorageClass", "CustomResourceDefinition", "ServiceAccount", "PodSecurityPolicy",
    "Role", "ClusterRole", "RoleBinding", "ClusterRoleBinding", "ConfigMap", "Secret", "Endpoints", "Service",
    "LimitRange", "PriorityClass", "PersistentVolume", "PersistentVolumeClaim", "Deployment", "StatefulSet", "CronJob",
    "PodDisruptionBudget",
)  # fmt: skip
LAST = ("MutatingWebhookConfiguration", "ValidatingWebhookConfiguration")


def ordered(resources: Sequence[Resource], options: Map) -> list[Resource]:
    """The resources in the order that `sortOptions` asks for; without them in kubectl's own.

    Raises:
        Broken: no such order.
    """
    order = options.get("order") or ("legacy" if not options else "fifo")
    if order not in ("legacy", "fifo"):
        says = "the field 'sortOptions.order' must be one of [fifo, legacy]"
        raise Broken(f"`{order}` is no order", options.at["order"], says)
    if order == "fifo":
        return list(resources)
    wishes = options.get("legacySortOptions")
    first, last = (FIRST, LAST) if wishes is None else (wishes.get("orderFirst") or (), wishes.get("orderLast") or ())
    rank = {kind: number - len(first) for number, kind in enumerate(first)}
    rank |= {kind: number + 1 for number, kind in enumerate(last)}
    return sorted(resources, key=lambda each: _key(each, rank))


def _key(resource: Resource, rank: dict[str, int]) -> Any:
    found = resource.id
    group, version, kind = found.group or "~G", found.version or "~V", found.kind or "~K"
    return rank.get(found.kind, 0), f"{group}_{version}_{kind}", found.namespace or "~X", found.name or "~N"
