"""Pods, in whatever object they are described. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ephemeral_castle.manifests.repository import Object, Repository
from ephemeral_castle.manifests.rules.fields import Path, dig, each, mapping

TEMPLATES: Mapping[str, Path] = {
    "Pod": (),
    "Deployment": ("spec", "template"),
    "StatefulSet": ("spec", "template"),
    "DaemonSet": ("spec", "template"),
    "ReplicaSet": ("spec", "template"),
    "Job": ("spec", "template"),
    "CronJob": ("spec", "jobTemplate", "spec", "template"),
}
GROUPS = ("", "apps", "batch", "extensions")


@dataclass(frozen=True)
class Pods:
    """The pods of an object. `path`: of their template; `spec`: theirs."""

    thing: Object
    path: Path
    spec: Mapping[str, Any]

    @property
    def labels(self) -> Mapping[str, Any]:
        """Labels of the pods."""
        return mapping(dig(self.thing.manifest, *self.path, "metadata", "labels"))

    def at(self, *steps: str | int) -> Path:
        """The path of a field of their spec."""
        return (*self.path, "spec", *steps)

    def containers(self) -> Iterator[tuple[Path, Mapping[str, Any]]]:
        """All containers, those that prepare included."""
        for part in ("initContainers", "containers"):
            yield from each(self.thing.manifest, *self.at(part))


def pods(repository: Repository) -> Iterator[Pods]:
    """The pods of every workload."""
    for thing in repository.objects:
        if thing.kind in TEMPLATES and thing.group in GROUPS:
            yield of(thing)


def of(thing: Object) -> Pods:
    """The pods of one workload."""
    path = TEMPLATES[thing.kind]
    return Pods(thing, path, mapping(dig(thing.manifest, *path, "spec")))


def selected(service: Object, found: Pods) -> bool:
    """Whether a Service's selector takes these pods."""
    selector = mapping(dig(service.manifest, "spec", "selector"))
    if not selector or (service.namespace and found.thing.namespace not in ("", service.namespace)):
        return False
    return all(found.labels.get(key) == value for key, value in selector.items())
