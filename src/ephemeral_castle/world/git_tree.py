"""The files of a commit, from what git tells of it: names, links, limits, digests. Pure.

Sources: git-ls-tree(1), git-cat-file(1) "BATCH OUTPUT", gitformat-pack(5); the specification of Git LFS, "The Pointer".
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from ephemeral_castle.errors import Damaged, NotFound, Refused

FILE, PROGRAM, LINK, SUBMODULE = "100644", "100755", "120000", "160000"
MOST_FILES = 10_000
LARGEST = 64 * 1024 * 1024  # bytes of all files of a folder: they are held in memory, here and on the machine
_MOST_HOPS = 40  # as the kernel's own limit for symbolic links, path_resolution(7)
_LONGEST_LINK = 4096
_LFS = b"version https://git-lfs.github.com/spec/"
_CONTROL = re.compile(r"[\x00-\x1f\x7f\x80-\x9f]")


@dataclass(frozen=True)
class Entry:
    """One file, link or submodule. `mode`: as git writes it; `size`: bytes, 0 for a submodule."""

    path: str
    mode: str
    sha: str
    size: int


def parse_listing(raw: bytes) -> list[Entry]:
    """What `git ls-tree -r -z -l` printed.

    Raises:
        Refused: a name that is not UTF-8.
    """
    entries = []
    for line in raw.split(b"\0"):
        if not line:
            continue
        about, _, name = line.partition(b"\t")
        mode, _kind, sha, size = about.decode("ascii").split()
        try:
            path = name.decode()
        except UnicodeDecodeError:
            raise _refused("its name is not UTF-8", name.decode(errors="backslashreplace")) from None
        entries.append(Entry(path, mode, sha, 0 if size == "-" else int(size)))
    return entries


def tidy_folder(folder: str) -> str:
    """A folder as git names it: no `./`, no slash at its ends; "" is the root.

    Raises:
        Refused: it leads out of the repository.
    """
    parts = [part for part in folder.split("/") if part not in {"", "."}]
    if folder.startswith("/") or ".." in parts:
        raise Refused(f"`{folder}` is no folder of a repository", why="it leads out of it")
    return "/".join(parts)


def below(entries: Iterable[Entry], folder: str) -> dict[str, Entry]:
    """The entries below a folder by their path in it, each with a name that a file may have.

    Raises:
        NotFound: there is no such folder. Refused: see `spi.world.Source.read`.
    """
    everything = list(entries)
    start = f"{folder}/" if folder else ""
    found = {entry.path[len(start) :]: entry for entry in everything if entry.path.startswith(start)}
    if not found:
        raise _no_folder(folder, everything)
    if len(found) > MOST_FILES:
        raise Refused("the folder has too many files", where=folder, why=f"{len(found)}; at most {MOST_FILES}")
    for entry in found.values():
        _check(entry)
    return found


def _no_folder(folder: str, entries: Iterable[Entry]) -> NotFound:
    for entry in entries:
        if entry.path == folder or folder.startswith(f"{entry.path}/"):
            what = "a symbolic link" if entry.mode == LINK else "a submodule" if entry.mode == SUBMODULE else "a file"
            return NotFound(f"the repository has no folder `{folder}`", why=f"`{entry.path}` is {what}")
    folders = sorted({entry.path.rpartition("/")[0] for entry in entries} - {""})
    known = ", ".join(folders[:10]) or "none"
    return NotFound(f"the repository has no folder `{folder}`", hints=[f"folders at this commit: {known}"])


def _check(entry: Entry) -> None:
    parts = entry.path.split("/")
    if any(part in {"", ".", ".."} or part.lower() == ".git" for part in parts) or _CONTROL.search(entry.path):
        raise _refused("no file may have this name", entry.path)
    if entry.mode == SUBMODULE:
        raise _refused("it is a submodule: its files lie in another repository", entry.path)
    if entry.mode == LINK and entry.size > _LONGEST_LINK:
        raise _refused("the target of this link is too long", entry.path)


def follow_links(entries: Mapping[str, Entry], targets: Mapping[str, bytes]) -> dict[str, Entry]:
    """The files by path, with every link replaced by what it leads to.

    Args:
        entries: as `below` gave them.
        targets: content of each link by its id.

    Raises:
        Refused: a link leaves the folder, leads nowhere or in a circle, or there is more than is reasonable.
    """
    return _Links(entries, targets).resolve()


class _Links:
    def __init__(self, entries: Mapping[str, Entry], targets: Mapping[str, bytes]) -> None:
        self.entries, self.targets = entries, targets
        self.children: dict[str, list[str]] = {"": []}
        for path in entries:
            self._grow(path)
        self.found: dict[str, Entry] = {}

    def _grow(self, path: str) -> None:
        above = path.rpartition("/")[0]
        if above not in self.children:
            self.children[above] = []
            self._grow(above)
        self.children[above].append(path)

    def resolve(self) -> dict[str, Entry]:
        self._emit("", "", 0)
        total = sum(entry.size for entry in self.found.values())
        if total > LARGEST:
            why = f"{total // 2**20} MiB; at most {LARGEST // 2**20} MiB, for all of it is held in memory"
            raise Refused("the files of the folder are too large", why=why)
        return self.found

    def _emit(self, shown: str, real: str, hops: int) -> None:
        if real in self.children:
            for child in self.children[real]:
                name = child.rpartition("/")[2]
                self._emit(f"{shown}/{name}" if shown else name, child, hops)
            return
        entry = self.entries[real]
        if entry.mode == LINK:
            self._emit(shown, self._target(entry, real), self._hop(hops, entry))
            return
        if len(self.found) >= MOST_FILES:
            raise _refused(f"its links make more than {MOST_FILES} files", entry.path)
        self.found[shown] = entry

    def _hop(self, hops: int, entry: Entry) -> int:
        if hops >= _MOST_HOPS:
            raise _refused("its links lead in a circle", entry.path)
        return hops + 1

    def _target(self, link: Entry, path: str) -> str:
        """Where a link leads, inside the folder; links on the way are followed too."""
        way = self.targets[link.sha].decode(errors="backslashreplace")
        if way.startswith("/") or "\0" in way or not way:
            raise _leaves(link, way)
        here = path.split("/")[:-1]
        left, hops = way.split("/")[::-1], 0
        while left:
            part = left.pop()
            if part in {"", "."}:
                continue
            if part == "..":
                if not here:
                    raise _leaves(link, way)
                here.pop()
                continue
            here.append(part)
            name = "/".join(here)
            entry = self.entries.get(name)
            if entry is None and name not in self.children:
                raise _refused(f"it is a link that leads to nothing: {way!r}", link.path)
            if entry is not None and entry.mode == LINK and left:
                hops = self._hop(hops, link)
                inner = self.targets[entry.sha].decode(errors="backslashreplace")
                if inner.startswith("/"):
                    raise _leaves(link, inner)
                here.pop()
                left += inner.split("/")[::-1]
        return "/".join(here)


def _leaves(link: Entry, way: str) -> Refused:
    return _refused(f"it is a link that leaves the folder: {way!r}", link.path)


def _refused(why: str, path: str) -> Refused:
    name = _CONTROL.sub(lambda match: f"\\x{ord(match[0]):02x}", path)
    return Refused("a file of the repository cannot be used", where=name, why=why, state="nothing was changed")


def parse_blobs(raw: bytes, shas: Iterable[str]) -> dict[str, bytes]:
    """Contents by id, from what `git cat-file --batch` printed for these ids, in their order.

    Raises:
        Damaged: one is missing, cut short, or is not what its id says.
    """
    found, at = {}, 0
    for sha in shas:
        end = raw.find(b"\n", at)
        about = raw[at:end].split() if end >= 0 else []
        if len(about) != 3 or about[0] != sha.encode() or about[1] != b"blob":
            raise _damaged(sha, "it is missing")
        size = int(about[2])
        content = raw[end + 1 : end + 1 + size]
        if hashlib.sha1(b"blob %d\0" % size + content, usedforsecurity=False).hexdigest() != sha:
            raise _damaged(sha, "its content has another digest")
        found[sha] = content
        at = end + 1 + size + 1
    return found


def _damaged(sha: str, why: str) -> Damaged:
    return Damaged("an object of the repository cannot be read", where=sha, why=why)


def refuse_pointers(files: Mapping[str, bytes]) -> None:
    """Looks for files that Git LFS keeps elsewhere.

    Raises:
        Refused: one is only a pointer.
    """
    for path, content in files.items():
        if content.startswith(_LFS) and len(content) < 1024:
            raise Refused(
                "a file of the repository is not in it",
                where=path,
                why="Git LFS keeps it elsewhere; in the repository lies a pointer only",
                state="nothing was changed",
                hints=[f"git lfs migrate export --include='{path}' --everything"],
            )
