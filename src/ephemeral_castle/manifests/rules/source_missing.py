"""Sources that Flux' objects name and that nothing makes."""

from __future__ import annotations

from ephemeral_castle.manifests.rules.missing import missing
from ephemeral_castle.manifests.rules.resolving import SOURCES
from ephemeral_castle.manifests.rules.rule import Rule

ID = "source-missing"
RULE = Rule(
    ID,
    "a release or Kustomization of Flux names a source that nothing makes",
    "Nothing of it is ever applied: it waits for its source without end. An application that runs all the same "
    "comes from an earlier installation, and is gone after a rebirth.",
    "Flux' documentation of sourceRef and chartRef",
    missing(ID, SOURCES, '{kind}.source.toolkit.fluxcd.io "{name}" not found'),
    ("F120",),
)
