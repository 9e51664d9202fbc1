"""ConfigMaps that are named and that nothing makes."""

from __future__ import annotations

from ephemeral_castle.manifests.rules.missing import missing
from ephemeral_castle.manifests.rules.rule import Rule

ID = "config-map-missing"
RULE = Rule(
    ID,
    "a ConfigMap is named that nothing makes",
    "A pod waits for its ConfigMap for ever; a Kustomization of Flux that substitutes from one applies nothing. "
    "The usual cause is a file that no kustomization lists, or a generated name that was changed in one place only.",
    "Kubernetes' documentation of ConfigMaps; Flux' of post-build substitution",
    missing(ID, ("ConfigMap",), 'configmap "{name}" not found'),
    ("F118",),
)
