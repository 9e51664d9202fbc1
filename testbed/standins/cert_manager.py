"""cert-manager as its chart installs it: its own CRDs, and the controllers that are built here.

Webhook and cainjector are not built (docs/reference/systems.md): the API server judges the objects by their CRDs alone.
Source of names and rights: cert-manager v1.21.2, deploy/charts/cert-manager.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from .components import Module

NAME = SPACE = "cert-manager"
CONTROLLER = "cert-manager-controller"
IMAGE = f"quay.io/jetstack/{CONTROLLER}"
MODULE = Module(
    "github.com/cert-manager/cert-manager", "v1.21.2", "h1:UWgoYM+KLNtRlqmoWOKjKBOBUPVHeepQ6/ac3ERJW68=",
    (
        "cert-manager.io_certificates", "cert-manager.io_certificaterequests", "cert-manager.io_issuers",
        "cert-manager.io_clusterissuers", "acme.cert-manager.io_orders", "acme.cert-manager.io_challenges",
    ),
)  # fmt: skip
LABELS = {
    "app.kubernetes.io/name": NAME,
    "app.kubernetes.io/instance": NAME,
    "app.kubernetes.io/component": "controller",
}
RBAC = "rbac.authorization.k8s.io"
LOOK, CHANGE = ["get", "list", "watch"], ["create", "update", "patch", "delete"]
Manifest = dict[str, Any]


def crds() -> Iterator[str]:
    """Its CRDs, as they lie in the module."""
    folder = MODULE.folder() / "deploy/crds"
    for name in MODULE.crds:
        yield (folder / f"{name}.yaml").read_text()


def documents() -> Iterator[Manifest]:
    """All but the CRDs."""
    yield {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": SPACE, "labels": LABELS}}
    yield {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": _meta(NAME)}
    yield from _rights()
    yield _deployment()


def _meta(name: str, *, namespaced: bool = True) -> Manifest:
    labels = {**LABELS, "app.kubernetes.io/version": MODULE.version}
    return {"name": name, **({"namespace": SPACE} if namespaced else {}), "labels": labels}


def _rights() -> Iterator[Manifest]:
    own = ["certificates", "certificaterequests", "issuers", "clusterissuers"]
    acme = ["orders", "challenges"]
    rules = [
        _rule("cert-manager.io", [*own, *(f"{each}/status" for each in own)], LOOK + CHANGE),
        _rule("cert-manager.io", ["certificates/finalizers", "certificaterequests/finalizers"], ["update"]),
        _rule("acme.cert-manager.io", [f"{each}{part}" for each in acme for part in ("", "/status", "/finalizers")],
              LOOK + CHANGE),
        {**_rule("cert-manager.io", ["signers"], ["approve"]),
         "resourceNames": ["issuers.cert-manager.io/*", "clusterissuers.cert-manager.io/*"]},
        _rule("", ["secrets"], LOOK + CHANGE),
        _rule("", ["events"], ["create", "patch"]),
        _rule("", ["pods", "services"], [*LOOK, "create", "delete"]),  # answers to HTTP-01
        _rule("networking.k8s.io", ["ingresses"], [*LOOK, "create", "delete", "update"]),
        _rule("networking.k8s.io", ["ingresses/finalizers"], ["update"]),
    ]  # fmt: skip
    role = f"{NAME}-controller"
    yield {"apiVersion": f"{RBAC}/v1", "kind": "ClusterRole", "metadata": _meta(role, namespaced=False), "rules": rules}
    yield _binding("ClusterRoleBinding", "ClusterRole", role, namespaced=False)
    leader = f"{NAME}:leaderelection"
    leases = [
        _rule("coordination.k8s.io", ["leases"], ["create"]),
        {**_rule("coordination.k8s.io", ["leases"], ["get", "update", "patch"]), "resourceNames": [CONTROLLER]},
    ]
    yield {"apiVersion": f"{RBAC}/v1", "kind": "Role", "metadata": _meta(leader), "rules": leases}
    yield _binding("RoleBinding", "Role", leader)


def _rule(group: str, resources: list[str], verbs: list[str]) -> Manifest:
    return {"apiGroups": [group], "resources": resources, "verbs": verbs}


def _binding(kind: str, role_kind: str, role: str, *, namespaced: bool = True) -> Manifest:
    return {
        "apiVersion": f"{RBAC}/v1",
        "kind": kind,
        "metadata": _meta(role, namespaced=namespaced),
        "roleRef": {"apiGroup": RBAC, "kind": role_kind, "name": role},
        "subjects": [{"kind": "ServiceAccount", "name": NAME, "namespace": SPACE}],
    }


def _deployment() -> Manifest:
    container = {
        "name": CONTROLLER,
        "image": f"{IMAGE}:{MODULE.version}",
        "imagePullPolicy": "IfNotPresent",
        "args": [
            "--v=2",
            "--cluster-resource-namespace=$(POD_NAMESPACE)",
            "--leader-election-namespace=$(POD_NAMESPACE)",
            "--max-concurrent-challenges=60",
        ],
        "env": [{"name": "POD_NAMESPACE", "valueFrom": {"fieldRef": {"fieldPath": "metadata.namespace"}}}],
        "ports": [
            {"name": "http-metrics", "containerPort": 9402, "protocol": "TCP"},
            {"name": "http-healthz", "containerPort": 9403, "protocol": "TCP"},
        ],
        "livenessProbe": {"httpGet": {"path": "/livez", "port": "http-healthz"}, "initialDelaySeconds": 10},
        "resources": {"requests": {"cpu": "20m", "memory": "48Mi"}, "limits": {"memory": "256Mi"}},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {**_meta(NAME), "annotations": {"org.opencontainers.image.title": CONTROLLER}},
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": LABELS},
            "template": {
                "metadata": {"labels": LABELS},
                "spec": {
                    "serviceAccountName": NAME,
                    "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
                    "terminationGracePeriodSeconds": 5,
                    "containers": [container],
                },
            },
        },
    }
