"""`castle-schemas.lock`: which schemas a repository is judged by, pinned by digest. Pure.

It lies beside castle.yaml or at the root of the repository and belongs into Git. JSON, one kind a line, so that a diff
shows what an operator's new version changes.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

NAME: Final = "castle-schemas.lock"
VERSION: Final = 1


class BadLockError(ValueError):
    """A lock file that cannot be read; the text says why."""


@dataclass(frozen=True)
class Source:
    """Where schemas came from.

    Attributes:
        name: as it was asked for: a path, a URL, `go:MODULE@VERSION`, `pypi:NAME==VERSION`, `cluster:CONTEXT`.
        digest: of what was fetched: `sha256:...`, or `h1:...` for a Go module, as in go.sum.
    """

    name: str
    digest: str


@dataclass(frozen=True)
class Entry:
    """One version of a kind.

    Attributes:
        api: group and version.
        kind: as in `kind`.
        digest: of the packed schema, `sha256:...`; the name of its entry in the cache.
        source: name of its source.
        file: inside of the source.
        served: the server answers for it.
    """

    api: str
    kind: str
    digest: str
    source: str
    file: str = ""
    served: bool = True

    @property
    def group(self) -> str:
        """The group; "" for the core."""
        return self.api.rpartition("/")[0]

    @property
    def version(self) -> str:
        """The version."""
        return self.api.rpartition("/")[2]


class ConflictError(ValueError):
    """The same version of a kind with two contents."""

    def __init__(self, one: Entry, other: Entry) -> None:
        self.entries = (one, other)
        places = " and ".join(f"{each.source}: {each.file}" if each.file else each.source for each in (one, other))
        super().__init__(f"{one.kind} of {one.api} is there twice, with different contents: {places}")


@dataclass(frozen=True)
class Lock:
    """The content of the file."""

    sources: tuple[Source, ...] = ()
    entries: tuple[Entry, ...] = ()

    def without(self, source: str) -> Lock:
        """The lock without a source and what came from it."""
        sources = tuple(each for each in self.sources if each.name != source)
        return Lock(sources, tuple(each for each in self.entries if each.source != source))

    def having(self, source: Source, entries: Iterable[Entry]) -> Lock:
        """The lock in which a source gives these entries; what it gave before is forgotten.

        Raises:
            ConflictError: another source, or the same one twice, gives a kind with another content.
        """
        rest = self.without(source.name)
        found = {(each.api, each.kind): each for each in rest.entries}
        for entry in entries:
            each = replace(entry, source=source.name)
            before = found.get((each.api, each.kind))
            if before is not None and before.digest != each.digest:
                raise ConflictError(before, each)
            found.setdefault((each.api, each.kind), each)
        return Lock((*rest.sources, source), tuple(found.values()))


def written(lock: Lock) -> str:
    """The text of the file."""
    sources = [{"name": each.name, "digest": each.digest} for each in sorted(lock.sources, key=lambda each: each.name)]
    entries = [
        {
            "api": each.api,
            "kind": each.kind,
            "digest": each.digest,
            "source": each.source,
            "file": each.file,
            "served": each.served,
        }
        for each in sorted(lock.entries, key=lambda each: (each.api, each.kind))
    ]
    lines = [f'{{\n "v": {VERSION},\n "sources": [', _rows(sources), ' ],\n "kinds": [', _rows(entries), " ]\n}\n"]
    return "\n".join(each for each in lines if each)


def _rows(rows: Iterable[Mapping[str, Any]]) -> str:
    return ",\n".join("  " + json.dumps(each, ensure_ascii=False) for each in rows)


def read(text: str) -> Lock:
    """Reads the text of the file.

    Raises:
        BadLockError: it is none of ours, or of a newer castle.
    """
    try:
        found = json.loads(text)
        if found["v"] != VERSION:
            raise BadLockError(f"it is of version {found['v']}, and this castle reads {VERSION}")
        sources = tuple(Source(str(each["name"]), str(each["digest"])) for each in found["sources"])
        entries = tuple(Entry(**each) for each in found["kinds"])
    except BadLockError:
        raise
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise BadLockError(f"it is not what `castle schemas pull` writes: {error}") from error
    return Lock(sources, entries)
