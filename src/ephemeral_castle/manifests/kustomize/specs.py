"""Which fields kustomize's own transformers know: a table. Pure.

Source: api/internal/konfig/builtinpluginconsts of kustomize 5.8. It is followed as it is, gaps included: a ReplicaSet's
service account is not renamed there, and so it is not here.
"""

from __future__ import annotations

from collections.abc import Iterable

from ephemeral_castle.manifests.kustomize.fields import Spec, split

APPS, BATCH, NETWORK, POLICY = "apps", "batch", "networking.k8s.io", "policy"
RBAC, HOOKS = "rbac.authorization.k8s.io", "admissionregistration.k8s.io"
TEMPLATED = ("Deployment", "ReplicaSet", "DaemonSet", "StatefulSet", "Job")
PODS = {
    "Pod": "spec",
    "PodTemplate": "template/spec",
    "ReplicationController": "spec/template/spec",
    "CronJob": "spec/jobTemplate/spec/template/spec",
    **dict.fromkeys(TEMPLATED, "spec/template/spec"),
}
HOLDERS = ("Pod", "PodTemplate", *TEMPLATED, "CronJob")  # whose ConfigMaps and Secrets are followed
RUNNERS = ("Pod", "StatefulSet", "Deployment", "ReplicationController", "CronJob", "Job", "DaemonSet")  # the rest


def _specs(kind: str, *paths: str, group: str = "", version: str = "", create: bool = False) -> list[Spec]:
    return [Spec(split(path), kind, group, version, create) for path in paths]


def _pods(kinds: Iterable[str], *paths: str) -> list[Spec]:
    return [Spec(split(f"{PODS[kind]}/{path}"), kind) for kind in kinds for path in paths]


def _containers(field: str) -> tuple[str, ...]:
    return tuple(f"{each}/{field}" for each in ("containers", "initContainers"))


METADATA_LABELS = [
    *_specs("", "metadata/labels", create=True),
    *_specs("ReplicationController", "spec/template/metadata/labels", version="v1", create=True),
    *[each for kind in ("Deployment", "ReplicaSet", "DaemonSet")
      for each in _specs(kind, "spec/template/metadata/labels", create=True)],
    *_specs("StatefulSet", "spec/template/metadata/labels", "spec/volumeClaimTemplates[]/metadata/labels", group=APPS,
            create=True),
    *_specs("Job", "spec/template/metadata/labels", group=BATCH, create=True),
    *_specs("CronJob", "spec/jobTemplate/metadata/labels", "spec/jobTemplate/spec/template/metadata/labels",
            group=BATCH, create=True),
]  # fmt: skip
_AFFINITY = [
    *(
        f"spec/template/spec/affinity/{each}/{term}/matchLabels"
        for each in ("podAffinity", "podAntiAffinity")
        for term in (
            "preferredDuringSchedulingIgnoredDuringExecution/podAffinityTerm/labelSelector",
            "requiredDuringSchedulingIgnoredDuringExecution/labelSelector",
        )
    ),
    "spec/template/spec/topologySpreadConstraints/labelSelector/matchLabels",
]
COMMON_LABELS = [
    *_specs("Service", "spec/selector", version="v1", create=True),
    *_specs("ReplicationController", "spec/selector", version="v1", create=True),
    *[each for kind in ("Deployment", "ReplicaSet", "DaemonSet")
      for each in _specs(kind, "spec/selector/matchLabels", create=True)],
    *_specs("StatefulSet", "spec/selector/matchLabels", group=APPS, create=True),
    *_specs("Deployment", *_AFFINITY, group=APPS),
    *_specs("StatefulSet", *_AFFINITY, group=APPS),
    *_specs("Job", "spec/selector/matchLabels", group=BATCH),
    *_specs("CronJob", "spec/jobTemplate/spec/selector/matchLabels", group=BATCH),
    *_specs("PodDisruptionBudget", "spec/selector/matchLabels", group=POLICY),
    *_specs("NetworkPolicy", "spec/podSelector/matchLabels", "spec/ingress/from/podSelector/matchLabels",
            "spec/egress/to/podSelector/matchLabels", group=NETWORK),
    *METADATA_LABELS,
]  # fmt: skip
COMMON_ANNOTATIONS = [
    *_specs("", "metadata/annotations", create=True),
    *_specs("ReplicationController", "spec/template/metadata/annotations", version="v1", create=True),
    *[each for kind in ("Deployment", "ReplicaSet", "DaemonSet", "StatefulSet")
      for each in _specs(kind, "spec/template/metadata/annotations", create=True)],
    *_specs("Job", "spec/template/metadata/annotations", group=BATCH, create=True),
    *_specs("CronJob", "spec/jobTemplate/metadata/annotations", "spec/jobTemplate/spec/template/metadata/annotations",
            group=BATCH, create=True),
]  # fmt: skip
IMAGES = [
    Spec(split(f"{pod}/{path}"))
    for pod in ("spec", "spec/template/spec")
    for path in ("containers[]/image", "initContainers[]/image", "volumes[]/image/reference")
]
REPLICAS = [
    each
    for kind in ("Deployment", "ReplicationController", "ReplicaSet", "StatefulSet")
    for each in _specs(kind, "spec/replicas", create=True)
]
NAMESPACES = [
    *_specs("Namespace", "metadata/name", create=True),
    *_specs("APIService", "spec/service/namespace", group="apiregistration.k8s.io", create=True),
    *_specs("CustomResourceDefinition", "spec/conversion/webhook/clientConfig/service/namespace",
            group="apiextensions.k8s.io"),
]  # fmt: skip

