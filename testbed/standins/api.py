"""The API server as a stand-in sees it: from a pod, by its ServiceAccount, with the standard library alone.

    api = Api.in_cluster(manager="source-controller")
    for change in api.watch("source.toolkit.fluxcd.io/v1", "GitRepository"):
        api.patch_status(change.object, {"observedGeneration": ...})

An object is the JSON that the server takes and gives. Kinds are named by `apiVersion` and `kind`; their plurals and
scopes are found by discovery. Every method may be called from any thread.
"""

from __future__ import annotations

import hashlib
import http.client
import json
import random
import socket
import ssl
import threading
import time
import urllib.parse
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Object = dict[str, Any]
ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
APPLY, MERGE = "application/apply-patch+yaml", "application/merge-patch+json"
SILENCE = 30.0  # seconds for one answer
WATCH_SECONDS = 290  # how long one watch is asked for; the server ends it then
LISTED_AGAIN = 410  # the moment that a watch began at is gone
LONGEST_PAUSE = 10.0  # seconds between two tries to watch


class Refused(Exception):
    """The server's own word that something was not done.

    Args:
        status: of HTTP.
        reason: in one word, as `NotFound`.
        message: in the server's words.
    """

    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(message or reason or str(status))
        self.status = status
        self.reason = reason


class Silent(Exception):
    """The server did not answer, or not to the end; whether it was done is not known."""


@dataclass(frozen=True)
class Change:
    """What a watch tells: ADDED, MODIFIED or DELETED. What is there already comes as ADDED, also when seen before."""

    type: str
    object: Object


@dataclass(frozen=True)
class Kind:
    """What discovery says of one."""

    plural: str
    namespaced: bool


@dataclass
class Answer:
    """Status and body of an answer."""

    status: int
    body: bytes = field(repr=False)

    @property
    def object(self) -> Object:
        """The body as JSON. Raises Refused: the server refused."""
        try:
            found: Object = json.loads(self.body) if self.body else {}
        except ValueError:
            found = {"message": self.body[:300].decode(errors="replace")}
        if self.status >= 300:
            raise Refused(self.status, str(found.get("reason", "")), str(found.get("message", "")))
        return found


