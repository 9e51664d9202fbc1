"""Images from files: layers, configuration and manifest of the OCI image format; equal files make equal bytes.

Layers are not compressed: they travel over one computer's loopback, where unpacking costs more than it saves.
Source: OCI image-spec 1.0.
"""

from __future__ import annotations

import hashlib
import io
import json
import platform
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Protocol

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar"
CHUNK = 1 << 20
BLOCK = 512  # of the tar format
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True)
class Blob:
    """What a registry keeps: bytes by their digest."""

    digest: str
    size: int


class Layer(Protocol):
    """One layer: a tar archive that can be read as often as needed."""

    @property
    def blob(self) -> Blob:
        """Digest and size."""

    def chunks(self) -> Iterator[bytes]:
        """Its bytes."""


class _Hashed:
    """A layer that reads itself once to know its digest."""

    def chunks(self) -> Iterator[bytes]:
        """Its bytes."""
        raise NotImplementedError

    @cached_property
    def blob(self) -> Blob:
        """Digest and size."""
        digest, size = hashlib.sha256(), 0
        for chunk in self.chunks():
            digest.update(chunk)
            size += len(chunk)
        return Blob(f"sha256:{digest.hexdigest()}", size)


@dataclass(frozen=True)
class Archive(_Hashed):
    """A layer that is a tar file already."""

    path: Path

    def chunks(self) -> Iterator[bytes]:
        """Its bytes."""
        yield from _read(self.path)


@dataclass(frozen=True)
class Files(_Hashed):
    """A layer of files that belong to root, dated 1970. Directories above them are made.

    Attributes:
        files: path in the image to a file here (it becomes a program, 0755) or to text (0644).
        links: path in the image to what a symbolic link there says.
        directories: path in the image to its mode; those that need another one than 0755.
    """

    files: Mapping[str, Path | str] = field(default_factory=dict)
    links: Mapping[str, str] = field(default_factory=dict)
    directories: Mapping[str, int] = field(default_factory=dict)

    def chunks(self) -> Iterator[bytes]:
        """Its bytes, made while they are read: a program of 100 MB is never held in memory."""
        for path, mode in sorted(self._all_directories().items()):
            yield _header(path, tarfile.DIRTYPE, mode)
        for path, link in sorted(self.links.items()):
            yield _header(path, tarfile.SYMTYPE, 0o777, link=link)
        for path, source in sorted(self.files.items()):
            if isinstance(source, str):
                content = source.encode()
                yield _header(path, tarfile.REGTYPE, 0o644, len(content)) + content + _padding(len(content))
            else:
                size = source.stat().st_size
                yield _header(path, tarfile.REGTYPE, 0o755, size)
                yield from _read(source)
                yield _padding(size)
        yield bytes(2 * BLOCK)

    def _all_directories(self) -> dict[str, int]:
        found: dict[str, int] = {}
        for path in (*self.files, *self.links, *self.directories):
            for parent in PurePosixPath(path).parents:
                if parent != PurePosixPath():
                    found[str(parent)] = 0o755
        return found | dict(self.directories)


@dataclass(frozen=True)
class Image:
    """An image under the name that its vendor gave it.

    Attributes:
        name: `HOST/PATH:TAG`, as manifests of Kubernetes write it.
        layers: the lowest first.
        entrypoint: what it runs, unless the pod says otherwise.
        user: `UID:GID`, or "" for root.
        labels: what it says about itself.
    """

    name: str
    layers: tuple[Layer, ...]
    entrypoint: tuple[str, ...]
    user: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)

    @property
    def path(self) -> str:
        """Its name without host and tag: where it lies in our registry."""
        return self.name.partition("/")[2].rpartition(":")[0]

    @property
    def tag(self) -> str:
        """Its tag."""
        return self.name.rpartition(":")[2]

    @cached_property
    def config(self) -> bytes:
        """Its configuration."""
        said: dict[str, object] = {"Env": [f"PATH={PATH}"], "Entrypoint": list(self.entrypoint), "WorkingDir": "/"}
        if self.user:
            said["User"] = self.user
        if self.labels:
            said["Labels"] = dict(self.labels)
        return _json({
            "architecture": ARCHITECTURES.get(platform.machine(), platform.machine()),
            "config": said,
            "created": "1970-01-01T00:00:00Z",
            "history": [{"created": "1970-01-01T00:00:00Z", "created_by": "testbed/kubernetes"} for _ in self.layers],
            "os": "linux",
            "rootfs": {"type": "layers", "diff_ids": [layer.blob.digest for layer in self.layers]},
        })  # fmt: skip

    @cached_property
    def manifest(self) -> bytes:
        """Its manifest."""
        layers = [_descriptor(LAYER, layer.blob) for layer in self.layers]
        config = _descriptor(CONFIG, blob_of(self.config))
        return _json({"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": layers})

    @property
    def digest(self) -> str:
        """The digest that pins it."""
        return blob_of(self.manifest).digest


def blob_of(content: bytes) -> Blob:
    """Digest and size of bytes in memory."""
    return Blob(f"sha256:{hashlib.sha256(content).hexdigest()}", len(content))


def _descriptor(kind: str, blob: Blob) -> dict[str, object]:
    return {"mediaType": kind, "digest": blob.digest, "size": blob.size}


def _json(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def _header(path: str, kind: bytes, mode: int, size: int = 0, link: str = "") -> bytes:
    entry = tarfile.TarInfo(path)
    entry.type, entry.mode, entry.size, entry.linkname = kind, mode, size, link
    entry.uname = entry.gname = "root"
    return entry.tobuf(tarfile.GNU_FORMAT)


def _padding(size: int) -> bytes:
    return bytes(-size % BLOCK)


def _read(path: Path) -> Iterator[bytes]:
    with path.open("rb", buffering=0) as file:
        yield from iter(lambda: file.read(CHUNK), b"")


def tar_names(layer: Layer) -> list[str]:
    """What is in a layer; reads it whole into memory, so for small ones."""
    with tarfile.open(fileobj=io.BytesIO(b"".join(layer.chunks()))) as archive:
        return archive.getnames()
