"""Where the schemas of a check come from: the CRDs of the repository itself."""

from __future__ import annotations

from collections.abc import Iterator

from ephemeral_castle.manifests.repository import Repository
from ephemeral_castle.manifests.schemas.crds import definitions, is_crd
from ephemeral_castle.manifests.schemas.known import Known, Schemas
from ephemeral_castle.manifests.schemas.structural import Definition


def schemas_of(repository: Repository) -> Schemas:
    """All that is known for the objects of a repository."""
    return Known(_own(repository))


def _own(repository: Repository) -> Iterator[Definition]:
    """The CRDs that it brings; one that cannot be read says nothing, and is judged as an object itself."""
    for each in repository.of("CustomResourceDefinition"):
        if is_crd(each.manifest):
            try:
                yield from list(definitions(each.manifest))
            except (KeyError, TypeError):
                continue
