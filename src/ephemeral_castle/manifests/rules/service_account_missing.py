"""Accounts of pods that nothing makes."""

from __future__ import annotations

from ephemeral_castle.manifests.rules.missing import missing
from ephemeral_castle.manifests.rules.rule import Rule

ID = "service-account-missing"
RULE = Rule(
    ID,
    "pods run under a ServiceAccount that nothing makes",
    "Without its ServiceAccount no pod of a workload is made at all: the workload exists, has no pods, and says "
    "why only in an event of its ReplicaSet.",
    "Kubernetes' documentation of service accounts",
    missing(
        ID,
        ("ServiceAccount",),
        'error looking up service account {namespace}/{name}: serviceaccount "{name}" not found',
    ),
    ("F117",),
)
