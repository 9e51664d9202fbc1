"""The schemas that a check may use: by API version and kind, compiled when an object first asks for them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

from ephemeral_castle.manifests.schemas.cel_rules import compiled
from ephemeral_castle.manifests.schemas.fault import Step
from ephemeral_castle.manifests.schemas.structural import Definition, Mode, Structural, Verdict


class Judge(Protocol):
    """Judges the objects of one version of a kind."""

    def node(self, path: Sequence[Step]) -> Mapping[str, Any]:
        """The schema at a path; empty where there is none."""
        ...

    @property
    def served(self) -> bool:
        """Whether the server answers for this version."""
        ...

    @property
    def deprecated(self) -> str:
        """What the server warns of; "" where it does not."""
        ...

    def judge(self, document: Mapping[str, Any], mode: Mode = Mode.STRICT) -> Verdict:
        """What the server would answer to the creation of a document."""
        ...


class Schemas(Protocol):
    """Where schemas are found."""

    def find(self, api: str, kind: str) -> Judge | None:
        """The judge of a kind, by its `apiVersion`; None: nothing is known of it."""
        ...

    def served(self, group: str, kind: str) -> Sequence[str]:
        """The versions of a kind that the server answers for, the storage version last written first."""
        ...


class Known:
    """Definitions that lie in memory, such as those of the CRDs in the repository itself."""

    def __init__(self, definitions: Iterable[Definition] = ()) -> None:
        self._all = {(each.api, each.kind): each for each in definitions}
        self._compiled: dict[tuple[str, str], Structural] = {}

    def find(self, api: str, kind: str) -> Structural | None:
        """The judge of a kind; compiled when it is first asked for."""
        key = (api, kind)
        found = self._compiled.get(key)
        if found is None and key in self._all:
            of = self._all[key]
            self._compiled[key] = found = Structural(of, compiled(of.schema))
        return found

    def served(self, group: str, kind: str) -> Sequence[str]:
        """The versions that are served."""
        return [each.version for each in self._all.values() if (each.group, each.kind) == (group, kind) and each.served]


class Chain:
    """Several places, asked in order."""

    def __init__(self, *places: Schemas) -> None:
        self._places = places

    def find(self, api: str, kind: str) -> Judge | None:
        """The first judge that is found."""
        return next((found for each in self._places if (found := each.find(api, kind)) is not None), None)

    def served(self, group: str, kind: str) -> Sequence[str]:
        """The versions that any of them knows to be served."""
        return list(dict.fromkeys(version for each in self._places for version in each.served(group, kind)))
