"""Annotations of Reloader where it does not look."""

from __future__ import annotations

from collections.abc import Iterator

from ephemeral_castle.manifests.repository import Repository
from ephemeral_castle.manifests.rules.fields import WARNING, dig, fault, mapping, notes
from ephemeral_castle.manifests.rules.pods import pods
from ephemeral_castle.manifests.rules.rule import Rule, Setting
from ephemeral_castle.model.finding import Finding

ID = "reload-annotation"
PREFIXES = ("reloader.stakater.com/", "secret.reloader.stakater.com/", "configmap.reloader.stakater.com/")


def find(repository: Repository, setting: Setting) -> Iterator[Finding]:
    """Looks at the annotations of pod templates."""
    for found in pods(repository):
        path = (*found.path, "metadata", "annotations")
        for name in mapping(dig(found.thing.manifest, *path)):
            if (
                found.path
                and name.startswith(PREFIXES)
                and not any(key.startswith(PREFIXES) for key in notes(found.thing))
            ):
                message = f"`{name}` stands on the pods; many versions of Reloader read it on the {found.thing.kind}"
                hints = (f"move it to the metadata of the {found.thing.kind}",)
                yield fault(ID, WARNING, found.thing, (*path, name), message, hints=hints, key=True)
                break


RULE = Rule(
    ID,
    "an annotation for Reloader stands on the pod template",
    "Reloader looks at the metadata of the Deployment, StatefulSet or DaemonSet. On the pod template the "
    "annotation is legal and, by many versions, not read: a rotated secret arrives, and the program goes on with "
    "the old one.",
    "Reloader's manual; a rotation that nobody noticed",
    find,
    ("F127", "F138"),
)
