"""What an API server does with objects, as far as tests need it: merging, ownership of fields, selectors. Pure."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from typing import Any

from ephemeral_castle.errors import Conflict
from ephemeral_castle.spi.kubernetes import Manifest

Path = tuple[str, ...]
Owner = tuple[str, str]  # manager, operation: "Apply" or "Update"
Owned = dict[Owner, set[Path]]

WHOLE = frozenset({
    "Namespace", "Node", "PersistentVolume", "StorageClass", "CustomResourceDefinition", "ClusterRole",
    "ClusterRoleBinding", "PriorityClass", "APIService", "IngressClass", "ValidatingAdmissionPolicy",
    "ValidatingAdmissionPolicyBinding", "ValidatingWebhookConfiguration", "MutatingWebhookConfiguration", "CSIDriver",
})  # fmt: skip
"""Kinds of the whole cluster; those of CRDs say it themselves."""

BUILT_IN = {
    "v1": ("Namespace", "Node", "Pod", "Service", "Secret", "ConfigMap", "ServiceAccount", "PersistentVolume",
           "PersistentVolumeClaim", "Event", "Endpoints", "ResourceQuota", "LimitRange"),
    "apps/v1": ("Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "ControllerRevision"),
    "batch/v1": ("Job", "CronJob"),
    "rbac.authorization.k8s.io/v1": ("Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding"),
    "apiextensions.k8s.io/v1": ("CustomResourceDefinition",),
    "apiregistration.k8s.io/v1": ("APIService",),
    "admissionregistration.k8s.io/v1": ("ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding",
                                        "ValidatingWebhookConfiguration", "MutatingWebhookConfiguration"),
    "networking.k8s.io/v1": ("NetworkPolicy", "Ingress", "IngressClass"),
    "policy/v1": ("PodDisruptionBudget",),
    "storage.k8s.io/v1": ("StorageClass", "CSIDriver"),
    "scheduling.k8s.io/v1": ("PriorityClass",),
    "coordination.k8s.io/v1": ("Lease",),
    "discovery.k8s.io/v1": ("EndpointSlice",),
}  # fmt: skip
"""Kinds that a server knows without any CRD, by apiVersion."""

_SERVERS = ("uid", "resourceVersion", "generation", "creationTimestamp", "deletionTimestamp", "managedFields")
_NAMES = {("apiVersion",), ("kind",), ("metadata", "name"), ("metadata", "namespace")}


def content(manifest: Manifest) -> Manifest:
    """A copy without what belongs to the server."""
    found = copy.deepcopy(manifest)
    for key in _SERVERS:
        found.get("metadata", {}).pop(key, None)
    return found


def leaves(value: Any, path: Path = ()) -> Iterator[Path]:
    """Paths of all values that are no mapping; an empty mapping counts as a value. Lists are one value."""
    if isinstance(value, Mapping) and value:
        for key, below in value.items():
            yield from leaves(below, (*path, str(key)))
    elif path not in _NAMES:
        yield path


def at(value: Any, path: Path) -> Any:
    """What stands at a path; None where nothing does."""
    for key in path:
        if not isinstance(value, Mapping) or key not in value:
            return None
        value = value[key]
    return value


def applied(live: Manifest, wanted: Manifest, owned: Owned, owner: Owner, *, force: bool) -> tuple[Manifest, Owned]:
    """Server-side apply: the object as it is then, and who owns its fields.

    What the owner applied before and wants no more goes, unless somebody else owns it, too.

    Raises:
        Conflict: somebody else owns a field with another value, and `force` is off.
    """
    result, owners = copy.deepcopy(live), {each: set(paths) for each, paths in owned.items()}
    mine = set(leaves(wanted))
    for other, paths in owners.items():
        taken = {path for path in mine & paths if other != owner and at(live, path) != at(wanted, path)}
        if taken and not force:
            name = ".".join(min(taken))
            raise Conflict(f"the field {name} belongs to somebody else", why=f"its manager is {other[0]}")
        paths.difference_update(taken)
    for path in owners.get(owner, set()) - mine:
        if not any(path in paths for other, paths in owners.items() if other != owner):
            _remove(result, path)
    for path in mine:
        _put(result, path, copy.deepcopy(at(wanted, path)))
    owners[owner] = mine
    return result, {each: paths for each, paths in owners.items() if paths}


def patched(live: Any, body: Any) -> Any:
    """RFC 7386: a JSON merge patch."""
    if not isinstance(body, Mapping):
        return copy.deepcopy(body)
    result = dict(live) if isinstance(live, Mapping) else {}
    for key, value in body.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = patched(result.get(key), value)
    return result


def taken_over(owned: Owned, body: Mapping[str, Any], owner: Owner) -> Owned:
    """Who owns the fields after a patch: what it names is the patcher's alone, what it removes is nobody's."""
    named = set(leaves(body))
    owners = {each: {path for path in paths if not _within(path, named)} for each, paths in owned.items()}
    owners[owner] = owners.get(owner, set()) | {path for path in named if at(body, path) is not None}
    return {each: paths for each, paths in owners.items() if paths}


def _within(path: Path, named: set[Path]) -> bool:
    return any(path[: len(each)] == each for each in named)


def _put(value: dict[str, Any], path: Path, new: Any) -> None:
    for key in path[:-1]:
        below = value.get(key)
        if not isinstance(below, dict):
            value[key] = below = {}
        value = below
    value[path[-1]] = new


def _remove(value: dict[str, Any], path: Path) -> None:
    """And the mappings that are empty then."""
    if len(path) > 1 and isinstance(value.get(path[0]), dict):
        _remove(value[path[0]], path[1:])
        if not value[path[0]]:
            del value[path[0]]
    elif len(path) == 1:
        value.pop(path[0], None)


def selected(manifest: Manifest, labels: str) -> bool:
    """Whether an object has labels: `a=b`, `a!=b`, `a`, `!a`, joined by commas."""
    have = manifest["metadata"].get("labels") or {}
    for each in filter(None, (part.strip() for part in labels.split(","))):
        key, unequal, value = each.partition("!=")
        if unequal:
            fits = have.get(key.strip()) != value.strip()
        elif "=" in each:
            key, _, value = each.replace("==", "=").partition("=")
            fits = have.get(key.strip()) == value.strip()
        else:
            fits = each.lstrip("!") in have if not each.startswith("!") else each[1:] not in have
        if not fits:
            return False
    return True


def kinds_of(crd: Manifest) -> Iterator[tuple[str, str, bool]]:
    """apiVersion, kind, and whether it lies in a namespace, of each version that a CRD serves."""
    spec = crd["spec"]
    for version in spec.get("versions", ()):
        if version.get("served", True):
            yield f"{spec['group']}/{version['name']}", spec["names"]["kind"], spec.get("scope") == "Namespaced"
