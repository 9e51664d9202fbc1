"""Which storage class a claim gets that names none: pure.

With two default classes Kubernetes takes the younger one, which after a rebirth is a matter of luck.
Source: kubernetes.io/docs/concepts/storage/storage-classes.
"""

from __future__ import annotations

from collections.abc import Sequence

from ephemeral_castle.spi.kubernetes import Manifest

API, KIND = "storage.k8s.io/v1", "StorageClass"
DEFAULT = ("storageclass.kubernetes.io/is-default-class", "storageclass.beta.kubernetes.io/is-default-class")


def defaults(classes: Sequence[Manifest]) -> list[str]:
    """Names of the default ones."""
    return sorted(
        each["metadata"]["name"]
        for each in classes
        if any((each["metadata"].get("annotations") or {}).get(note) == "true" for note in DEFAULT)
    )


def wrong(classes: Sequence[Manifest]) -> str:
    """Why a claim that names no class will not get the wanted volume; "" when it will."""
    found = defaults(classes)
    if len(found) == 1:
        return ""
    if found:
        names = ", ".join(found)
        return f"{len(found)} storage classes are the default one ({names}): which a claim gets is a matter of luck"
    names = ", ".join(sorted(each["metadata"]["name"] for each in classes))
    return f"no storage class is the default one ({f'there are: {names}' if names else 'there is none at all'})"
