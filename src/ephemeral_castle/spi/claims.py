"""What castle asks an API server to let it do: so that it can be asked for ahead, granted, and found missing in time.

A driver lists its claims (`Claiming`); the engine brings those of all layers of a site together (`Context.claims`).
What each call of `spi.kubernetes.Cluster` needs:

| call | verbs |
|---|---|
| `get` | get |
| `list` | list |
| `until`, `watch` | get, list, watch |
| `create` | create |
| `apply` | patch, and create for what is not there yet |
| `patch` | patch |
| `delete` | delete |
| `run`, `spawn` | get and create of `pods/exec` |
| `log` | get of `pods/log` |
| `until`, `explain` besides | list of events and pods, get of `pods/log` |
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from ephemeral_castle.manifests.readiness import Manifest
from ephemeral_castle.model.castle import Layer

REVIEW = "authorization.k8s.io/v1"


@dataclass(frozen=True, order=True)
class Claim:
    """One verb on one kind of object.

    Attributes:
        group: API group, "" for the core's.
        resource: plural, with a subresource as in `pods/exec`.
        verb: as in a Role.
        namespace: the only one where it is wanted; "" for the whole cluster.
    """

    group: str
    resource: str
    verb: str
    namespace: str = ""

    def __str__(self) -> str:
        kind = f"{self.resource}.{self.group}" if self.group else self.resource
        return f"{self.verb} {kind}" + (f" in namespace {self.namespace}" if self.namespace else "")


class Claiming(Protocol):
    """Optional: a driver that works inside a cluster."""

    def claims(self, layer: Layer, options: Any, request: Any, /) -> Sequence[Claim]:
        """What it must be allowed to do for a request (`spi.driver.Request`). Pure."""
        ...


def claimed(drivers: Mapping[str, Any], options: Mapping[str, Any], request: Any) -> list[Claim]:
    """What all layers of a request's site claim, each once.

    Args:
        drivers: by name.
        options: validated, by id of layer.
        request: `spi.driver.Request`.
    """
    found: set[Claim] = set()
    for layer in request.site.layers:
        driver = drivers[layer.driver]
        if hasattr(driver, "claims"):
            found |= set(driver.claims(layer, options[layer.id], request))
    return sorted(found)


def claims(group: str, resources: str, verbs: str, namespace: str = "") -> list[Claim]:
    """Claims of several verbs on several kinds, both parted by spaces."""
    return [Claim(group, each, verb, namespace) for each in resources.split() for verb in verbs.split()]


def explained(namespace: str = "") -> list[Claim]:
    """What it takes to say why something is not ready."""
    return [*claims("", "events pods", "list", namespace), *claims("", "pods/log", "get", namespace)]


def review(claim: Claim) -> Manifest:
    """The question to the API server whether the one who asks may do this (a SelfSubjectAccessReview)."""
    resource, _, subresource = claim.resource.partition("/")
    attributes = {"group": claim.group, "resource": resource, "verb": claim.verb}
    attributes |= {"subresource": subresource} if subresource else {}
    attributes |= {"namespace": claim.namespace} if claim.namespace else {}
    meta: dict[str, Any] = {}
    return {
        "apiVersion": REVIEW,
        "kind": "SelfSubjectAccessReview",
        "metadata": meta,
        "spec": {"resourceAttributes": attributes},
    }


def role(name: str, wanted: Iterable[Claim]) -> Manifest:
    """The ClusterRole that allows just this: one rule for each group and set of verbs."""
    verbs: dict[tuple[str, str], set[str]] = {}
    for claim in wanted:
        verbs.setdefault((claim.group, claim.resource), set()).add(claim.verb)
    rules: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    for (group, resource), found in sorted(verbs.items()):
        rules.setdefault((group, tuple(sorted(found))), []).append(resource)
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRole",
        "metadata": {"name": name},
        "rules": [
            {"apiGroups": [group], "resources": resources, "verbs": list(found)}
            for (group, found), resources in sorted(rules.items())
        ],
    }