class Api:
    """One API server and one identity.

    Args:
        server: `https://HOST:PORT`.
        context: the TLS side: which CA is believed.
        token: gives the bearer token; asked for every request, since the kubelet renews it. "" sends none.
        manager: field manager of everything that is written, and source of events.
    """

    def __init__(self, server: str, context: ssl.SSLContext, token: Callable[[], str], manager: str) -> None:
        self._where = urllib.parse.urlsplit(server)
        self._context = context
        self._token = token
        self.manager = manager
        self._mine = threading.local()  # a connection is one thread's
        self._kinds: dict[tuple[str, str], Kind] = {}

    @classmethod
    def in_cluster(cls, manager: str, server: str = "https://kubernetes.default.svc") -> Api:
        """The way in that every pod with a ServiceAccount has."""
        context = ssl.create_default_context(cafile=str(ACCOUNT / "ca.crt"))
        return cls(server, context, lambda: (ACCOUNT / "token").read_text().strip(), manager)

    # Objects.

    def get(self, api: str, kind: str, name: str, namespace: str = "") -> Object | None:
        """The object, or None where it is not."""
        return self._perhaps("GET", self.path(api, kind, namespace, name))

    def objects(self, api: str, kind: str, namespace: str = "", labels: str = "") -> list[Object]:
        """All objects of a kind; of all namespaces when none is named."""
        return self._listed(api, kind, namespace, labels)[0]

    def create(self, manifest: Object) -> Object:
        """Creates it; Refused with status 409 when it exists."""
        meta = manifest["metadata"]
        path = self.path(manifest["apiVersion"], manifest["kind"], meta.get("namespace", ""))
        return self.request("POST", path, manifest, {"fieldManager": self.manager}).object

    def apply(self, manifest: Object) -> Object:
        """Server-side apply, taking fields over from others, as controllers do."""
        query = {"fieldManager": self.manager, "force": "true"}
        return self.request("PATCH", self._of(manifest), manifest, query, kind=APPLY).object

    def patch(self, about: Object, body: Object) -> Object:
        """JSON merge patch; `metadata.resourceVersion` in it makes it fail (409) when somebody else was faster."""
        return self.request("PATCH", self._of(about), body, {"fieldManager": self.manager}, kind=MERGE).object

    def patch_status(self, about: Object, status: Object) -> Object:
        """JSON merge patch of the status by its subresource; None in it removes a field."""
        path = f"{self._of(about)}/status"
        return self.request("PATCH", path, {"status": status}, {"fieldManager": self.manager}, kind=MERGE).object

    def delete(self, about: Object, *, propagation: str = "Background", exactly: bool = True) -> bool:
        """Asks to delete an object; says whether it was there.

        Args:
            about: the object; what else it holds does not matter.
            propagation: Background, Foreground or Orphan: what becomes of what it owns.
            exactly: only if it is this very one, by its uid where that is known.
        """
        body: Object = {"kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": propagation}
        uid = about["metadata"].get("uid")
        if exactly and uid:
            body["preconditions"] = {"uid": uid}
        return self._perhaps("DELETE", self._of(about), body) is not None

    def event(self, about: Object, type_: str, reason: str, message: str, component: str = "") -> None:
        """Records an event about an object; the same one again only counts. `type_`: Normal or Warning.

        An event that cannot be written is lost: nothing may hang on it.
        """
        meta, now = about["metadata"], stamp()
        namespace = meta.get("namespace") or "default"
        mark = hashlib.sha256("\0".join((meta.get("uid", ""), type_, reason, message)).encode()).hexdigest()[:16]
        name = f"{meta['name']}.{mark}"
        source = {"component": component or self.manager}
        event: Object = {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": name, "namespace": namespace},
            "involvedObject": reference(about),
            "type": type_,
            "reason": reason,
            "message": message[:1024],
            "source": source,
            "reportingComponent": source["component"],
            "reportingInstance": socket.gethostname(),
            "firstTimestamp": now,
            "lastTimestamp": now,
            "count": 1,
        }
        try:
            old = self.get("v1", "Event", name, namespace)
            if old is None:
                self.create(event)
            else:
                self.patch(old, {"count": int(old.get("count") or 1) + 1, "lastTimestamp": now})
        except (Refused, Silent):
            return

    def log(self, namespace: str, pod: str, container: str = "", lines: int = 20) -> str:
        """The last lines of a container's log."""
        query = {"tailLines": str(lines), **({"container": container} if container else {})}
        path = f"{self.path('v1', 'Pod', namespace, pod)}/log"
        answer = self.request("GET", path, query=query)
        if answer.status >= 300:
            raise Refused(answer.status, "", answer.body[:300].decode(errors="replace"))
        return answer.body.decode(errors="replace")

    def watch(
        self, api: str, kind: str, namespace: str = "", labels: str = "", stop: threading.Event | None = None
    ) -> Iterator[Change]:
        """Every change, after all that is there; ends by `stop`, which is asked with each word of the server.

        A server that is gone is waited for. After 410 Gone everything is listed again and told as ADDED, and what
        vanished meanwhile as DELETED.
        """
        known: dict[str, Object] = {}
        version, tries = "", 0
        while stop is None or not stop.is_set():
            try:
                if not version:
                    found, version = self._listed(api, kind, namespace, labels)
                    yield from _news(known, found)
                for change in self._stream(api, kind, namespace, labels, version):
                    tries = 0
                    version = change.object["metadata"]["resourceVersion"]
                    if change.type != "BOOKMARK":
                        _remember(known, change)
                        yield change
            except Refused as refused:
                version = "" if refused.status in (LISTED_AGAIN, 404) else version
                tries = self._rest(tries, stop) if refused.status != LISTED_AGAIN else tries
            except Silent:
                tries = self._rest(tries, stop)
        self.close()

    # Below.

    def path(self, api: str, kind: str, namespace: str = "", name: str = "") -> str:
        """The path of a kind, or of one object. Raises Refused (404): the server knows no such kind (yet)."""
        known = self._kind(api, kind)
        parts = [_root(api)]
        if known.namespaced and namespace:
            parts.append(f"namespaces/{namespace}")
        parts.append(known.plural)
        if name:
            parts.append(urllib.parse.quote(name, safe=""))
        return "/".join(parts)

    def request(
        self,
        method: str,
        path: str,
        body: Object | None = None,
        query: Mapping[str, str] | None = None,
        kind: str = "application/json",
    ) -> Answer:
        """One request. Raises Silent: no answer, or not to its end."""
        headers = {"Accept": "application/json", "Content-Type": kind, **self.headers()}
        target = f"{path}?{urllib.parse.urlencode(query)}" if query else path
        content = None if body is None else json.dumps(body).encode()
        fresh = not hasattr(self._mine, "connection")
        try:
            return self._once(method, target, content, headers)
        except Silent:
            if fresh or method == "POST":
                raise
        # A connection that was kept may have been closed by a server that restarted: nothing was sent on it then.
        return self._once(method, target, content, headers)

    def headers(self) -> dict[str, str]:
        """Who asks."""
        token = self._token()
        return {"Authorization": f"Bearer {token}"} if token else {}

    def connection(self, timeout: float) -> http.client.HTTPSConnection:
        """A new connection, for what lasts long."""
        host, port = self._where.hostname or "", self._where.port or 443
        return http.client.HTTPSConnection(host, port, timeout=timeout, context=self._context)

    def close(self) -> None:
        """Closes this thread's connection; its next request opens another one."""
        kept = self._mine.__dict__.pop("connection", None)
        if kept is not None:
            kept.close()

    def _once(self, method: str, target: str, content: bytes | None, headers: dict[str, str]) -> Answer:
        if not hasattr(self._mine, "connection"):
            self._mine.connection = self.connection(SILENCE)
        connection: http.client.HTTPSConnection = self._mine.connection
        try:
            connection.request(method, target, content, headers)
            answer = connection.getresponse()
            return Answer(answer.status, answer.read())
        except (OSError, http.client.HTTPException) as error:
            self.close()
            raise Silent(f"{method} {target.partition('?')[0]}: {error or type(error).__name__}") from None

    def _perhaps(self, method: str, path: str, body: Object | None = None) -> Object | None:
        try:
            return self.request(method, path, body).object
        except Refused as refused:
            if refused.status == 404:
                return None
            raise

    def _of(self, manifest: Object) -> str:
        meta = manifest["metadata"]
        return self.path(manifest["apiVersion"], manifest["kind"], meta.get("namespace", ""), meta["name"])

    def _kind(self, api: str, kind: str) -> Kind:
        """By discovery; asked again for a kind that is not known, since a CRD may have come."""
        if (api, kind) not in self._kinds:
            for each in self.request("GET", _root(api)).object.get("resources", ()):
                if "/" not in each["name"]:
                    self._kinds[api, each["kind"]] = Kind(each["name"], bool(each["namespaced"]))
        if (api, kind) not in self._kinds:
            raise Refused(404, "NotFound", f"the server knows no {kind} of {api}")
        return self._kinds[api, kind]

    def _listed(self, api: str, kind: str, namespace: str, labels: str) -> tuple[list[Object], str]:
        path, found, more = self.path(api, kind, namespace), [], ""
        while True:
            query = {"limit": "500", **({"labelSelector": labels} if labels else {})}
            page = self.request("GET", path, query={**query, "continue": more} if more else query).object
            found += [{"apiVersion": api, "kind": kind, **each} for each in page.get("items") or ()]
            more = page["metadata"].get("continue", "")
            if not more:
                return found, page["metadata"]["resourceVersion"]

    def _stream(self, api: str, kind: str, namespace: str, labels: str, version: str) -> Iterator[Change]:
        query = {
            "watch": "true",
            "allowWatchBookmarks": "true",
            "resourceVersion": version,
            "timeoutSeconds": str(WATCH_SECONDS),
            **({"labelSelector": labels} if labels else {}),
        }
        connection = self.connection(WATCH_SECONDS + SILENCE)
        try:
            path = f"{self.path(api, kind, namespace)}?{urllib.parse.urlencode(query)}"
            connection.request("GET", path, headers={"Accept": "application/json", **self.headers()})
            answer = connection.getresponse()
            if answer.status != 200:
                Answer(answer.status, answer.read()).object  # noqa: B018 - raises Refused
            while line := answer.readline():
                said = json.loads(line)
                if said["type"] == "ERROR":
                    raise Refused(int(said["object"].get("code", 500)), "", str(said["object"].get("message", "")))
                yield Change(said["type"], said["object"])
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise Silent(f"watching {kind}: {error}") from None
        finally:
            connection.close()

    def _rest(self, tries: int, stop: threading.Event | None) -> int:
        (stop or threading.Event()).wait(min(LONGEST_PAUSE, 0.1 * 2.0**tries) * (0.5 + random.random() / 2))
        return tries + 1


