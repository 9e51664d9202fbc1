"""python -m testbed.standins.components DIRECTORY: writes Flux as `flux install --export` does, for a repository.

The CRDs are the vendor's own, from the Go modules of the controllers, and lie in no file of ours. Deployments, accounts
and rights are written here, with the names that Flux gives them. What is called source-controller is a stand-in, and
its Deployment says so. Source of the names: flux2 v2.9, manifests/.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
SPACE = "flux-system"
TITLE = "org.opencontainers.image.title"
LABELS = {
    "app.kubernetes.io/instance": SPACE,
    "app.kubernetes.io/part-of": "flux",
    "app.kubernetes.io/version": "v2.9.5",
}
FILE = "gotk-components.yaml"
Manifest = dict[str, Any]


@dataclass(frozen=True)
class Module:
    """A Go module that holds CRDs.

    Attributes:
        path, version: of the module.
        sum: what its bytes must be, as in a go.sum.
        crds: CRDs that are taken, without the group.
    """

    path: str
    version: str
    sum: str
    crds: tuple[str, ...]

    def folder(self) -> Path:
        """Where Go keeps it; fetched when it is not there.

        Raises:
            SystemExit: it cannot be had, or is another than it should be.
        """
        go = subprocess.run([ROOT / "scripts/go"], stdout=subprocess.PIPE, text=True, check=True).stdout.strip()
        wanted = f"{self.path}@{self.version}"
        done = subprocess.run([go, "mod", "download", "-json", wanted], capture_output=True, text=True, check=False)
        told = json.loads(done.stdout or "{}")
        if told.get("Sum") != self.sum:
            why = told.get("Error") or f"its sum is {told.get('Sum')}, not {self.sum}"
            raise SystemExit(f"{wanted} cannot be had: {why}")
        return Path(told["Dir"])


SOURCE = Module(
    "github.com/fluxcd/source-controller", "v1.9.5", "h1:MFPyCodUi9hZIMaKDsC/rYbNoyzpvrAdrPVixj7W9F0=",
    ("gitrepositories", "ocirepositories", "buckets", "externalartifacts"),
)  # fmt: skip
KUSTOMIZE = Module(
    "github.com/fluxcd/kustomize-controller", "v1.9.5", "h1:/XY2zy3K7fntyppEXIHG7oRMzmfgIt50eJzUfaPX1Kc=",
    ("kustomizations",),
)  # fmt: skip


def main() -> int:
    """Writes the file; says what is in it."""
    if len(sys.argv) != 2:
        print(__doc__, file=sys.stderr)
        return 2
    target = Path(sys.argv[1]) / FILE
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(text())
    print(target)
    return 0


def text() -> str:
    """The whole file."""
    parts = [yaml.safe_dump(each, sort_keys=False) for each in (_namespace(),)]
    parts += [each for module in (SOURCE, KUSTOMIZE) for each in crds(module)]
    parts += [yaml.safe_dump(each, sort_keys=False) for each in _rest()]
    return "---\n".join(part.removeprefix("---\n") for part in parts)


def crds(module: Module) -> Iterator[str]:
    """The CRDs of a module, as they lie there."""
    folder = module.folder() / "config/crd/bases"
    for name in module.crds:
        yield next(folder.glob(f"*_{name}.yaml")).read_text()


def _meta(name: str, component: str = "", **more: Any) -> Manifest:
    labels = {**LABELS, **({"app.kubernetes.io/component": component} if component else {})}
    return {"name": name, "labels": labels, **more}


def _namespace() -> Manifest:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": _meta(SPACE)}


def _rest() -> Iterator[Manifest]:
    for name in ("source-controller", "kustomize-controller"):
        yield {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": _meta(name, name, namespace=SPACE)}
    yield from _rights()
    yield {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": _meta("source-controller", "source-controller", namespace=SPACE),
        "spec": {
            "type": "ClusterIP",
            "selector": {"app": "source-controller"},
            "ports": [{"name": "http", "port": 80, "protocol": "TCP", "targetPort": "http"}],
        },
    }
    yield _source_controller()
    yield _kustomize_controller()


def _rights() -> Iterator[Manifest]:
    own = [f"{group}.toolkit.fluxcd.io" for group in ("source", "kustomize", "helm", "notification", "image")]
    rules = [
        *({"apiGroups": [group], "resources": ["*"], "verbs": ["*"]} for group in own),
        {"apiGroups": [""], "resources": ["namespaces", "secrets", "configmaps", "serviceaccounts"],
         "verbs": ["get", "list", "watch"]},
        {"apiGroups": [""], "resources": ["events"], "verbs": ["get", "create", "patch"]},
        {"apiGroups": [""], "resources": ["serviceaccounts/token"], "verbs": ["create"]},
        {"apiGroups": ["", "coordination.k8s.io"], "resources": ["configmaps", "configmaps/status", "leases"],
         "verbs": ["get", "list", "watch", "create", "update", "patch", "delete"]},
    ]  # fmt: skip
    api = "rbac.authorization.k8s.io/v1"
    crd = f"crd-controller-{SPACE}"
    yield {"apiVersion": api, "kind": "ClusterRole", "metadata": _meta(crd), "rules": rules}
    yield _binding(crd, crd, "source-controller", "kustomize-controller")
    yield _binding(f"cluster-reconciler-{SPACE}", "cluster-admin", "kustomize-controller")


def _binding(name: str, role: str, *accounts: str) -> Manifest:
    group = "rbac.authorization.k8s.io"
    return {
        "apiVersion": f"{group}/v1",
        "kind": "ClusterRoleBinding",
        "metadata": _meta(name),
        "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": role},
        "subjects": [{"kind": "ServiceAccount", "name": each, "namespace": SPACE} for each in accounts],
    }


def _source_controller() -> Manifest:
    return _deployment(
        "source-controller",
        SOURCE.version,
        title="stand-in for Flux' source-controller",
        args=["--storage-path=/data", f"--storage-adv-addr=source-controller.{SPACE}.svc.cluster.local."],
        ports={"http": 9090, "healthz": 9440},
        ready={"path": "/", "port": "http"},
        folders=("data", "tmp"),
        strategy={"type": "Recreate"},
    )


def _kustomize_controller() -> Manifest:
    return _deployment(
        "kustomize-controller",
        KUSTOMIZE.version,
        title="kustomize-controller",
        args=["--watch-all-namespaces=true", "--log-level=info", "--log-encoding=json", "--enable-leader-election"],
        ports={"http-prom": 8080, "healthz": 9440},
        ready={"path": "/readyz", "port": "healthz"},
        folders=("tmp",),
    )


def _deployment(
    name: str,
    version: str,
    *,
    title: str,
    args: list[str],
    ports: Mapping[str, int],
    ready: Mapping[str, str],
    folders: tuple[str, ...],
    **more: Any,
) -> Manifest:
    space = {"fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.namespace"}}
    container = {
        "name": "manager",
        "image": f"ghcr.io/fluxcd/{name}:{version}",
        "imagePullPolicy": "IfNotPresent",
        "args": args,
        "env": [{"name": "RUNTIME_NAMESPACE", "valueFrom": space}],
        "ports": [{"name": each, "containerPort": port, "protocol": "TCP"} for each, port in ports.items()],
        "livenessProbe": {"httpGet": {"path": "/healthz", "port": "healthz"}},
        "readinessProbe": {"httpGet": dict(ready), "periodSeconds": 1},
        "resources": {"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "50m", "memory": "64Mi"}},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "runAsNonRoot": True,
            "capabilities": {"drop": ["ALL"]},
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "volumeMounts": [{"name": each, "mountPath": f"/{each}"} for each in folders],
    }
    labels = {"app": name, **LABELS, "app.kubernetes.io/component": name}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": _meta(name, name, namespace=SPACE, annotations={TITLE: title}),
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": {"app": name}},
            **more,
            "template": {
                "metadata": {"labels": labels},
                "spec": {
                    "serviceAccountName": name,
                    "priorityClassName": "system-cluster-critical",
                    "nodeSelector": {"kubernetes.io/os": "linux"},
                    "securityContext": {"fsGroup": 1337},
                    "terminationGracePeriodSeconds": 10,
                    "containers": [container],
                    "volumes": [{"name": each, "emptyDir": {}} for each in folders],
                },
            },
        },
    }


if __name__ == "__main__":
    sys.exit(main())
