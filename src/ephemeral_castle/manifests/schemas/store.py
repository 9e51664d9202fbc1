"""Schemas from the cache: one entry for each version of a kind, found by digest, compiled when it is asked for. Pure.

An entry is the JSON of a definition without its prose. Its digest is its name, so what the cache gives is believed only
when it is what the lock pins.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any, Final

from ephemeral_castle.manifests.schemas.cel_rules import compiled
from ephemeral_castle.manifests.schemas.known import Judge
from ephemeral_castle.manifests.schemas.lock import Entry, Lock
from ephemeral_castle.manifests.schemas.openapi import Definitions
from ephemeral_castle.manifests.schemas.structural import Definition, Structural

# Gives the packed entry of a digest; None: it is not in the cache.
Fetch = Callable[[str], bytes | None]

_PROSE: Final = frozenset({"description", "example", "externalDocs", "title"})
_NAMED: Final = frozenset({"properties"})  # whose keys are names of fields, never words of the schema
_PLAIN: Final = frozenset({"default", "enum"})  # values of the user


def pack(definition: Definition | Definitions) -> bytes:
    """The entry of a definition: the same bytes for the same meaning."""
    plain = asdict(definition)
    if isinstance(definition, Definition):
        plain["schema"] = _lean(definition.schema)
    return json.dumps(plain, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def unpack(entry: bytes) -> Definition | Definitions:
    """The definition of an entry."""
    found = json.loads(entry)
    if "parts" in found:
        return Definitions(**found)
    return Definition(**{**found, "scale": tuple(found["scale"])})


def digest(entry: bytes) -> str:
    """The name of an entry."""
    return f"sha256:{hashlib.sha256(entry).hexdigest()}"


def _lean(node: Any, *, names: bool = False) -> Any:
    """A schema without its prose."""
    if isinstance(node, Mapping):
        return {
            key: each if key in _PLAIN and not names else _lean(each, names=key in _NAMED and not names)
            for key, each in node.items()
            if names or key not in _PROSE
        }
    return [_lean(each) for each in node] if isinstance(node, list) else node


class Store:
    """What a lock pins, out of a cache."""

    def __init__(self, lock: Lock, fetch: Fetch, kubernetes: tuple[int, int] = (1, 36)) -> None:
        self._kubernetes = kubernetes
        self._entries = {(each.api, each.kind): each for each in lock.entries}
        self._fetch = fetch
        self._judges: dict[tuple[str, str], Judge | None] = {}
        self.missing: dict[tuple[str, str], Entry] = {}

    def find(self, api: str, kind: str) -> Judge | None:
        """The judge of a kind; None: it is not pinned, or, then noted in `missing`, not in the cache."""
        key = (api, kind)
        if key not in self._judges:
            self._judges[key] = self._found(key)
        return self._judges[key]

    def _found(self, key: tuple[str, str]) -> Judge | None:
        entry = self._entries.get(key)
        if entry is None:
            return None
        packed = self._fetch(entry.digest)
        if packed is None or digest(packed) != entry.digest:
            self.missing[key] = entry
            return None
        of = unpack(packed)
        if isinstance(of, Definitions):
            from ephemeral_castle.manifests.schemas.builtin_kinds import BuiltIn

            return BuiltIn(of, self._kubernetes)
        return Structural(of, compiled(of.schema))

    def served(self, group: str, kind: str) -> Sequence[str]:
        """The versions that are pinned as served."""
        return [
            each.version
            for each in self._entries.values()
            if (each.group, each.kind, each.served) == (group, kind, True)
        ]
