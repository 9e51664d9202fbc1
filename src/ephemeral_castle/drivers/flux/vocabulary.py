"""Names of Flux' API and of castle's marks on its objects."""

from __future__ import annotations

KUSTOMIZE = "kustomize.toolkit.fluxcd.io/v1"
SOURCE = "source.toolkit.fluxcd.io/v1"
HELM = "helm.toolkit.fluxcd.io/v2"
KUSTOMIZATION, GIT, RELEASE = "Kustomization", "GitRepository", "HelmRelease"

PARENT_NAME = "kustomize.toolkit.fluxcd.io/name"
PARENT_NAMESPACE = "kustomize.toolkit.fluxcd.io/namespace"
WATCHED = {"reconcile.fluxcd.io/watch": "Enabled"}  # else a ConfigMap that changes or comes wakes nobody
FINALIZER = "finalizers.fluxcd.io"
REQUESTED = "reconcile.fluxcd.io/requestedAt"
TITLE = "org.opencontainers.image.title"

OWN, LIFE, LAYER = "castle.id", "castle.life", "castle.layer"
DIGEST = "castle.components"  # of the components as castle applied them
STILLED = "castle.suspended-by"  # the castle that suspended it, and may wake it
