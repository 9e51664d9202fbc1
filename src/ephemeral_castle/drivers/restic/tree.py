"""A tree of files as a manifest: what is in it, and whether two of them are the same.

Runs in the containers of restic, where castle is not: it is handed over as text and imports the standard library only.

    tree.py take ROOT MANIFEST KNOWN     writes the manifest of ROOT; prints {"entries", "files", "bytes", "digest"}
    tree.py moved ROOT KNOWN             prints the paths that changed since KNOWN was written, as a JSON list
    tree.py differ ONE OTHER [EXCEPT]    prints [path, what] of each difference, but of the paths in EXCEPT
    tree.py count MANIFEST               prints what `take` printed
    tree.py sample MANIFEST COUNT        prints that many of its files, spread over all: {"path", "sha256", "size"}
    tree.py listed ANSWER                what `restic ls --json` listed below /data, as "take" counts it

A manifest has one JSON line per path, in the order of the paths' bytes: path, type, mode, uid, gid, time of last change
(ns), size, content, number of names. Content is the SHA-256 of a file and the target of a link. Names that are no UTF-8
survive as lone surrogates, escaped. Sockets are left out: they hold nothing, and restic leaves them out, too.

KNOWN keeps inode and change time (ctime) beside each digest, so that a file is read again only when it changed. ctime
cannot be set back; a file that changed within two seconds before it was read is read again all the same, since two
changes within one tick of the clock look like one.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import stat
import sys
import time  # noqa: TID251 - this runs where no world is
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

RACY = 2_000_000_000  # ns
SHOWN = 1000  # differences that are printed
TYPES = {
    stat.S_IFREG: "file",
    stat.S_IFDIR: "folder",
    stat.S_IFLNK: "link",
    stat.S_IFIFO: "pipe",
    stat.S_IFCHR: "character device",
    stat.S_IFBLK: "block device",
}
PLAIN = re.compile(r"[A-Za-z0-9._/-]{1,200}")  # names that need no quoting anywhere
FIELDS = ("path", "type", "mode", "owner", "group", "time", "size", "content", "names")
Row = list[Any]
Known = dict[str, Row]


def walk(root: str) -> Iterator[tuple[str, os.stat_result]]:
    """Every path below the root and the root itself (".") with its status; what vanishes meanwhile is left out."""
    yield ".", Path(root).lstat()
    waiting = [""]
    while waiting:
        folder = waiting.pop()
        try:
            found = list(os.scandir(os.path.join(root, folder)))  # noqa: PTH118 - a Path would fold names like "./x"
        except FileNotFoundError:
            continue
        for entry in found:
            path = f"{folder}/{entry.name}" if folder else entry.name
            try:
                status = entry.stat(follow_symlinks=False)
            except FileNotFoundError:
                continue
            yield path, status
            if entry.is_dir(follow_symlinks=False):
                waiting.append(path)


def stamp(status: os.stat_result) -> list[int]:
    """What tells that a path changed: also owner and mode change it."""
    return [status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns]


def digest_of(path: Path) -> str:
    """SHA-256 of a file; "" when it vanished."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError:
        return ""


def content_of(root: str, path: str, status: os.stat_result, known: Known) -> str:
    """Digest of a file, target of a link, number of a device."""
    kind = stat.S_IFMT(status.st_mode)
    if kind == stat.S_IFLNK:
        return str((Path(root) / path).readlink())
    if kind in (stat.S_IFCHR, stat.S_IFBLK):
        return f"{os.major(status.st_rdev)}:{os.minor(status.st_rdev)}"
    if kind != stat.S_IFREG:
        return ""
    before = known.get(path)
    if before is not None and before[0] == stamp(status) and before[1]:
        return str(before[1])
    return digest_of(Path(root) / path)


def rows(root: str, known: Known) -> tuple[list[Row], Known]:
    """The manifest of a tree, and what to know of it the next time."""
    now = time.time_ns()
    found = [each for each in walk(root) if stat.S_IFMT(each[1].st_mode) in TYPES]
    found.sort(key=lambda each: os.fsencode(each[0]))
    with ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as readers:
        contents = list(readers.map(lambda each: content_of(root, each[0], each[1], known), found))
    made: list[Row] = []
    again: Known = {}
    for (path, status), content in zip(found, contents, strict=True):
        kind = stat.S_IFMT(status.st_mode)
        plain = kind == stat.S_IFREG
        made.append([path, TYPES[kind], stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid,
                     0 if kind == stat.S_IFLNK else status.st_mtime_ns, status.st_size if plain else 0, content,
                     status.st_nlink if plain else 1])  # fmt: skip
        again[path] = [stamp(status), content if plain and now - status.st_ctime_ns > RACY else ""]
    return made, again


def take(root: str, manifest: str, known_file: str) -> dict[str, Any]:
    """Writes the manifest and what is known; gives counts and the manifest's own digest."""
    made, again = rows(root, load_known(known_file))
    Path(manifest).write_text("".join(json.dumps(row) + "\n" for row in made))
    Path(known_file).write_text(json.dumps(again))
    return count(made)


