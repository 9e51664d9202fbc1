"""Artifacts: archives of commits on disk, served over HTTP. Equal content makes equal bytes.

Source: fluxcd/pkg artifact/storage. The disk is the pod's own: after a restart nothing is there.
"""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import http.server
import os
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path

from ..api import Object, stamp
from .ignore import Ignore
from .words import KIND

KEPT = 2  # artifacts of one object
TTL = 60.0  # seconds for which older ones stay


class Storage:
    """The disk.

    Args:
        root: directory.
        advertised: host and port under which clusters reach it.
    """

    def __init__(self, root: Path, advertised: str) -> None:
        self.root, self.advertised = root, advertised

    def path(self, namespace: str, name: str, file: str = "") -> Path:
        """Relative to the root."""
        return Path(KIND.lower(), namespace, name, file)

    def has(self, artifact: Object) -> bool:
        """Whether the file is there and is what its digest says."""
        file = self.root / artifact["path"]
        return file.is_file() and _digest(file) == str(artifact["digest"])

    def store(self, namespace: str, name: str, revision: str, sha: str, tree: Path, ignore: Ignore) -> Object:
        """Archives a tree; gives the artifact as it stands in the status."""
        path = self.path(namespace, name, f"{sha}.tar.gz")
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        draft = file.with_name(f".{file.name}.{os.getpid()}")
        try:
            with draft.open("wb") as raw, gzip.GzipFile("", "wb", mtime=0, fileobj=raw) as packed:
                pack(tree, packed, ignore)
            draft.replace(file)
        finally:
            draft.unlink(missing_ok=True)
        return {
            "path": str(path),
            "url": self.url(str(path)),
            "revision": revision,
            "digest": _digest(file),
            "size": file.stat().st_size,
            "lastUpdateTime": stamp(),
        }

    def url(self, path: str) -> str:
        """Where a file is served."""
        return f"http://{self.advertised}/{path}"

    def collect(self, artifact: Object) -> None:
        """Removes what is older than the current artifact by more than its time, and more than are kept."""
        current = self.root / artifact["path"]
        others = [each for each in current.parent.glob("*.tar.gz") if each != current]
        others.sort(key=lambda each: each.stat().st_mtime, reverse=True)
        for number, each in enumerate(others, start=2):
            if number > KEPT or time.time() - each.stat().st_mtime > TTL:
                each.unlink(missing_ok=True)

    def forget(self, namespace: str, name: str) -> None:
        """Removes all of an object."""
        folder = self.root / self.path(namespace, name)
        for each in folder.glob("*") if folder.is_dir() else ():
            each.unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            folder.rmdir()


def pack(tree: Path, target: gzip.GzipFile, ignore: Ignore) -> None:
    """Regular files and directories, in order, of nobody, of no time. Symbolic links are left out."""
    with tarfile.open(fileobj=target, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for path in _walk(tree, (), ignore):
            real = tree.joinpath(*path)
            entry = tarfile.TarInfo("/".join(path))
            if real.is_dir():
                entry.type, entry.mode = tarfile.DIRTYPE, 0o750
                archive.addfile(entry)
                continue
            entry.size = real.stat().st_size
            entry.mode = 0o700 if os.access(real, os.X_OK) else 0o600
            with real.open("rb") as file:
                archive.addfile(entry, file)


def _walk(tree: Path, above: tuple[str, ...], ignore: Ignore) -> Iterator[tuple[str, ...]]:
    for each in sorted(tree.joinpath(*above).iterdir()):
        path = (*above, each.name)
        if each.is_symlink() or ignore.leaves_out(path, folder=each.is_dir()):
            continue
        if each.is_dir():
            yield path
            yield from _walk(tree, path, ignore)
        elif each.is_file():
            yield path


def _digest(file: Path) -> str:
    found = hashlib.sha256()
    with file.open("rb") as opened:
        while chunk := opened.read(1 << 20):
            found.update(chunk)
    return f"sha256:{found.hexdigest()}"


def server(storage: Storage, address: tuple[str, int]) -> http.server.ThreadingHTTPServer:
    """A plain file server over the disk; `/` answers, for the readiness probe."""

    class Files(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            path = (storage.root / self.path.split("?")[0].lstrip("/")).resolve()
            if self.path == "/":
                self._answer(200, b"")
            elif path.is_file() and path.is_relative_to(storage.root.resolve()):
                self._answer(200, path.read_bytes())
            else:
                self._answer(404, b"404 page not found\n")

        def _answer(self, status: int, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    return http.server.ThreadingHTTPServer(address, Files)
