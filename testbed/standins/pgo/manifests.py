"""What an installation of the operator consists of, as a Git repository holds it.

    python -m testbed.standins.pgo.manifests > operators/pgo.yaml

Names, ServiceAccount, rights and environment are the real operator's.
"""

from __future__ import annotations

import json
import sys

from ..api import Object
from . import crd, names

NAMESPACE, NAME = "postgres-operator", "pgo"
REGISTRY = "registry.developers.crunchydata.com/crunchydata"
OPERATOR_IMAGE = f"{REGISTRY}/postgres-operator:ubi9-6.0.3-0"
POSTGRES_IMAGE = f"{REGISTRY}/crunchy-postgres:ubi9-17.6-2534"
LABELS = {"app.kubernetes.io/name": "pgo", f"{names.GROUP}/control-plane": "postgres-operator"}
WRITES = ("create", "delete", "get", "list", "patch", "watch")
# A role that makes roles must hold what it gives: the instance's and the backup's rights stand here, too.
RULES: tuple[tuple[str, tuple[str, ...], tuple[str, ...]], ...] = (
    ("", ("configmaps", "persistentvolumeclaims", "secrets", "serviceaccounts", "services"), WRITES),
    ("", ("endpoints",), (*WRITES, "deletecollection")),
    ("", ("endpoints/restricted",), ("create",)),
    ("", ("pods/exec",), ("create", "get")),
    ("", ("events",), ("create", "get", "patch")),
    ("", ("pods",), ("delete", "get", "list", "patch", "watch")),
    ("apps", ("deployments", "statefulsets"), WRITES),
    ("batch", ("cronjobs", "jobs"), WRITES),
    (names.GROUP, ("postgresclusters",), ("get", "list", "patch", "watch")),
    (names.GROUP, ("postgresclusters/finalizers",), ("update",)),
    (names.GROUP, ("postgresclusters/status",), ("get", "patch")),
    ("rbac.authorization.k8s.io", ("rolebindings", "roles"), WRITES),
)


def documents(images: dict[str, str] | None = None) -> list[Object]:
    """Definition, namespace, rights and Deployment.

    Args:
        images: for `operator` and `postgres`, where they shall be others than the vendor's names.
    """
    chosen = {"operator": OPERATOR_IMAGE, "postgres": POSTGRES_IMAGE, **(images or {})}
    account = {"kind": "ServiceAccount", "name": NAME, "namespace": NAMESPACE}
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": NAME}
    rules = [{"apiGroups": [group], "resources": list(kinds), "verbs": list(verbs)} for group, kinds, verbs in RULES]
    rights = "rbac.authorization.k8s.io/v1"
    return [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE, "labels": LABELS}},
        crd.definition(),
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": _meta()},
        {"apiVersion": rights, "kind": "ClusterRole", "metadata": _meta(whole=True), "rules": rules},
        {
            "apiVersion": rights,
            "kind": "ClusterRoleBinding",
            "metadata": _meta(whole=True),
            "roleRef": role,
            "subjects": [account],
        },
        _deployment(chosen["operator"], chosen["postgres"]),
    ]


def _deployment(operator: str, postgres: str) -> Object:
    env = [
        {"name": "PGO_NAMESPACE", "valueFrom": {"fieldRef": {"fieldPath": "metadata.namespace"}}},
        {"name": "CRUNCHY_DEBUG", "value": "true"},
        # One image holds all three.
        *({"name": f"RELATED_IMAGE_{each}", "value": postgres} for each in ("POSTGRES_17", "PGBACKREST", "PGBOUNCER")),
    ]
    container = {
        "name": "operator",
        "image": operator,
        "command": ["python3", "-m", "standins.pgo"],
        "env": env,
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
            "runAsNonRoot": True,
        },
        "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}],
    }
    pod = {
        "containers": [container],
        "serviceAccountName": NAME,
        "volumes": [{"name": "tmp", "emptyDir": {"sizeLimit": "16Mi"}}],
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": _meta(),
        "spec": {
            "replicas": 1,
            "strategy": {"type": "Recreate"},
            "selector": {"matchLabels": LABELS},
            "template": {"metadata": {"labels": LABELS}, "spec": pod},
        },
    }


def _meta(*, whole: bool = False) -> Object:
    return {"name": NAME, "labels": LABELS, **({} if whole else {"namespace": NAMESPACE})}


def text(found: list[Object]) -> str:
    """The documents as YAML."""
    import yaml  # of the development environment; nothing in a pod needs it

    plain = json.loads(json.dumps(found))  # what is one object here stands several times there
    return "".join(f"---\n{yaml.safe_dump(each, sort_keys=False, width=110)}" for each in plain)


if __name__ == "__main__":
    sys.stdout.write(text(documents()))
