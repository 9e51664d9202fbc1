"""Fetches files that hold schemas: from this computer, a URL, a Go module, a package of PyPI.

What is fetched is known by a digest before anything of it is believed: that of the lock, where it has one. Go modules
come through the proxy that GOPROXY names, and carry the hash that go.sum would hold.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import os
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import httpx

from ephemeral_castle.errors import Conflict, NotFound, Permanent, Unreachable, UsageError

LARGEST: Final = 128 * 1024 * 1024  # bytes of a download
LARGEST_FILE: Final = 32 * 1024 * 1024  # bytes of one file in an archive
SUFFIXES: Final = (".yaml", ".yml", ".json")
TIMEOUT: Final = 60.0  # seconds, for each answer of a server
DEFAULT_PROXY: Final = "https://proxy.golang.org"
DEFAULT_INDEX: Final = "https://pypi.org/simple"
_SKIPPED: Final = ("/testdata/", "/test/", "/vendor/", "/node_modules/")

File = tuple[str, bytes]


def directory(path: Path) -> tuple[str, list[File]]:
    """The manifests of a directory or one file, and the digest of all of them."""
    if not path.exists():
        raise NotFound(f"there is no {path}", hints=["castle schemas pull DIRECTORY"])
    found = [path] if path.is_file() else sorted(each for each in path.rglob("*") if each.suffix in SUFFIXES)
    base = path.parent if path.is_file() else path
    files = [(each.relative_to(base).as_posix(), each.read_bytes()) for each in found if each.is_file()]
    return _digest(files), files


def _digest(files: list[File]) -> str:
    """A hash over names and contents, as `h1` of Go has it."""
    lines = "".join(f"{hashlib.sha256(content).hexdigest()}  {name}\n" for name, content in sorted(files))
    return f"sha256:{hashlib.sha256(lines.encode()).hexdigest()}"


def url(address: str, sha256: str, transport: httpx.BaseTransport | None = None) -> tuple[str, list[File]]:
    """A file or an archive (.zip, .whl, .tar.gz) by its URL and the hash that it must have."""
    if not address.startswith(("https://", "http://")):
        raise UsageError(f"`{address}` is no URL of http", hints=["castle schemas pull https://... --sha256 HASH"])
    content = _get(address, transport)
    digest = hashlib.sha256(content).hexdigest()
    if sha256 and digest != sha256.removeprefix("sha256:"):
        raise Conflict(
            "this is not what was pinned",
            where=address,
            why=f"its sha256 is {digest}, wanted was {sha256}",
            hints=["look at what changed there before you take the new hash"],
        )
    name = address.partition("?")[0].rpartition("/")[2]
    return f"sha256:{digest}", list(unpacked(name, content))


def module(named: str, transport: httpx.BaseTransport | None = None) -> tuple[str, list[File]]:
    """The manifests of a Go module, `MODULE@VERSION`, and its hash as go.sum has it."""
    path, at, version = named.partition("@")
    if not at or not version or version == "latest":
        hint = "castle schemas pull go:github.com/external-secrets/external-secrets@v1.3.2"
        raise UsageError(f"`{named}` names no version of a module", hints=[hint])
    escaped = "".join(f"!{each.lower()}" if each.isupper() else each for each in path)
    content = _get(f"{_proxy()}/{escaped}/@v/{version}.zip", transport)
    prefix = f"{path}@{version}/"
    return go_hash(content), [
        (name.removeprefix(prefix), body) for name, body in unpacked("module.zip", content) if _of_interest(name)
    ]


def _of_interest(name: str) -> bool:
    return not any(each in f"/{name}" for each in _SKIPPED)


def go_hash(content: bytes) -> str:
    """`h1:` of a module's zip."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        lines = [f"{hashlib.sha256(archive.read(name)).hexdigest()}  {name}\n" for name in sorted(archive.namelist())]
    return f"h1:{base64.b64encode(hashlib.sha256(''.join(lines).encode()).digest()).decode()}"


