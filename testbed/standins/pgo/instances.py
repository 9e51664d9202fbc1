"""The instances of a cluster as they are seen: a StatefulSet and its pod each."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field

from ..api import Object
from . import names
from .moment import Moment


@dataclass
class Instance:
    """One instance.

    Attributes:
        name: of the StatefulSet; its pod's is this and -0.
        set: name of its instance set.
        runner: the StatefulSet, or None.
        pods: those that it has; more than one says nothing certain.
    """

    name: str
    set: str
    runner: Object | None = None
    pods: list[Object] = field(default_factory=list)

    @property
    def pod(self) -> Object | None:
        """Its only pod."""
        return self.pods[0] if len(self.pods) == 1 else None

    @property
    def ready(self) -> bool:
        """Whether its pod is."""
        conditions = (self.pod or {}).get("status", {}).get("conditions", ())
        return any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)

    @property
    def terminating(self) -> bool:
        """Whether its pod is being taken away."""
        return self.pod is not None and "deletionTimestamp" in self.pod["metadata"]

    @property
    def primary(self) -> bool:
        """Whether it leads."""
        labels = (self.pod or {"metadata": {}})["metadata"].get("labels") or {}
        return labels.get(names.ROLE) == names.LEADER

    @property
    def member(self) -> Object:
        """What the member says of itself in an annotation of its pod."""
        annotations = (self.pod or {"metadata": {}})["metadata"].get("annotations") or {}
        try:
            found = json.loads(annotations.get("status", "{}"))
        except ValueError:
            return {}
        return found if isinstance(found, dict) else {}

    @property
    def writable(self) -> bool:
        """Whether rows can be written to it."""
        return self.member.get("role") in ("master", "primary")

    def running(self, container: str = names.DATABASE) -> bool:
        """Whether a container of its pod runs."""
        statuses = (self.pod or {}).get("status", {}).get("containerStatuses", ())
        return any(each["name"] == container and "running" in each.get("state", {}) for each in statuses)

    @property
    def matches(self) -> bool:
        """Whether its pod is of the newest template; False while that is not known."""
        if self.runner is None or self.pod is None:
            return False
        status = self.runner.get("status") or {}
        if status.get("observedGeneration") != self.runner["metadata"].get("generation"):
            return False
        revision = (self.pod["metadata"].get("labels") or {}).get("controller-revision-hash")
        return bool(revision == status.get("updateRevision"))


def observe(moment: Moment) -> list[Instance]:
    """The instances of the cluster; counts them in its status."""
    found: dict[str, Instance] = {}
    for runner in moment.listed("apps/v1", "StatefulSet", instance=""):
        labels = runner["metadata"]["labels"]
        found[runner["metadata"]["name"]] = Instance(
            runner["metadata"]["name"], labels.get(names.INSTANCE_SET, ""), runner
        )
    for pod in moment.listed("v1", "Pod", instance=""):
        labels = pod["metadata"]["labels"]
        name = labels[names.INSTANCE]
        found.setdefault(name, Instance(name, labels.get(names.INSTANCE_SET, ""))).pods.append(pod)
    instances = sorted(found.values(), key=lambda each: each.name)
    moment.status["instances"] = _counts(moment, instances)
    return instances


def _counts(moment: Moment, instances: Sequence[Instance]) -> list[Object]:
    sets = sorted({each.get("name", "") for each in moment.spec["instances"]} | {each.set for each in instances})
    counted = []
    for name in sets:
        of_set = [each for each in instances if each.set == name]
        entry: Object = {"name": name}
        for key, count in (
            ("replicas", sum(len(each.pods) for each in of_set)),
            ("readyReplicas", sum(each.ready for each in of_set)),
            ("updatedReplicas", sum(each.matches for each in of_set)),
        ):
            if count:  # the operator leaves zeros out
                entry[key] = count
        counted.append(entry)
    return counted


def writable(instances: Sequence[Instance]) -> Instance | None:
    """The instance in which commands that write can be run now, or None."""
    for each in instances:
        if each.writable and each.running() and not each.terminating:
            return each
    return None


def volumes(moment: Moment) -> list[Object]:
    """The claims of the cluster's data."""
    return moment.listed("v1", "PersistentVolumeClaim", role="pgdata")


def free_names(kind: str, instances: Sequence[Instance], claims: Sequence[Object]) -> list[str]:
    """Instances of a set that have a volume and no StatefulSet: they are taken before new ones are made."""
    taken = {each.name for each in instances if each.runner is not None}
    found = []
    for claim in claims:
        labels = claim["metadata"]["labels"]
        if labels.get(names.INSTANCE_SET, "") == kind and "deletionTimestamp" not in claim["metadata"]:
            name = labels.get(names.INSTANCE, "")
            if name and name not in taken:
                found.append(name)
    return sorted(found)


def primary(instances: Sequence[Instance]) -> Instance | None:
    """The leader, or None."""
    return next((each for each in instances if each.primary), None)