def stamp(seconds: float | None = None) -> str:
    """A moment as the API writes it; now without one."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


def reference(about: Object) -> Object:
    """What an event says it is about."""
    meta = about["metadata"]
    kept = ("namespace", "name", "uid", "resourceVersion")
    known = {key: meta[key] for key in kept if key in meta}
    return {"apiVersion": about["apiVersion"], "kind": about["kind"], **known}


def owner(about: Object, *, controller: bool = True) -> Object:
    """The reference by which an object belongs to another: it goes when that one goes."""
    return {
        "apiVersion": about["apiVersion"],
        "kind": about["kind"],
        "name": about["metadata"]["name"],
        "uid": about["metadata"]["uid"],
        **({"controller": True, "blockOwnerDeletion": True} if controller else {}),
    }


def _root(api: str) -> str:
    return f"/apis/{api}" if "/" in api else f"/api/{api}"


def _remember(known: dict[str, Object], change: Change) -> None:
    uid = change.object["metadata"]["uid"]
    if change.type == "DELETED":
        known.pop(uid, None)
    else:
        # Enough to say later that it vanished.
        meta = {key: value for key, value in change.object["metadata"].items() if key != "managedFields"}
        known[uid] = {**{key: change.object.get(key, "") for key in ("apiVersion", "kind")}, "metadata": meta}


def _news(known: dict[str, Object], found: list[Object]) -> Iterator[Change]:
    """What a list tells somebody who knew something before."""
    there = {each["metadata"]["uid"] for each in found}
    for uid in [uid for uid in known if uid not in there]:
        yield Change("DELETED", known.pop(uid))
    for each in found:
        change = Change("ADDED", each)
        _remember(known, change)
        yield change