def _proxy() -> str:
    for each in os.environ.get("GOPROXY", DEFAULT_PROXY).replace("|", ",").split(","):
        if each.startswith(("https://", "http://", "file://")):
            return each.rstrip("/")
    raise Permanent(
        "GOPROXY names no proxy", why="castle reads modules from a proxy only", hints=[f"GOPROXY={DEFAULT_PROXY}"]
    )


def package(named: str, transport: httpx.BaseTransport | None = None) -> tuple[str, list[File]]:
    """The OpenAPI of the Kubernetes version that a package of PyPI is named after: that one file of its wheel."""
    name, equal, version = named.partition("==")
    if not equal or not version:
        raise UsageError(f"`{named}` names no version", hints=["castle schemas pull pypi:kubernetes-validate==1.36.0"])
    index = os.environ.get("UV_INDEX_URL") or os.environ.get("PIP_INDEX_URL") or DEFAULT_INDEX
    listed = _json(f"{index.rstrip('/')}/{name}/", transport)
    wheels = [
        each
        for each in listed.get("files") or []
        if each["filename"].endswith(".whl") and each["filename"].split("-")[1] == version
    ]
    if not wheels:
        raise NotFound(f"there is no wheel of {named}", where=index)
    digest, files = url(wheels[0]["url"], wheels[0]["hashes"]["sha256"], transport)
    kubernetes = ".".join(version.split(".")[:2])
    wanted = [each for each in files if f"/v{kubernetes}." in each[0] and each[0].endswith("-local/_definitions.json")]
    if not wanted:
        raise NotFound(f"{named} has no OpenAPI of Kubernetes {kubernetes}")
    return digest, wanted


def unpacked(name: str, content: bytes) -> Iterator[File]:
    """The manifests of an archive, or the file itself."""
    try:
        if name.endswith((".zip", ".whl")):
            with zipfile.ZipFile(io.BytesIO(content)) as archive:
                for each in archive.infolist():
                    if each.filename.endswith(SUFFIXES) and each.file_size <= LARGEST_FILE:
                        yield each.filename, archive.read(each)
        elif name.endswith((".tar.gz", ".tgz")):
            with tarfile.open(fileobj=io.BytesIO(content), mode="r:gz") as tar:
                for member in tar:
                    if member.isfile() and member.name.endswith(SUFFIXES) and member.size <= LARGEST_FILE:
                        opened = tar.extractfile(member)
                        yield member.name, opened.read() if opened else b""
        else:
            yield name, content
    except (zipfile.BadZipFile, tarfile.TarError, EOFError, OSError) as error:
        raise Permanent("this archive cannot be read", where=name, why=str(error)) from error


def _json(address: str, transport: httpx.BaseTransport | None) -> dict[str, Any]:

    accept = {"Accept": "application/vnd.pypi.simple.v1+json"}
    found = json.loads(_get(address, transport, accept))
    if not isinstance(found, dict):
        raise Permanent("this index does not speak JSON", where=address)
    return found


def _get(address: str, transport: httpx.BaseTransport | None, headers: dict[str, str] | None = None) -> bytes:
    if address.startswith("file://"):
        return Path(address.removeprefix("file://")).read_bytes()
    body = bytearray()
    try:
        with (
            httpx.Client(transport=transport, timeout=TIMEOUT, follow_redirects=True) as client,
            client.stream("GET", address, headers=headers) as answer,
        ):
            if answer.status_code in (404, 410):
                raise NotFound("there is nothing", where=address, why=f"the server says {answer.status_code}")
            if answer.status_code >= 400:
                raise Unreachable("the server refuses", where=address, why=f"it says {answer.status_code}")
            for chunk in answer.iter_bytes():
                body += chunk
                if len(body) > LARGEST:
                    raise Permanent("this is too large", where=address, why=f"more than {LARGEST >> 20} MiB")
    except httpx.HTTPError as error:
        raise Unreachable(
            "the server does not answer", where=address, why=str(error) or type(error).__name__
        ) from error
    return bytes(body)
