"""In which order objects are applied, so that each finds what it stands on. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ephemeral_castle.manifests.readiness import Manifest

CRD = "CustomResourceDefinition"
FIRST = ("Namespace", CRD)
SECOND = (
    "ServiceAccount", "ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding", "ResourceQuota", "LimitRange",
    "PriorityClass", "StorageClass", "IngressClass", "RuntimeClass", "ConfigMap", "Secret", "Service", "NetworkPolicy",
    "PersistentVolume", "PersistentVolumeClaim", "PodDisruptionBudget",
)  # fmt: skip
WORK = ("Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "Pod", "Job", "CronJob")
LAST = (
    "APIService", "MutatingWebhookConfiguration", "ValidatingWebhookConfiguration", "ValidatingAdmissionPolicy",
    "ValidatingAdmissionPolicyBinding",
)  # fmt: skip


def stages(manifests: Iterable[Manifest]) -> Sequence[Sequence[Manifest]]:
    """Groups to be applied one after the other; within one the order does not matter.

    Namespaces and CRDs; what pods need; objects of kinds that are not built in; what runs; what would refuse others
    while its server does not answer yet. Between the first and the third the CRDs must be established.
    """
    groups: tuple[list[Manifest], ...] = ([], [], [], [], [])
    for each in manifests:
        groups[_group(str(each["kind"]))].append(each)
    return [group for group in groups if group]


def _group(kind: str) -> int:
    for number, kinds in ((0, FIRST), (1, SECOND), (3, WORK), (4, LAST)):
        if kind in kinds:
            return number
    return 2
