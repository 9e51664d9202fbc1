"""What is read: trees of manifests, single files, standard input. Each becomes one repository with its texts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from ephemeral_castle.cli.checking.disk import Disk, content
from ephemeral_castle.cli.checking.programs import ports
from ephemeral_castle.manifests.files import Memory
from ephemeral_castle.manifests.ports import Ports
from ephemeral_castle.manifests.reading import read, read_files
from ephemeral_castle.manifests.repository import Repository

INPUT = "<stdin>"


@dataclass(frozen=True)
class Seen:
    """A repository that was read.

    Attributes:
        repository: what is in it.
        prefix: directory before each of its paths, as the person named it; "" for none.
        whole: whether what an object refers to must be found in it; single files refer to others that nobody named.
    """

    repository: Repository
    prefix: str = ""
    whole: bool = True


def tree(path: str, *, offline: bool) -> Seen:
    """Everything below a directory. `offline`: no other program renders anything, for some of them fetch."""
    found = read(Disk(path), "", Ports() if offline else ports(path))
    return Seen(found, "" if path == "." else path)


def committed(files: Mapping[str, bytes], name: str) -> Seen:
    """The files of a revision. `name`: stands before every path."""
    return Seen(read(Memory(files)), name)


def single(paths: Iterable[str], stdin: bytes | None) -> Seen:
    """Single files, and standard input where it was read, judged together."""
    named = list(paths)
    given = {INPUT: stdin} if stdin is not None else {}
    return Seen(read_files(_Named(given), [*named, *given]), whole=False)


class _Named(Memory):
    """Standard input, and files of this computer by the names that a person gave them."""

    def read(self, path: str) -> bytes:
        """The content of a file."""
        return super().read(path) if path in self.texts else content(Path(path))
