"""What is read: trees of manifests, single files, standard input. Each becomes one repository with its texts."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from ephemeral_castle.cli.checking.disk import Disk, content
from ephemeral_castle.cli.checking.programs import ports
from ephemeral_castle.manifests.files import Memory
from ephemeral_castle.manifests.ports import Ports
from ephemeral_castle.manifests.reading import read, read_files
from ephemeral_castle.manifests.repository import Repository
from ephemeral_castle.manifests.schemas.lock import NAME as LOCK

INPUT = "<stdin>"
OUTSIDE = "kustomization-not-rendered"  # the rule that tells of a base outside of what is read


@dataclass(frozen=True)
class Seen:
    """A repository that was read.

    Attributes:
        repository: what is in it.
        prefix: directory before each of its paths, as the person named it; "" for none.
        whole: whether what an object refers to must be found in it; single files refer to others that nobody named.
        home: directory of this computer where the lock of its schemas is looked for.
        lock: that lock, where it is in the repository and that is not on this computer's disk.
    """

    repository: Repository
    prefix: str = ""
    whole: bool = True
    home: str = "."
    lock: bytes | None = None


def tree(path: str, *, offline: bool) -> Seen:
    """Everything below a directory. `offline`: no other program renders anything, for some of them fetch."""
    found = read(Disk(path), "", Ports() if offline else ports(path))
    seen, out = Seen(found, "" if path == "." else path, home=path), _reaching_out(found)
    top = _top(path) if out else None
    if top is None:
        return seen
    # A part of a repository: bases lie beside it, and Flux names its directories from the root.
    start, name = os.path.relpath(path, top).replace(os.sep, "/"), os.path.relpath(top)
    whole = read(Disk(name), start, Ports() if offline else ports(name))
    return Seen(whole, "" if name == "." else name, home=path) if _reaching_out(whole) < out else seen


def _reaching_out(found: Repository) -> int:
    """How many bases and directories were looked for, and lie outside of what was read."""
    bases = sum(each.rule == OUTSIDE and "outside" in each.message for each in found.faults)
    return bases + sum(not unit.path for unit in found.units)


def _top(path: str) -> Path | None:
    """The root of the Git working tree that a directory lies in; None where it is the root itself, or lies in none."""
    here = Path(path).resolve()
    if (here / ".git").exists():
        return None
    return next((each for each in here.parents if (each / ".git").exists()), None)


def committed(files: Mapping[str, bytes], name: str, beside: str) -> Seen:
    """The files of a revision.

    Args:
        files: by path.
        name: stands before every path.
        beside: directory of the definition, whose lock holds where the revision has none.
    """
    return Seen(read(Memory(files)), name, home=beside, lock=files.get(LOCK))


def single(paths: Iterable[str], stdin: bytes | None) -> Seen:
    """Single files, and standard input where it was read, judged together."""
    named = list(paths)
    given = {INPUT: stdin} if stdin is not None else {}
    home = str(Path(named[0]).parent) if named else "."
    return Seen(read_files(_Named(given), [*named, *given]), whole=False, home=home)


class _Named(Memory):
    """Standard input, and files of this computer by the names that a person gave them."""

    def read(self, path: str) -> bytes:
        """The content of a file."""
        return super().read(path) if path in self.texts else content(Path(path))
