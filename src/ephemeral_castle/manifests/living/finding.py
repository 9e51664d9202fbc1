"""One thing that was found in a living cluster, with what would become of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from ephemeral_castle.manifests.readiness import Manifest

SYSTEM = ("kube-system", "kube-public", "kube-node-lease")

Objects = Mapping[str, Sequence[Manifest]]
"""By kind; a kind that the cluster does not have is empty."""


class Fate(StrEnum):
    """What becomes of it when the cluster is lost and made anew."""

    RETURNS = "returns"
    RENEWED = "renewed"  # another one is made in its place
    GIVEN = "given"  # to be given to castle once
    LOST = "lost"
    LOOK = "look"  # a person has to decide


@dataclass(frozen=True)
class Finding:
    """Attributes.

    section: heading of the report. what: the object, or a count of them. fact: how it stands. consequence: what that
    means for a return, and what to do.
    """

    section: str
    what: str
    fact: str
    fate: Fate
    consequence: str

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def name(manifest: Manifest) -> str:
    """`NAMESPACE/NAME`, or the name alone."""
    meta = manifest["metadata"]
    return f"{meta['namespace']}/{meta['name']}" if meta.get("namespace") else str(meta["name"])


def named(manifest: Manifest) -> str:
    """With its kind."""
    return f"{manifest['kind']} {name(manifest)}"


def labels(manifest: Manifest) -> Mapping[str, str]:
    """Its labels."""
    return manifest["metadata"].get("labels") or {}


def notes(manifest: Manifest) -> Mapping[str, str]:
    """Its annotations."""
    return manifest["metadata"].get("annotations") or {}


def owners(manifest: Manifest) -> list[Mapping[str, Any]]:
    """What made it."""
    return list(manifest["metadata"].get("ownerReferences") or ())


def from_git(manifest: Manifest) -> bool:
    """Whether Flux applies it: by a Kustomization, or by the chart of a HelmRelease."""
    found = labels(manifest)
    return any(f"{kind}.toolkit.fluxcd.io/name" in found for kind in ("kustomize", "helm"))


def by_hand(objects: Iterable[Manifest]) -> list[Manifest]:
    """Those that nothing applies and nothing made, outside of the cluster's own namespaces."""
    return [
        each
        for each in objects
        if not from_git(each) and not owners(each) and each["metadata"].get("namespace") not in SYSTEM
    ]


def counted(number: int, word: str, many: str = "") -> str:
    """`1 claim`, `2 claims`."""
    return f"{number} {word}" if number == 1 else f"{number} {many or word + 's'}"


def some(found: Sequence[str], most: int = 5) -> str:
    """The first of them, and how many more there are."""
    more = f" and {len(found) - most} more" if len(found) > most else ""
    return ", ".join(found[:most]) + more
