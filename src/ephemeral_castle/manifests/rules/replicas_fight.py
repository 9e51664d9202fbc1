"""A count of replicas in Git beside an autoscaler."""

from __future__ import annotations

from collections.abc import Iterator

from ephemeral_castle.manifests.repository import Repository
from ephemeral_castle.manifests.rules.fields import WARNING, dig, fault, mapping, text
from ephemeral_castle.manifests.rules.rule import Rule, Setting
from ephemeral_castle.model.finding import Finding

ID = "replicas-fight"


def find(repository: Repository, setting: Setting) -> Iterator[Finding]:
    """Looks at what autoscalers scale."""
    for scaler in (*repository.of("HorizontalPodAutoscaler", "autoscaling"), *repository.of("ScaledObject", "keda.sh")):
        target = mapping(dig(scaler.manifest, "spec", "scaleTargetRef"))
        kind = text(target.get("kind")) or "Deployment"
        for one in repository.of(kind):
            same = one.name == target.get("name") and one.namespace == scaler.namespace
            if same and dig(one.manifest, "spec", "replicas") is not None:
                message = f"`replicas` in Git undoes {scaler.subject} ({scaler.mark}) at every interval"
                hints = ("take `replicas` out: the autoscaler sets it",)
                yield fault(ID, WARNING, one, ("spec", "replicas"), message, hints=hints, key=True)


RULE = Rule(
    ID,
    "a workload has `replicas` in Git and an autoscaler",
    "Two hands set one field: the autoscaler by load, whoever applies Git at every interval. Under load pods are "
    "stopped and started again and again.",
    "Kubernetes' documentation of horizontal pod autoscaling: migrating to it",
    find,
    ("F61",),
)
