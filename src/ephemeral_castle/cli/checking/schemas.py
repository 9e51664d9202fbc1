"""Where the schemas of a check come from: the CRDs of the repository itself, then those that its lock pins."""

from __future__ import annotations

from collections.abc import Iterator

from ephemeral_castle.cli import shelf
from ephemeral_castle.cli.checking.reading import Seen
from ephemeral_castle.manifests.repository import Repository
from ephemeral_castle.manifests.schemas.crds import definitions, is_crd
from ephemeral_castle.manifests.schemas.known import Chain, Known, Schemas
from ephemeral_castle.manifests.schemas.lock import NAME, Lock
from ephemeral_castle.manifests.schemas.store import Store
from ephemeral_castle.manifests.schemas.structural import Definition


def lock_for(seen: Seen) -> Lock:
    """What pins the schemas of a repository: its own lock, or the nearest above where it lies.

    Raises:
        Damaged: it cannot be read.
    """
    if seen.lock is not None:
        return shelf.parsed(seen.lock, f"{seen.prefix}/{NAME}")
    return shelf.lock_of(shelf.lock_file(seen.home))


def schemas_of(repository: Repository, lock: Lock, kubernetes: tuple[int, int] = (1, 36)) -> Schemas:
    """All that is known for the objects of a repository.

    Args:
        repository: whose own CRDs come first.
        lock: what else holds.
        kubernetes: version of the cluster.
    """
    return Chain(Known(_own(repository)), Store(lock, shelf.fetch(), kubernetes))


def _own(repository: Repository) -> Iterator[Definition]:
    """The CRDs that it brings; one that cannot be read says nothing, and is judged as an object itself."""
    for each in repository.of("CustomResourceDefinition"):
        if is_crd(each.manifest):
            try:
                yield from list(definitions(each.manifest))
            except (KeyError, TypeError):
                continue
