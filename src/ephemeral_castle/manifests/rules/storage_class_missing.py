"""Storage classes that are named and that nothing makes."""

from __future__ import annotations

from ephemeral_castle.manifests.rules.missing import missing
from ephemeral_castle.manifests.rules.rule import Rule

ID = "storage-class-missing"
RULE = Rule(
    ID,
    "a volume wants a StorageClass that nothing makes",
    "A claim of an unknown class stays Pending for ever, and so does its pod; an operator's cluster waits with it "
    "and says nothing. Classes come from a manifest, from the chart of a storage, or from the platform.",
    "Kubernetes' documentation of storage classes",
    missing(ID, ("StorageClass",), 'storageclass.storage.k8s.io "{name}" not found'),
    ("F106",),
)
