"""Which lists of built-in kinds a strategic merge joins item by item, and by which keys. Pure.

Source: `x-kubernetes-patch-strategy`, `-patch-merge-key` and `-list-map-keys` of the OpenAPI of Kubernetes 1.21, which
kustomize carries. Lists of all other kinds, custom ones above all, are replaced whole.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Shape:
    """What is known of a value. `keys`: of its items, where they are joined; () for plain values; None: not joined."""

    fields: Mapping[str, Shape] = field(default_factory=dict)
    keys: tuple[str, ...] | None = None

    def below(self, key: str) -> Shape | None:
        """The shape of a field."""
        return self.fields.get(key)


def _by(*keys: str, **fields: Shape) -> Shape:
    return Shape(fields, keys)


META = Shape({"finalizers": _by(), "ownerReferences": _by("uid")})
ENV = {"env": _by("name"), "volumeDevices": _by("devicePath"), "volumeMounts": _by("mountPath")}
CONTAINER = {**ENV, "ports": _by("containerPort", "protocol")}
CLAIM = Shape({"metadata": META})
VOLUME = {"ephemeral": Shape({"volumeClaimTemplate": CLAIM})}
POD = Shape(
    {
        "containers": _by("name", **CONTAINER),
        "initContainers": _by("name", **CONTAINER),
        "ephemeralContainers": _by("name", **ENV),
        "hostAliases": _by("ip"),
        "imagePullSecrets": _by("name"),
        "topologySpreadConstraints": _by("topologyKey", "whenUnsatisfiable"),
        "volumes": _by("name", **VOLUME),
    }
)
TEMPLATE = Shape({"metadata": META, "spec": POD})
JOB = Shape({"template": TEMPLATE})
JOBS = Shape({"metadata": META, "spec": JOB})
OBJECT = {"metadata": META}
WORKLOAD = Shape({**OBJECT, "spec": Shape({"template": TEMPLATE})})
HOOKS = Shape({**OBJECT, "webhooks": _by("name")})
PLAIN = Shape(OBJECT)
KINDS: Mapping[str, Shape] = {
    "v1/Pod": Shape({**OBJECT, "spec": POD}),
    "v1/PodTemplate": Shape({**OBJECT, "template": TEMPLATE}),
    "v1/ReplicationController": WORKLOAD,
    "v1/Service": Shape({**OBJECT, "spec": Shape({"ports": _by("port", "protocol")})}),
    "v1/ServiceAccount": Shape({**OBJECT, "secrets": _by("name")}),
    "v1/Node": Shape({**OBJECT, "spec": Shape({"podCIDRs": _by()})}),
    **{f"apps/v1/{kind}": WORKLOAD for kind in ("DaemonSet", "Deployment", "ReplicaSet")},
    "apps/v1/StatefulSet": Shape(
        {**OBJECT, "spec": Shape({"template": TEMPLATE, "volumeClaimTemplates": Shape({"metadata": META})})}
    ),
    "batch/v1/Job": Shape({**OBJECT, "spec": JOB}),
    **{
        f"batch/{version}/CronJob": Shape({**OBJECT, "spec": Shape({"jobTemplate": JOBS})})
        for version in ("v1", "v1beta1")
    },
    **{
        f"admissionregistration.k8s.io/{version}/{kind}": HOOKS
        for version in ("v1", "v1beta1")
        for kind in ("MutatingWebhookConfiguration", "ValidatingWebhookConfiguration")
    },
    "storage.k8s.io/v1/CSINode": Shape({**OBJECT, "spec": Shape({"drivers": _by("name")})}),
    "kustomize.config.k8s.io/v1beta1/Kustomization": Shape(
        {"configMapGenerator": _by("name"), "secretGenerator": _by("name")}
    ),
    **{f"v1/{kind}": PLAIN for kind in (
        "Binding", "ConfigMap", "Endpoints", "Event", "LimitRange", "Namespace", "PersistentVolume",
        "PersistentVolumeClaim", "ResourceQuota", "Secret",
    )},
    **{f"{group}/{kind}": PLAIN for group, kinds in {
        "apiextensions.k8s.io/v1": ("CustomResourceDefinition",),
        "apiregistration.k8s.io/v1": ("APIService",),
        "apps/v1": ("ControllerRevision",),
        "autoscaling/v1": ("HorizontalPodAutoscaler",),
        "coordination.k8s.io/v1": ("Lease",),
        "discovery.k8s.io/v1": ("EndpointSlice",),
        "networking.k8s.io/v1": ("Ingress", "IngressClass", "NetworkPolicy"),
        "node.k8s.io/v1": ("RuntimeClass",),
        "policy/v1": ("PodDisruptionBudget",),
        "rbac.authorization.k8s.io/v1": ("ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding"),
        "scheduling.k8s.io/v1": ("PriorityClass",),
        "storage.k8s.io/v1": ("CSIDriver", "StorageClass", "VolumeAttachment"),
    }.items() for kind in kinds},
}  # fmt: skip


def shape(api: str, kind: str) -> Shape | None:
    """What is known of a kind; None where kustomize knows nothing of it."""
    return KINDS.get(f"{api}/{kind}")