_SCALED = _specs("HorizontalPodAutoscaler", "spec/scaleTargetRef/name")
Target = tuple[str, str, str]  # group, version, kind of what is referred to; "" is any
NAMES: list[tuple[Target, list[Spec]]] = [
    *[(("", "", kind), _SCALED) for kind in ("Deployment", "ReplicationController", "ReplicaSet", "StatefulSet")],
    (("", "v1", "ConfigMap"), [
        *_pods(HOLDERS, "volumes/configMap/name", "volumes/projected/sources/configMap/name",
               *_containers("env/valueFrom/configMapKeyRef/name"), *_containers("envFrom/configMapRef/name")),
        *_specs("Node", "spec/configSource/configMap"),
        *_specs("Role", "rules/resourceNames"),
        *_specs("ClusterRole", "rules/resourceNames"),
        *_specs("Ingress", r"metadata/annotations/nginx.ingress.kubernetes.io\/fastcgi-params-configmap"),
    ]),
    (("", "v1", "Secret"), [
        *_pods(HOLDERS, "volumes/secret/secretName", "volumes/projected/sources/secret/name", "imagePullSecrets/name",
               *_containers("env/valueFrom/secretKeyRef/name"), *_containers("envFrom/secretRef/name")),
        *_specs("Ingress", "spec/tls/secretName", r"metadata/annotations/ingress.kubernetes.io\/auth-secret",
                r"metadata/annotations/nginx.ingress.kubernetes.io\/auth-secret",
                r"metadata/annotations/nginx.ingress.kubernetes.io\/auth-tls-secret"),
        *_specs("ServiceAccount", "imagePullSecrets/name"),
        *_specs("StorageClass", "parameters/secretName", "parameters/adminSecretName", "parameters/userSecretName",
                "parameters/secretRef"),
        *_specs("Role", "rules/resourceNames"),
        *_specs("ClusterRole", "rules/resourceNames"),
        *_specs("Service", "spec/template/spec/containers/env/valueFrom/secretKeyRef/name",
                group="serving.knative.dev", version="v1"),
        *_specs("PersistentVolume", "spec/azureFile/secretName"),
    ]),
    (("", "v1", "Service"), [
        *_specs("StatefulSet", "spec/serviceName", group=APPS),
        *_specs("Ingress", "spec/rules/http/paths/backend/serviceName", "spec/backend/serviceName",
                "spec/rules/http/paths/backend/service/name", "spec/defaultBackend/service/name"),
        *_specs("APIService", "spec/service/name", group="apiregistration.k8s.io"),
        *_specs("ValidatingWebhookConfiguration", "webhooks/clientConfig/service", group=HOOKS),
        *_specs("MutatingWebhookConfiguration", "webhooks/clientConfig/service", group=HOOKS),
    ]),
    ((RBAC, "", "Role"), _specs("RoleBinding", "roleRef/name", group=RBAC)),
    ((RBAC, "", "ClusterRole"), [
        *_specs("RoleBinding", "roleRef/name", group=RBAC),
        *_specs("ClusterRoleBinding", "roleRef/name", group=RBAC),
    ]),
    (("", "v1", "ServiceAccount"), [
        *_specs("RoleBinding", "subjects", group=RBAC),
        *_specs("ClusterRoleBinding", "subjects", group=RBAC),
        *_pods(RUNNERS, "serviceAccountName"),
    ]),
    (("", "v1", "PersistentVolumeClaim"), _pods(RUNNERS, "volumes/persistentVolumeClaim/claimName")),
    (("", "v1", "PersistentVolume"), [
        *_specs("PersistentVolumeClaim", "spec/volumeName"),
        *_specs("ClusterRole", "rules/resourceNames"),
    ]),
    (("storage.k8s.io", "v1", "StorageClass"), [
        *_specs("PersistentVolume", "spec/storageClassName"),
        *_specs("PersistentVolumeClaim", "spec/storageClassName"),
        *_specs("StatefulSet", "spec/volumeClaimTemplates/spec/storageClassName"),
    ]),
    (("scheduling.k8s.io", "v1", "PriorityClass"), _pods(RUNNERS, "priorityClassName")),
    (("networking.k8s.io/v1", "v1", "IngressClass"), _specs("Ingress", "spec/ingressClassName")),
    ((HOOKS, "", "ValidatingAdmissionPolicy"),
     _specs("ValidatingAdmissionPolicyBinding", "spec/policyName", group=HOOKS)),
]  # fmt: skip


def by_kind() -> dict[str, list[tuple[Target, Spec]]]:
    """The table of names, by the kind that refers."""
    found: dict[str, list[tuple[Target, Spec]]] = {}
    for target, specs in NAMES:
        for each in specs:
            found.setdefault(each.kind, []).append((target, each))
    return found
