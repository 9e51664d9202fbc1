"""Volumes that pods mount and that nothing claims."""

from __future__ import annotations

from ephemeral_castle.manifests.rules.missing import missing
from ephemeral_castle.manifests.rules.rule import Rule

ID = "claim-missing"
RULE = Rule(
    ID,
    "a pod mounts a PersistentVolumeClaim that nothing makes",
    "A pod whose claim does not exist is never scheduled. Claims of a StatefulSet are named "
    "`TEMPLATE-STATEFULSET-NUMBER`.",
    "Kubernetes' documentation of persistent volumes",
    missing(ID, ("PersistentVolumeClaim",), 'persistentvolumeclaim "{name}" not found'),
    ("F118",),
)
