"""Where texts come from: a repository seen as paths, so that reading it needs no disk. Pure."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol


class Unreadable(Exception):
    """A file that is there and cannot be read: no permission, too large, a link that leaves the repository."""


class Files(Protocol):
    """A tree of files. Paths are relative to its root, with `/`, without `.` and `..`; "" is the root itself."""

    def read(self, path: str) -> bytes:
        """The content of a file.

        Raises:
            FileNotFoundError: no such file; also where it is a directory.
            Unreadable: it cannot be read.
        """
        ...

    def list(self, directory: str) -> Sequence[str]:
        """The names in a directory in order, each directory's with a `/` at its end; empty where there is none.

        Links that leave the repository, sockets and devices are left out.
        """
        ...

    def is_file(self, path: str) -> bool:
        """Whether a file is there."""
        ...

    def is_directory(self, path: str) -> bool:
        """Whether a directory is there."""
        ...


@dataclass(frozen=True)
class Memory:
    """Files that are held in memory: those of tests, of standard input, of one revision of a repository."""

    texts: Mapping[str, str | bytes] = field(default_factory=dict)

    def read(self, path: str) -> bytes:
        """The content of a file."""
        if path not in self.texts:
            raise FileNotFoundError(path)
        found = self.texts[path]
        return found.encode() if isinstance(found, str) else found

    def list(self, directory: str) -> Sequence[str]:
        """The names in a directory."""
        inside = f"{directory}/" if directory else ""
        below = (path[len(inside) :] for path in self.texts if path.startswith(inside))
        return sorted({f"{each.partition('/')[0]}/" if "/" in each else each for each in below})

    def is_file(self, path: str) -> bool:
        """Whether a file is there."""
        return path in self.texts

    def is_directory(self, path: str) -> bool:
        """Whether a directory is there."""
        return not path or any(each.startswith(f"{path}/") for each in self.texts)


def joined(directory: str, path: str) -> str | None:
    """The path that a file in a directory means by a relative one; None where that leaves the repository."""
    if path.startswith("/"):
        return None
    found = posixpath.normpath(posixpath.join(directory, path))
    if found == ".":
        return ""
    return None if found == ".." or found.startswith("../") else found


def within(path: str, directory: str) -> bool:
    """Whether a path is a directory or lies below it."""
    return not directory or path == directory or path.startswith(f"{directory}/")
