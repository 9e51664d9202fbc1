"""A small API server of the tests' own, over real TLS: it can die, forget, lie, and cut a stream in the middle."""

from __future__ import annotations

import asyncio
import contextlib
import json
import ssl
import tempfile
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from ephemeral_castle.spi.kubernetes import ClusterAccess, Manifest
from ephemeral_castle.spi.secret import Secret
from ephemeral_castle.world.clock import SystemClock
from tests.papers import Authority

KINDS = {  # plural: apiVersion, kind, namespaced
    "configmaps": ("v1", "ConfigMap", True),
    "events": ("v1", "Event", True),
    "namespaces": ("v1", "Namespace", False),
    "pods": ("v1", "Pod", True),
    "deployments": ("apps/v1", "Deployment", True),
    "widgets": ("tests.castle/v1", "Widget", True),
}
HANDSHAKE = 0.5  # seconds
AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"


class Quick(SystemClock):
    """Waits pass twenty times as fast."""

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(max(seconds, 0.0) / 20)


@dataclass(frozen=True)
class Asked:
    """One request."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes

    @property
    def watches(self) -> bool:
        return self.query.get("watch") in ("1", "true")


@dataclass(frozen=True)
class Reply:
    """One answer.

    Attributes:
        cut: the connection is cut after that many bytes of the body.
        hang: nothing ever comes.
        after: seconds until it comes.
    """

    status: int = 200
    body: Any = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    cut: int | None = None
    hang: bool = False
    after: float = 0.0


def failure(
    code: int, message: str, reason: str = "", *, headers: dict[str, str] | None = None, **details: Any
) -> Reply:
    body = {
        "kind": "Status",
        "status": "Failure",
        "code": code,
        "message": message,
        "reason": reason,
        "details": details,
    }
    return Reply(code, body, headers or {})


class Server:
    """The store, and the ways to break it. `script`: asked first about every request; None leaves it to the store."""

    def __init__(self) -> None:
        self.authority = Authority("cluster")
        self.objects: dict[tuple[str, str, str], Manifest] = {}
        self.kinds = dict(KINDS)
        self.aggregated = True
        self.ready = True
        self.polite = True  # tells 410 as a status; otherwise as an ERROR event
        self.script: Callable[[Asked], Reply | None] = lambda _: None
        self.asked: list[Asked] = []
        self.version = 100
        self.oldest = 100
        self._history: list[tuple[int, str, str, Manifest]] = []
        self._streams: dict[asyncio.StreamWriter, tuple[str, str]] = {}
        self.tasks: set[asyncio.Task[None]] = set()
        self._writers: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None
        self.port = 0
        self.deaths = 0

    @property
    def access(self) -> ClusterAccess:
        paper = self.authority.client("admin", "system:masters")
        key = Secret(paper.key)
        return ClusterAccess(f"https://127.0.0.1:{self.port}", self.authority.pem, paper.certificate, key)

    @property
    def context(self) -> ssl.SSLContext:
        """Demands a client's certificate: only one that was loaded from memory comes in."""
        paper = self.authority.server("127.0.0.1", "kubernetes")
        made = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cadata=self.authority.pem)
        made.verify_mode = ssl.CERT_REQUIRED
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "pem"
            file.write_text(paper.certificate + paper.key)
            made.load_cert_chain(file)
        return made

    async def start(self) -> None:
        # Who was let in at the moment of death, and never greeted, is let go after this time.
        self._server = await asyncio.start_server(
            self._serve, "127.0.0.1", self.port, ssl=self.context, ssl_handshake_timeout=HANDSHAKE
        )
        self.port = self._server.sockets[0].getsockname()[1]

    async def die(self) -> None:
        """Without a word, as by a power cut."""
        self.deaths += 1
        if self._server is not None:
            self._server.close()
        self.cut(everything=True)
        self._server = None

    def cut(self, *, everything: bool = False) -> None:
        """Breaks all streams, or all connections."""
        for each in list(self._writers if everything else self._streams):
            each.transport.abort()
        self._streams.clear()

    def end_streams(self) -> None:
        """Ends all streams as a server does whose time window is over."""
        for each in list(self._streams):
            each.write(b"0\r\n\r\n")
        self._streams.clear()

    def halve(self, plural: str, manifest: Manifest) -> None:
        """Sends the first half of a line, and breaks the stream."""
        line = json.dumps({"type": "MODIFIED", "object": manifest}).encode()
        for each in list(self._streams):
            _chunk(each, line[: len(line) // 2])
        self.cut()

    def forget(self) -> None:
        """Earlier moments are gone: who asks for them gets 410. Open streams are not told."""
        self.oldest = self.version
        self._history.clear()

    def bookmark(self) -> None:
        self.tell("BOOKMARK", {"kind": "ConfigMap", "metadata": {"resourceVersion": str(self.version)}})

    def tell(self, type_: str, manifest: Manifest, plural: str = "") -> None:
        """An event to every stream, or to those of one plural, whatever the store holds."""
        for writer, (watched, namespace) in list(self._streams.items()):
            fits = not plural or (watched == plural and namespace in ("", manifest["metadata"].get("namespace", "")))
            if fits:
                _chunk(writer, json.dumps({"type": type_, "object": manifest}).encode() + b"\n")

    def put(self, plural: str, name: str, namespace: str = "default", **more: Any) -> Manifest:
        """Creates or changes an object, and tells."""
        api, kind, namespaced = self.kinds[plural]
        key = (plural, namespace if namespaced else "", name)
        old = self.objects.get(key)
        self.version += 1
        meta = {
            "name": name,
            "uid": old["metadata"]["uid"] if old else f"uid-{self.version}",
            "resourceVersion": str(self.version),
            "managedFields": [{"manager": "x"}],
            **({"namespace": namespace} if namespaced else {}),
            **more.pop("metadata", {}),
        }
        made = {"apiVersion": api, "kind": kind, **more, "metadata": meta}
        self.objects[key] = made
        self._happened("MODIFIED" if old else "ADDED", plural, made)
        return made

    def drop(self, plural: str, name: str, namespace: str = "default") -> None:
        key = (plural, namespace if self.kinds[plural][2] else "", name)
        old = self.objects.pop(key, None)
        if old is not None:
            self.version += 1
            meta = {**old["metadata"], "resourceVersion": str(self.version)}
            self._happened("DELETED", plural, {**old, "metadata": meta})

    @property
    def streams(self) -> int:
        return len(self._streams)

    def _happened(self, type_: str, plural: str, manifest: Manifest) -> None:
        self._history.append((self.version, type_, plural, manifest))
        self.tell(type_, manifest, plural)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        task = asyncio.current_task()
        assert task is not None
        self.tasks.add(task)
        try:
            while True:
                asked = await _read(reader)
                self.asked.append(asked)
                reply = self.script(asked) or self._answer(asked)
                if reply is not None and reply.hang:
                    await reader.read()
                elif reply is not None:
                    await asyncio.sleep(reply.after)
                    await _write(writer, reply)
                else:
                    await self._watch(writer, asked)
        except (asyncio.IncompleteReadError, asyncio.CancelledError, ConnectionError, ssl.SSLError, _Cut):
            pass
        finally:
            self.tasks.discard(task)
            self._writers.discard(writer)
            self._streams.pop(writer, None)
            writer.transport.abort()

    async def _watch(self, writer: asyncio.StreamWriter, asked: Asked) -> None:
        _, _, plural, namespace, _ = self._place(asked.path)
        since = int(asked.query["resourceVersion"])
        if since < self.oldest and self.polite:
            await _write(writer, failure(410, "too old resource version", "Expired"))
            return
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n")
        if since < self.oldest:
            gone = {"kind": "Status", "code": 410, "reason": "Expired", "message": "too old resource version"}
            _chunk(writer, json.dumps({"type": "ERROR", "object": gone}).encode() + b"\n")
            writer.write(b"0\r\n\r\n")
            await writer.drain()
            return
        self._streams[writer] = (plural, namespace)
        for version, type_, about, manifest in self._history:
            fits = about == plural and namespace in ("", manifest["metadata"].get("namespace", ""))
            if version > since and fits:
                _chunk(writer, json.dumps({"type": type_, "object": manifest}).encode() + b"\n")
        await writer.drain()
        await met(lambda: writer not in self._streams, seconds=600)

    def _answer(self, asked: Asked) -> Reply | None:
        if asked.path == "/readyz":
            return Reply(200 if self.ready else 500, b"ok" if self.ready else b"not yet")
        if asked.path == "/version":
            return Reply(200, {"gitVersion": "v1.36.3"})
        if asked.path in ("/api", "/apis"):
            return self._discovery(asked)
        api, rest, plural, namespace, name = self._place(asked.path)
        if not rest:
            return self._resources(api)
        if plural not in self.kinds or self.kinds[plural][0] != api:
            return failure(404, "the server could not find the requested resource", "NotFound")
        if asked.method == "GET":
            return self._get(asked, plural, namespace, name)
        return self._write(asked, plural, namespace, name)

    def _write(self, asked: Asked, plural: str, namespace: str, name: str) -> Reply:
        key = (plural, namespace, name)
        if asked.method == "DELETE":
            if key not in self.objects:
                return failure(404, f'{plural} "{name}" not found', "NotFound", name=name)
            if _meant(asked) not in ("", self.objects[key]["metadata"]["uid"]):
                return failure(409, f'{plural} "{name}": the UID in the precondition is another', "Conflict", name=name)
            self.drop(plural, name, namespace)
            return Reply(200, {"kind": "Status", "status": "Success"})
        body = json.loads(asked.body)
        name = name or body["metadata"]["name"]
        if asked.method == "POST" and (plural, namespace, name) in self.objects:
            return failure(409, f'{plural} "{name}" already exists', "AlreadyExists", name=name)
        told = {key: value for key, value in body["metadata"].items() if key in ("labels", "annotations")}
        rest = {key: value for key, value in body.items() if key not in ("apiVersion", "kind", "metadata")}
        return Reply(200, self.put(plural, name, namespace, **rest, metadata=told))

    def _get(self, asked: Asked, plural: str, namespace: str, name: str) -> Reply | None:
        if asked.watches:
            return None
        if name:
            found = self.objects.get((plural, namespace, name))
            return Reply(200, found) if found else failure(404, f'{plural} "{name}" not found', "NotFound", name=name)
        wanted = dict(each.split("=") for each in asked.query.get("fieldSelector", "").split(",") if each)
        items = [
            {key: value for key, value in each.items() if key not in ("apiVersion", "kind")}
            for (about, within, called), each in sorted(self.objects.items())
            if about == plural and namespace in ("", within) and wanted.get("metadata.name", called) == called
        ]
        return self._page(asked, items)

    def _page(self, asked: Asked, items: list[Manifest]) -> Reply:
        token = asked.query.get("continue", "")
        start, version = (int(each) for each in token.split("@")) if token else (0, self.version)
        if token and version < self.oldest:
            return failure(410, "The provided continue parameter is too old", "Expired")
        limit = int(asked.query.get("limit", "0")) or len(items) or 1
        more = f"{start + limit}@{version}" if start + limit < len(items) else ""
        meta = {"resourceVersion": str(version), **({"continue": more} if more else {})}
        return Reply(200, {"kind": "List", "metadata": meta, "items": items[start : start + limit]})

    def _discovery(self, asked: Asked) -> Reply:
        core = asked.path == "/api"
        apis = sorted({api for api, _, _ in self.kinds.values() if ("/" not in api) == core})
        if not self.aggregated:
            groups = [{"name": api.split("/")[0], "versions": [{"groupVersion": api}]} for api in apis]
            return Reply(200, {"versions": apis} if core else {"groups": groups})
        items = []
        for api in apis:
            group, _, version = api.rpartition("/")
            resources = [
                {"resource": plural, "responseKind": {"kind": kind}, "scope": "Namespaced" if spaced else "Cluster"}
                for plural, (of, kind, spaced) in self.kinds.items()
                if of == api
            ]
            items.append({"metadata": {"name": group}, "versions": [{"version": version, "resources": resources}]})
        return Reply(200, {"items": items}, {"content-type": AGGREGATED})

    def _resources(self, api: str) -> Reply:
        found = [
            {"name": plural, "kind": kind, "namespaced": spaced}
            for plural, (of, kind, spaced) in self.kinds.items()
            if of == api
        ]
        if not found:
            return failure(404, "the server could not find the requested resource", "NotFound")
        return Reply(200, {"resources": [*found, {"name": f"{found[0]['name']}/status", "kind": "X"}]})

    def _place(self, path: str) -> tuple[str, str, str, str, str]:
        """apiVersion, what stands behind it, plural, namespace, name."""
        parts = [unquote(each) for each in path.strip("/").split("/")]
        length = 2 if parts[0] == "api" else 3
        api, rest = "/".join(parts[1:length]), parts[length:]
        if len(rest) > 2 and rest[0] == "namespaces":
            return api, "x", rest[2], rest[1], rest[3] if len(rest) > 3 else ""
        return api, "x" if rest else "", rest[0] if rest else "", "", rest[1] if len(rest) > 1 else ""


def _meant(asked: Asked) -> str:
    """The uid that a deletion names, or ""."""
    found: str = (json.loads(asked.body or b"{}").get("preconditions") or {}).get("uid", "")
    return found


class _Cut(Exception):
    pass


async def _read(reader: asyncio.StreamReader) -> Asked:
    head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
    method, target, _ = head[0].split(" ")
    headers = {name.lower(): value for name, _, value in (each.partition(": ") for each in head[1:] if each)}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    parts = urlsplit(target)
    return Asked(method, parts.path, dict(parse_qsl(parts.query, keep_blank_values=True)), headers, body)


async def _write(writer: asyncio.StreamWriter, reply: Reply) -> None:
    body = reply.body if isinstance(reply.body, bytes) else json.dumps(reply.body).encode()
    headers = {"content-type": "application/json", **reply.headers, "content-length": str(len(body))}
    head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    writer.write(f"HTTP/1.1 {reply.status} x\r\n{head}\r\n".encode() + body[: reply.cut])
    await writer.drain()
    if reply.cut is not None:
        raise _Cut


def _chunk(writer: asyncio.StreamWriter, data: bytes) -> None:
    writer.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")


async def met(condition: Callable[[], bool], seconds: float = 30) -> None:
    """Until something is so."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - it is made so by whoever is tested
            await asyncio.sleep(0.005)


@contextlib.asynccontextmanager
async def serving() -> AsyncIterator[Server]:
    server = Server()
    await server.start()
    try:
        yield server
    finally:
        await server.die()
        if server.deaths > 1:
            await asyncio.sleep(HANDSHAKE + 0.1)
        for _ in range(3):  # who was just being let in comes in yet
            await asyncio.sleep(0.01)
            server.cut(everything=True)
            for each in list(server.tasks):
                each.cancel()
        await met(lambda: not server.tasks)
