"""Manifests that were taken from a living cluster, with what only that one can know."""

from __future__ import annotations

from collections.abc import Iterator

from ephemeral_castle.manifests.repository import Repository
from ephemeral_castle.manifests.rules.fields import ERROR, WARNING, Path, dig, fault, mapping, notes
from ephemeral_castle.manifests.rules.rule import Rule, Setting
from ephemeral_castle.model.finding import Finding

ID = "live-fields"
LAST = "kubectl.kubernetes.io/last-applied-configuration"


def find(repository: Repository, setting: Setting) -> Iterator[Finding]:
    """Looks at the metadata of every object."""
    for one in repository.objects:
        meta = mapping(one.manifest.get("metadata"))
        if meta.get("resourceVersion"):
            message = "`resourceVersion` is that of an object of an old cluster: a new one refuses it"
            says = "resourceVersion should not be set on objects to be created"
            yield fault(ID, ERROR, one, ("metadata", "resourceVersion"), message, says=says, hints=HINTS, key=True)
        elif meta.get("uid"):
            message = "`uid` is that of an object of an old cluster: a living one with another is refused"
            says = "Precondition failed: UID in precondition does not match"
            yield fault(ID, ERROR, one, ("metadata", "uid"), message, says=says, hints=HINTS, key=True)
        elif dig(one.manifest, "spec", "clusterIP") not in (None, "", "None") and meta.get("creationTimestamp"):
            at: Path = ("spec", "clusterIP")
            message = "the address of a Service of an old cluster: it may be taken, or out of range, in a new one"
            yield fault(ID, WARNING, one, at, message, hints=HINTS)
        elif meta.get("managedFields") or LAST in notes(one):
            field: Path = (
                ("metadata", "managedFields") if meta.get("managedFields") else ("metadata", "annotations", LAST)
            )
            message = f"`{field[-1]}` says which fields an old cluster's hands owned; it does not belong into Git"
            yield fault(ID, WARNING, one, field, message, hints=HINTS, key=True)


HINTS = ("take resourceVersion, uid, creationTimestamp, managedFields, the last-applied annotation and status out",)

RULE = Rule(
    ID,
    "a manifest holds what only a living cluster knows",
    "`kubectl get -o yaml` writes fields that belong to the cluster that it was taken from. A new cluster refuses "
    "an object with a `resourceVersion`; `uid` and addresses fit the old one only; `managedFields` and the "
    "annotation of the last apply lie about who owns which field.",
    "Kubernetes' API conventions; server-side apply",
    find,
    ("F61",),
)
