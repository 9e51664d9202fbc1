"""python -m testbed.standins.external_secrets.manifests: writes the operator as its chart does, for a repository.

The CRDs are the vendor's own, from its Go module, and lie in no file of ours; account, rights and Deployment are
written here, with the chart's names. The Deployment says that it is a stand-in. Source: external-secrets v1.3.2,
deploy/charts/external-secrets.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import yaml

from ..components import Module

NAME = SPACE = "external-secrets"
TITLE = "stand-in for the External Secrets Operator"
IMAGE = "ghcr.io/external-secrets/external-secrets"
MODULE = Module(
    "github.com/external-secrets/external-secrets", "v1.3.2", "h1:u2J8RjlHIeF0oZCqtl92adI/uZWUwOesJIDkfql6LqQ=",
    ("externalsecrets", "secretstores", "clustersecretstores"),
)  # fmt: skip
LABELS = {"app.kubernetes.io/name": NAME, "app.kubernetes.io/instance": NAME}
GROUP = "rbac.authorization.k8s.io"
Manifest = dict[str, Any]


def crds() -> Iterator[str]:
    """The CRDs of what the stand-in serves, as they lie in the module."""
    folder = MODULE.folder() / "config/crds/bases"
    for name in MODULE.crds:
        yield (folder / f"external-secrets.io_{name}.yaml").read_text()


def _meta(name: str = NAME, *, namespaced: bool = True, **more: Any) -> Manifest:
    labels = {**LABELS, "app.kubernetes.io/version": MODULE.version}
    return {"name": name, "labels": labels, **({"namespace": SPACE} if namespaced else {}), **more}


def documents() -> Iterator[Manifest]:
    """All but the CRDs."""
    yield {"apiVersion": "v1", "kind": "Namespace", "metadata": _meta(namespaced=False)}
    yield {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": _meta()}
    yield from _rights()
    yield _deployment()


def _rights() -> Iterator[Manifest]:
    own, change = ["externalsecrets", "secretstores", "clustersecretstores"], ["get", "update", "patch"]
    rules = [
        {"apiGroups": ["external-secrets.io"], "resources": own, "verbs": ["get", "list", "watch"]},
        {"apiGroups": ["external-secrets.io"], "resources": [*own, *(f"{each}/status" for each in own)],
         "verbs": change},
        {"apiGroups": [""], "resources": ["namespaces", "serviceaccounts", "configmaps"],
         "verbs": ["get", "list", "watch"]},
        {"apiGroups": [""], "resources": ["secrets"],
         "verbs": ["get", "list", "watch", "create", "update", "delete", "patch"]},
        {"apiGroups": [""], "resources": ["events"], "verbs": ["get", "create", "patch"]},
    ]  # fmt: skip
    role = f"{NAME}-controller"
    yield {"apiVersion": f"{GROUP}/v1", "kind": "ClusterRole", "metadata": _meta(role, namespaced=False),
           "rules": rules}  # fmt: skip
    yield {
        "apiVersion": f"{GROUP}/v1",
        "kind": "ClusterRoleBinding",
        "metadata": _meta(role, namespaced=False),
        "roleRef": {"apiGroup": GROUP, "kind": "ClusterRole", "name": role},
        "subjects": [{"kind": "ServiceAccount", "name": NAME, "namespace": SPACE}],
    }


def _deployment() -> Manifest:
    container = {
        "name": NAME,
        "image": f"{IMAGE}:{MODULE.version}",
        "imagePullPolicy": "IfNotPresent",
        "args": ["--concurrent=1", "--live-addr=:8082"],
        "ports": [{"name": "live", "containerPort": 8082, "protocol": "TCP"}],
        "livenessProbe": {"httpGet": {"path": "/healthz", "port": "live"}, "periodSeconds": 10},
        "readinessProbe": {"httpGet": {"path": "/healthz", "port": "live"}, "periodSeconds": 1},
        "resources": {"requests": {"cpu": "20m", "memory": "48Mi"}, "limits": {"memory": "256Mi"}},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "runAsNonRoot": True,
            "runAsUser": 1000,
            "capabilities": {"drop": ["ALL"]},
            "seccompProfile": {"type": "RuntimeDefault"},
        },
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": _meta(annotations={"org.opencontainers.image.title": TITLE}),
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": LABELS},
            "template": {
                "metadata": {"labels": {**LABELS, "app.kubernetes.io/version": MODULE.version}},
                "spec": {"serviceAccountName": NAME, "containers": [container], "terminationGracePeriodSeconds": 5},
            },
        },
    }


def main() -> int:
    """Writes all of it to standard output."""
    parts = [*crds(), *(yaml.safe_dump(each, sort_keys=False) for each in documents())]
    print("---\n".join(part.removeprefix("---\n") for part in parts), end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())
