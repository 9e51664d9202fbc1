"""Secrets that are named and that nothing makes."""

from __future__ import annotations

from ephemeral_castle.manifests.rules.missing import missing
from ephemeral_castle.manifests.rules.rule import Rule

ID = "secret-missing"
RULE = Rule(
    ID,
    "a Secret is named that nothing makes",
    "A pod waits for its Secret for ever, in CreateContainerConfigError or ContainerCreating, and a Kustomization "
    "that waits for the pod holds up all behind it. A Secret comes from a manifest, an ExternalSecret, or the "
    "operator of another object; a file that stands in no kustomization makes none. Where a chart that was not "
    "rendered may bring it, or it must come from outside, the answer is `undecided`.",
    "Kubernetes' documentation of Secrets; two rebirths that hung on a file which no kustomization named",
    missing(ID, ("Secret",), 'secret "{name}" not found'),
    ("F118", "F135"),
)