def count(made: list[Row]) -> dict[str, Any]:
    """Counts, the digest of the manifest, and one of its outline: what a listing of a snapshot tells of it."""
    text = "".join(json.dumps(row) + "\n" for row in made)
    files = [row for row in made if row[1] == "file"]
    return {
        "entries": len(made),
        "files": len(files),
        "bytes": sum(row[6] for row in files),
        "digest": hashlib.sha256(text.encode()).hexdigest(),
        "outline": outline((row[0], row[1], row[2], row[3], row[4], row[6]) for row in made),
    }


def sample(made: list[Row], wanted: int) -> list[dict[str, Any]]:
    """Files from first to last with what they hold, for somebody who asks for them by name; plain names only."""
    files = [row for row in made if row[1] == "file" and PLAIN.fullmatch(row[0])]
    step = max(1, len(files) // max(1, wanted))
    return [{"path": row[0], "sha256": row[7], "size": row[6]} for row in files[::step][:wanted]]


def outline(found: Iterable[tuple[Any, ...]]) -> str:
    """Digest over path, type, mode, owner, group and size of everything."""
    # restic's JSON has U+FFFD for each byte that is no UTF-8.
    lines = sorted(re.sub(r"\\udc[89a-f][0-9a-f]", r"\\ufffd", json.dumps(each)) for each in found)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


KINDS = {"dir": "folder", "file": "file", "symlink": "link", "fifo": "pipe", "chardev": "character device",
         "dev": "block device"}  # fmt: skip
SPECIAL = ((1 << 23, stat.S_ISUID), (1 << 22, stat.S_ISGID), (1 << 20, stat.S_ISVTX))  # bits of Go's os.FileMode


def listed(answer: str) -> dict[str, Any]:
    """What `restic ls --json` says of /data: JSON lines of nodes."""
    found: list[tuple[Any, ...]] = []
    for node in map(json.loads, Path(answer).read_text(errors="surrogateescape").splitlines()):
        path = str(node.get("path", ""))
        if node.get("struct_type") != "node" or node["type"] not in KINDS or not f"{path}/".startswith("/data/"):
            continue
        mode = node.get("mode", 0)
        bits = (mode & 0o777) | sum(unix for go, unix in SPECIAL if mode & go)
        size = node.get("size", 0) if node["type"] == "file" else 0
        name = path.removeprefix("/data").removeprefix("/") or "."
        found.append((name, KINDS[node["type"]], bits, node.get("uid", 0), node.get("gid", 0), size))
    return {"entries": len(found), "bytes": sum(each[5] for each in found), "outline": outline(found)}


def load_known(path: str) -> Known:
    """What was written before; nothing when it cannot be read: then every file is read."""
    try:
        found: Known = json.loads(Path(path).read_text())
    except (OSError, ValueError):
        return {}
    return found


def moved(root: str, known: Known) -> list[str]:
    """Paths that came, went or changed since."""
    seen = {path: stamp(status) for path, status in walk(root) if stat.S_IFMT(status.st_mode) in TYPES}
    return sorted(
        path for path in {*seen, *known} if path not in seen or path not in known or seen[path] != known[path][0]
    )


def load_rows(path: str) -> dict[str, Row]:
    """A manifest by path."""
    return {row[0]: row for row in map(json.loads, Path(path).read_text().splitlines())}


def differ(one: dict[str, Row], other: dict[str, Row], excepted: Iterable[str] = ()) -> list[list[str]]:
    """[path, what] of each difference; what a person should read: "is missing", "is new", or the fields that differ."""
    left_out = set(excepted)
    found: list[list[str]] = []
    for path in sorted({*one, *other} - left_out):
        if path not in other:
            found.append([path, "is missing"])
        elif path not in one:
            found.append([path, "is new"])
        elif one[path] != other[path]:
            fields = [name for name, a, b in zip(FIELDS, one[path], other[path], strict=True) if a != b]
            found.append([path, "differs in " + ", ".join(fields)])
    return found


def main(argv: list[str]) -> None:
    """One command; prints JSON."""
    verb, *args = argv
    answer: Any
    if verb == "take":
        answer = take(*args)
    elif verb == "moved":
        answer = moved(args[0], load_known(args[1]))  # all of them: a proof excepts them from its comparison
    elif verb == "count":
        answer = count(list(load_rows(args[0]).values()))
    elif verb == "sample":
        answer = sample(list(load_rows(args[0]).values()), int(args[1]))
    elif verb == "listed":
        answer = listed(args[0])
    else:
        excepted = json.loads(Path(args[2]).read_text()) if len(args) > 2 else []
        answer = differ(load_rows(args[0]), load_rows(args[1]), excepted)[:SHOWN]
    sys.stdout.write(json.dumps(answer) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
