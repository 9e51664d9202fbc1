"""Brings images into a registry by its HTTP API; what lies there already is not sent again.

Source: OCI distribution-spec 1.0.
"""

from __future__ import annotations

import http.client
import urllib.parse
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from .images import MANIFEST, Blob, Image, blob_of
from .places import Trouble

if TYPE_CHECKING:
    from http.client import HTTPConnection, HTTPResponse

SECONDS = 120.0  # for one answer: a registry on a busy disk hashes 100 MB before it says anything


class Registry:
    """A registry that takes images without asking who we are.

    Args:
        url: `http://HOST:PORT`, `https://HOST:PORT`, or a port of the loopback.
    """

    def __init__(self, url: str) -> None:
        self.url = f"http://127.0.0.1:{url}" if url.isdecimal() else url.rstrip("/")
        self._parts = urllib.parse.urlsplit(self.url)
        if self._parts.scheme not in ("http", "https") or not self._parts.netloc or self._parts.path:
            raise Trouble(f"'{url}' names no registry", "give a port of the loopback, or http://HOST:PORT")

    def holds(self, image: Image) -> bool:
        """Whether this very image lies there under its path and tag."""
        with self._asked("HEAD", f"/v2/{image.path}/manifests/{image.tag}", headers={"Accept": MANIFEST}) as answer:
            return answer.status == 200 and answer.headers.get("Docker-Content-Digest") == image.digest

    def push(self, image: Image) -> bool:
        """Brings an image there, and looks whether it arrived; says whether anything was sent.

        Raises:
            Trouble: the registry does not answer, or does not take it.
        """
        if self.holds(image):
            return False
        for layer in image.layers:
            self._blob(image.path, layer.blob, layer.chunks())
        self._blob(image.path, blob_of(image.config), [image.config])
        where = f"/v2/{image.path}/manifests/{image.tag}"
        self._must("PUT", where, 201, image.manifest, {"Content-Type": MANIFEST})
        if not self.holds(image):
            raise Trouble(
                f"{self.url} took {image.name} and now shows another one under this tag", "look who pushes there"
            )
        return True

    def _blob(self, path: str, blob: Blob, chunks: Iterable[bytes]) -> None:
        with self._asked("HEAD", f"/v2/{path}/blobs/{blob.digest}") as answer:
            if answer.status == 200:
                return
        location = self._must("POST", f"/v2/{path}/blobs/uploads/", 202, b"", {}).get("Location", "")
        at = urllib.parse.urlsplit(location)  # a whole URL or a path, both are allowed
        query = f"{at.query}&" if at.query else ""
        target = f"{at.path}?{query}digest={urllib.parse.quote(blob.digest)}"
        headers = {"Content-Length": str(blob.size), "Content-Type": "application/octet-stream"}
        self._must("PUT", target, 201, chunks, headers)

    def _must(
        self, method: str, target: str, status: int, body: bytes | Iterable[bytes], headers: dict[str, str]
    ) -> http.client.HTTPMessage:
        with self._asked(method, target, body, headers) as answer:
            if answer.status != status:
                said = answer.read(400).decode(errors="replace").strip()
                raise Trouble(
                    f"{self.url} answers {answer.status} to {method} {target.partition('?')[0]}: {said}",
                    "what was sent stays; the same command goes on from there",
                )
            return answer.headers

    @contextmanager
    def _asked(
        self, method: str, target: str, body: bytes | Iterable[bytes] = b"", headers: dict[str, str] | None = None
    ) -> Iterator[HTTPResponse]:
        kind = http.client.HTTPSConnection if self._parts.scheme == "https" else http.client.HTTPConnection
        connection: HTTPConnection = kind(self._parts.netloc, timeout=SECONDS)
        try:
            connection.request(method, target, body or None, headers or {})
            yield connection.getresponse()
        except (OSError, http.client.HTTPException) as error:
            why = str(error) or type(error).__name__
            start = f"python testbed/registry.py start DIR --port {self._parts.port or 443}"
            raise Trouble(f"the registry {self.url} does not answer: {why}", start) from error
        finally:
            connection.close()
