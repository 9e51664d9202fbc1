"""The ingress as Traefik's chart installs it on the ports of a node; the Deployment says that it is a stand-in.

Source: Traefik's chart 41.3, with `ports.*.hostPort` and a node selector in place of a Service of kind LoadBalancer.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import yaml

from .crd import definition
from .words import API, COMPONENT, CONTROLLER, DEFAULT_CLASS, PORTS, TITLE, VERSION, WEB, WEBSECURE

NAME = SPACE = COMPONENT
IMAGE = f"docker.io/library/traefik:{VERSION}"
NODE = "edge"  # its ports 80 and 443 are those of the castle
LABELS = {"app.kubernetes.io/name": NAME, "app.kubernetes.io/instance": f"{NAME}-{SPACE}"}
RBAC = "rbac.authorization.k8s.io"
LOOK = ["get", "list", "watch"]
Manifest = dict[str, Any]


def crds() -> Iterator[str]:
    """The one CRD that is served."""
    yield yaml.safe_dump(definition(), sort_keys=False)


def documents() -> Iterator[Manifest]:
    """All but the CRD."""
    yield {"apiVersion": "v1", "kind": "Namespace", "metadata": _meta(SPACE, namespaced=False)}
    yield {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": _meta(NAME)}
    role = f"{NAME}-{SPACE}"
    rules = [
        _rule("", ["services", "secrets"], LOOK),
        _rule("discovery.k8s.io", ["endpointslices"], LOOK),
        _rule("networking.k8s.io", ["ingresses", "ingressclasses"], LOOK),
        _rule("networking.k8s.io", ["ingresses/status"], ["update", "patch"]),
        _rule(API.split("/")[0], ["ingressroutes"], LOOK),
    ]
    yield {"apiVersion": f"{RBAC}/v1", "kind": "ClusterRole", "metadata": _meta(role, namespaced=False), "rules": rules}
    yield {
        "apiVersion": f"{RBAC}/v1",
        "kind": "ClusterRoleBinding",
        "metadata": _meta(role, namespaced=False),
        "roleRef": {"apiGroup": RBAC, "kind": "ClusterRole", "name": role},
        "subjects": [{"kind": "ServiceAccount", "name": NAME, "namespace": SPACE}],
    }
    yield _deployment()
    yield {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "IngressClass",
        "metadata": {**_meta(NAME, namespaced=False), "annotations": {DEFAULT_CLASS: "true"}},
        "spec": {"controller": CONTROLLER},
    }


def _meta(name: str, *, namespaced: bool = True) -> Manifest:
    return {"name": name, **({"namespace": SPACE} if namespaced else {}), "labels": dict(LABELS)}


def _rule(group: str, resources: list[str], verbs: list[str]) -> Manifest:
    return {"apiGroups": [group], "resources": resources, "verbs": verbs}


def _deployment() -> Manifest:
    outside = {WEB: 80, WEBSECURE: 443}
    container = {
        "name": NAME,
        "image": IMAGE,
        "imagePullPolicy": "IfNotPresent",
        "env": [{"name": "NODE_IP", "valueFrom": {"fieldRef": {"fieldPath": "status.hostIP"}}},
                {"name": "HOME", "value": "/tmp"}],
        "ports": [
            {"name": name, "containerPort": port, "protocol": "TCP",
             **({"hostPort": outside[name]} if name in outside else {})}
            for name, port in PORTS.items()
        ],
        "readinessProbe": {"httpGet": {"path": "/ping", "port": "traefik"}, "periodSeconds": 1},
        "livenessProbe": {"httpGet": {"path": "/ping", "port": "traefik"}, "initialDelaySeconds": 10},
        "resources": {"requests": {"cpu": "20m", "memory": "64Mi"}, "limits": {"memory": "256Mi"}},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}],
    }  # fmt: skip
    security = {
        "runAsNonRoot": True,
        "runAsUser": 65532,
        "runAsGroup": 65532,
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {**_meta(NAME), "annotations": {"org.opencontainers.image.title": TITLE}},
        "spec": {
            "replicas": 1,
            "strategy": {"type": "Recreate"},  # two cannot hold one port of a node
            "selector": {"matchLabels": LABELS},
            "template": {
                "metadata": {"labels": LABELS},
                "spec": {
                    "serviceAccountName": NAME,
                    "nodeSelector": {"kubernetes.io/hostname": NODE},
                    "securityContext": security,
                    "terminationGracePeriodSeconds": 5,
                    "containers": [container],
                    "volumes": [{"name": "tmp", "emptyDir": {"medium": "Memory", "sizeLimit": "16Mi"}}],
                },
            },
        },
    }
