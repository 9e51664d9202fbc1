"""A repository as `flux install --export` and people write it."""

from __future__ import annotations

from typing import Any

from ephemeral_castle.spi.kubernetes import Manifest

SPACE = "flux-system"
DEPLOYMENT = """\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {name}
  namespace: flux-system
  annotations: {{org.opencontainers.image.title: {title}}}
spec:
  replicas: 1
  selector: {{matchLabels: {{app: {name}}}}}
  template:
    metadata: {{labels: {{app: {name}}}}}
    spec:
      containers:
        - name: manager
          image: ghcr.io/fluxcd/{name}:v1
          args: [--log-level=info{args}]
"""
CRD = """\
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {{name: {plural}.{group}}}
spec:
  group: {group}
  scope: Namespaced
  names: {{kind: {kind}, plural: {plural}}}
  versions: [{{name: v1, served: true, storage: true}}]
"""
NAMESPACE = "apiVersion: v1\nkind: Namespace\nmetadata: {name: flux-system}\n"
QUICK = ", --concurrent=40, --requeue-dependency=5s"


def components(args: str = "") -> str:
    """The file that holds Flux."""
    return "---\n".join(
        [
            NAMESPACE,
            CRD.format(plural="kustomizations", group="kustomize.toolkit.fluxcd.io", kind="Kustomization"),
            CRD.format(plural="gitrepositories", group="source.toolkit.fluxcd.io", kind="GitRepository"),
            "apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: kustomize-controller, namespace: flux-system}\n",
            DEPLOYMENT.format(name="source-controller", title="a stand-in", args=""),
            DEPLOYMENT.format(name="kustomize-controller", title="kustomize-controller", args=args),
        ]
    )


FILES = {
    "flux-system/gotk-components.yaml": components(),
    "clusters/lab/infra.yaml": "apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\n",
    "clusters/lab/apps.yaml": "apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\n",
}


def unit(name: str, *needs: str, **spec: Any) -> Manifest:
    """A Kustomization as it stands in the repository."""
    depends = {"dependsOn": [{"name": need} for need in needs]} if needs else {}
    return {
        "apiVersion": "kustomize.toolkit.fluxcd.io/v1",
        "kind": "Kustomization",
        "metadata": {"name": name, "namespace": SPACE},
        "spec": {
            "sourceRef": {"kind": "GitRepository", "name": SPACE},
            "path": f"./{name}",
            "interval": "10m",
            **depends,
            **spec,
        },
    }
