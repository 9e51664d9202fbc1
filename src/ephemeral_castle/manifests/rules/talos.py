"""Talos' machine configurations, as far as they lie in plain in the repository. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from ephemeral_castle.manifests.load import roots
from ephemeral_castle.manifests.repository import Object, Repository
from ephemeral_castle.manifests.rules.fields import mapping
from ephemeral_castle.manifests.tree import Map


def machines(repository: Repository) -> Iterator[Object]:
    """Every document with a `machine` and no kind of Kubernetes; its name is its file."""
    for file, text in repository.texts.items():
        if "\nmachine:" not in f"\n{text}":
            continue
        found, _ = roots(text, file)
        for value, _ in found:
            if isinstance(value, Map) and isinstance(value.get("machine"), Map) and "kind" not in value:
                yield Object(value)


def role(machine: Object) -> str:
    """Whether it is a controlplane or a worker; "" where a patch does not say; then perhaps its file does."""
    said = mapping(machine.manifest.get("machine")).get("type")
    if said in ("controlplane", "worker"):
        return str(said)
    stem = machine.mark.file.rpartition("/")[2]
    return "worker" if "worker" in stem else ""
