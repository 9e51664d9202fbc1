"""Needs of objects that close a ring with those of Kustomizations."""

from __future__ import annotations

from collections.abc import Iterator

from ephemeral_castle.manifests.repository import Repository
from ephemeral_castle.manifests.rules.fields import ERROR, fault
from ephemeral_castle.manifests.rules.living import MOVED
from ephemeral_castle.manifests.rules.needs import Edge, build
from ephemeral_castle.manifests.rules.rule import Rule, Setting
from ephemeral_castle.manifests.rules.units import clusters
from ephemeral_castle.model.finding import Finding

ID = "needs-cycle"
HINT = (
    "break it where it is weakest: what all of them need (a namespace, the first secret) goes into a Kustomization "
    "that needs nothing, or comes from outside"
)


def find(repository: Repository, setting: Setting) -> Iterator[Finding]:
    """Looks for rings in the needs of each cluster that are not made of `dependsOn` alone."""
    for cluster in clusters(repository):
        for ring in build(repository, cluster).rings():
            told = [edge for edge in ring if edge.path]
            hidden = [edge for edge in told if edge.path[:2] not in (("spec", "dependsOn"), ("spec", "wait"))]
            if not hidden or any(f"Secret {_secret(edge)}" in setting.brought for edge in hidden):
                continue
            at = hidden[0]
            message = f"nothing of a ring can be first: {'; '.join(_sentence(edge) for edge in told)}"
            hints = (HINT, MOVED)
            yield fault(ID, ERROR, at.thing, at.path, message, hints=hints)


def _sentence(edge: Edge) -> str:
    return f"{edge.thing.subject} {edge.why}"


def _secret(edge: Edge) -> str:
    return f"{edge.thing.namespace}/{edge.why.split('`')[1]}" if edge.why.startswith("needs the Secret") else ""


RULE = Rule(
    ID,
    "objects and Kustomizations need each other in a ring",
    "A ring is not always written as `dependsOn`. A namespace may be made by a Kustomization that waits for one "
    "with an object in it; a pod may wait for a Secret, whose ExternalSecret asks a store, which is reached at a "
    "Service of pods that wait for the same Secret; an operator may need an account from what waits for the "
    "operator. In a living cluster each part is there from earlier days; a new one never starts.",
    "three rebirths that hung: an operator and its namespace, a secret store behind its own secret, a store behind "
    "DNS that needed the store",
    find,
    ("F62", "F79", "F117", "F132"),
)
