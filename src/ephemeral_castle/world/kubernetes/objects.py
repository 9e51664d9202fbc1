"""Objects: read, listed page by page, created, applied, patched, deleted."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

from ephemeral_castle.errors import CastleError, Conflict, NotFound, Permanent, Transient, Unreachable
from ephemeral_castle.manifests.ready import absent
from ephemeral_castle.spi.kubernetes import MANAGER, Manifest, Ref
from ephemeral_castle.world.kubernetes.answers import DELETED, Expired, Said, failure
from ephemeral_castle.world.kubernetes.discovery import Kind, Kinds
from ephemeral_castle.world.kubernetes.wire import READYZ, UNKNOWN, Query, Wire

T = TypeVar("T")
PAGE = 500  # objects
RESTARTS = 3  # of a list whose continuation expired
REQUEST = "castle.request"  # annotation: of which request to create it an object is


@dataclass(frozen=True)
class Page:
    """A part of a list. `version`: the moment of the whole list, the same on each of its pages."""

    items: list[Manifest]
    version: str
    token: str


def slim(manifest: Manifest) -> Manifest:
    """Without the list of who owns which field, which is often the larger part of an object."""
    meta = manifest.get("metadata")
    if isinstance(meta, dict):
        meta.pop("managedFields", None)
    return manifest


class Objects:
    """What is done to single objects and collections of one API server."""

    def __init__(self, wire: Wire, kinds: Kinds) -> None:
        self._wire = wire
        self._kinds = kinds

    async def serves(self) -> bool:
        """Whether /readyz says ok."""
        try:
            return (await self._wire.peek("/readyz", timeout=READYZ)).ok
        except Unreachable:
            return False

    async def get(self, ref: Ref) -> Manifest | None:
        """The object, or None when the server says that it, or its kind, does not exist.

        A server that just starts may not know its custom kinds yet: absence is believed from a ready one only.
        """
        said = await self._said("GET", ref, f"reading {ref}")
        return None if said is None or not said.ok else _object(said)

    async def look(self, kind: Kind, name: str, namespace: str) -> tuple[Manifest | None, str]:
        """The object and the moment of the reading, which a plain GET does not tell where there is no object.

        Raises:
            NotFound: the kind is no longer served.
        """
        doing = f"reading {Ref(kind.api, kind.kind, name, namespace)}"
        query = (("fieldSelector", f"metadata.name={name}"), ("limit", "1"))
        said = await self._wire.call("GET", kind.collection(namespace), doing=doing, query=query, expect=(404,))
        if said.status == 404:
            self._kinds.forget(kind)
            raise failure(said, doing, self._wire.where)
        page = _page(said, kind, self._wire.where)
        return (page.items[0] if page.items else None), page.version

    async def _said(self, method: str, ref: Ref, doing: str, body: Any = None) -> Said | None:
        """The answer about one object, which may be a 404 that names it; None where its kind does not exist.

        Raises:
            Unreachable: a server that is not ready says so. It may become ready between its answer and the question,
                so it is asked twice.
        """
        why = ""
        for _ in range(2):
            try:
                kind = await self._kinds.find(ref.api, ref.kind)
                path = kind.path(ref.name, ref.namespace)
                said = await self._wire.call(method, path, doing=doing, body=body, expect=(404,))
                if said.ok or said.names_object:
                    return said
                self._kinds.forget(kind)
                why = said.words
            except NotFound as error:
                why = error.why
            if not await self.serves():
                raise Unreachable(f"{doing}: the API server is not ready", where=self._wire.where, why=why)
        return None

    async def page(self, kind: Kind, namespace: str, labels: str, token: str = "", limit: int = PAGE) -> Page:
        """One page of a list. Raises Expired: the continuation is too old. NotFound: the kind is no longer served."""
        doing = f"listing {kind.plural}" + (f" of {namespace}" if namespace else "")
        query: list[tuple[str, str]] = [("limit", str(limit))] if limit else []
        query += [("labelSelector", labels)] if labels else []
        query += [("continue", token)] if token else []
        said = await self._wire.call("GET", kind.collection(namespace), doing=doing, query=query, expect=(404, 410))
        if said.expired:
            raise Expired
        if said.status == 404:
            self._kinds.forget(kind)
            raise failure(said, doing, self._wire.where)
        return _page(said, kind, self._wire.where)

    async def _listed(self, kind: Kind, namespace: str, labels: str) -> list[Manifest]:
        for _ in range(RESTARTS):
            try:
                return [each async for page in self.pages(kind, namespace, labels) for each in page.items]
            except Expired:
                continue  # from the first page: half of an old list and half of a new one are no list
        return (await self.page(kind, namespace, labels, limit=0)).items

    async def kind(self, api: str, kind: str) -> Kind:
        """The kind. Raises NotFound: a server that is ready does not know it. Unreachable: it is not ready."""
        return await self._believed(lambda: self._kinds.find(api, kind), f"looking for kind {kind}")

    async def list(self, api: str, kind: str, namespace: str, labels: str) -> list[Manifest]:
        """All objects, of one moment. Raises as `kind` does."""

        async def listed() -> list[Manifest]:
            return await self._listed(await self._kinds.find(api, kind), namespace, labels)

        return await self._believed(listed, f"listing {kind}")

    async def _believed(self, ask: Callable[[], Awaitable[T]], doing: str) -> T:
        """As `_said`: that a kind is unknown is believed from a ready server only, and when it says so twice."""
        for last in (False, True):
            try:
                return await ask()
            except NotFound as error:
                if not await self.serves():
                    why = error.why
                    raise Unreachable(
                        f"{doing}: the API server is not ready", where=self._wire.where, why=why
                    ) from None
                if last:
                    raise
        raise AssertionError("unreachable: the loop returns or raises")

    async def pages(self, kind: Kind, namespace: str, labels: str) -> AsyncIterator[Page]:
        """Page by page. Raises Expired."""
        token = ""
        while True:
            page = await self.page(kind, namespace, labels, token)
            token = page.token
            yield page
            if not token:
                return

    async def create(self, manifest: Manifest) -> Manifest:
        """Creates it. When nobody knows whether the first request was carried out, it is looked for before a second.

        Raises:
            Unreachable: as the wire; it still may be made when its state says so. Conflict: another was made.
        """
        api, name, doing = _of(manifest, "creating")
        kind = await self._kinds.find(*api)
        ref = Ref(*api, name, _namespace(kind, manifest, name))
        body = _noted(manifest) if name else manifest
        try:
            return await self._post(kind, ref, body, doing)
        except Unreachable as error:
            if error.state != UNKNOWN or not name:
                raise
            return await self._posted(kind, ref, body, doing, error)

    async def _post(self, kind: Kind, ref: Ref, body: Manifest, doing: str) -> Manifest:
        query = (("fieldManager", MANAGER), ("fieldValidation", "Strict"))
        path = kind.collection(ref.namespace)
        async with self._told(ref.namespace):
            return _object(await self._wire.call("POST", path, doing=doing, query=query, body=body))

    @asynccontextmanager
    async def _told(self, namespace: str) -> AsyncIterator[None]:
        """Says what holds a namespace that is being deleted, where something is to be made in it."""
        try:
            yield
        except Transient as error:
            if not error.message.endswith(DELETED):
                raise
            try:
                found = await self.get(Ref("v1", "Namespace", namespace))
            except CastleError:  # the reason that is known must not be hidden by one that cannot be asked for
                found = None
            error.why = "; ".join(dict.fromkeys([error.why, absent(found).why if found else ""])).strip("; ")
            error.state = "nothing was made in it; it goes when nothing holds it any more"
            error.hints = (
                f"kubectl get namespace {namespace} -o yaml, which lists what is left in it",
                "start the controller whose finalizer holds it, or take the finalizer away if nobody needs it",
                "castle resume",
            )
            raise

    async def _posted(self, kind: Kind, ref: Ref, body: Manifest, doing: str, error: CastleError) -> Manifest:
        """What a request made whose end is not known; it is sent again where it made nothing."""
        found = await self._seen(ref, error)
        if found is None:
            try:
                return await self._post(kind, ref, body, doing)
            except Conflict as late:  # the first one came through after we had looked
                found = await self._seen(ref, late)
        if found is None or _note(found) != _note(body):
            why = "somebody else made it, while it was not known whether castle had"
            raise Conflict(f"{doing}: it exists already", where=self._wire.where, why=why)
        return found

    async def _seen(self, ref: Ref, error: CastleError) -> Manifest | None:
        """The object. Raises what was wrong before, where it cannot even be looked for."""
        if not await self.serves():
            raise error
        try:
            return await self.get(ref)
        except CastleError:
            raise error from None

    async def apply(self, manifest: Manifest, *, dry_run: bool, force: bool) -> Manifest:
        """Server-side apply."""
        api, name, doing = _of(manifest, "trying" if dry_run else "applying")
        if not name:
            raise Permanent(f"{doing}: it has no name", why="`generateName` can be created, and not applied")
        kind = await self._kinds.find(*api)
        query: Query = (
            ("fieldManager", MANAGER),
            ("fieldValidation", "Strict"),
            ("force", str(force).lower()),
            *((("dryRun", "All"),) if dry_run else ()),
        )
        namespace = _namespace(kind, manifest, name)
        async with self._told(namespace):
            said = await self._wire.call(
                "PATCH",
                kind.path(name, namespace),
                doing=doing,
                query=query,
                body=slim({**manifest, "metadata": dict(manifest["metadata"])}),
                headers={"content-type": "application/apply-patch+yaml"},  # JSON is YAML
            )
        return _object(said)

    async def patch(self, ref: Ref, body: Manifest, subresource: str) -> Manifest:
        """JSON merge patch."""
        kind = await self._kinds.find(ref.api, ref.kind)
        path = kind.path(ref.name, ref.namespace, subresource)
        doing = f"changing {subresource + ' of ' if subresource else ''}{ref}"
        query = (("fieldManager", MANAGER), ("fieldValidation", "Strict"))
        headers = {"content-type": "application/merge-patch+json"}
        return _object(await self._wire.call("PATCH", path, doing=doing, query=query, body=body, headers=headers))

    async def delete(self, ref: Ref, *, uid: str, grace: int | None, foreground: bool) -> None:
        """Asks to delete it; no error when it, or its kind, is gone.

        A request whose end nobody knows is sent again, and must not meet what has come in the place of the object: what
        is meant is always named by its uid, and looked for where the caller gives none.
        """
        meant = uid or (await self.get(ref) or {"metadata": {}})["metadata"].get("uid", "")
        if not meant:
            return
        options: dict[str, Any] = {"propagationPolicy": "Foreground" if foreground else "Background"}
        options |= {"gracePeriodSeconds": grace} if grace is not None else {}
        body = {"apiVersion": "v1", "kind": "DeleteOptions", "preconditions": {"uid": meant}, **options}
        try:
            await self._said("DELETE", ref, f"deleting {ref}", body)
        except Conflict as error:
            if uid and error.state != UNKNOWN:
                raise


def _noted(manifest: Manifest) -> Manifest:
    """The manifest with a note by which its request is known."""
    meta = dict(manifest["metadata"])
    meta["annotations"] = {**(meta.get("annotations") or {}), REQUEST: uuid.uuid4().hex}
    return {**manifest, "metadata": meta}


def _note(manifest: Manifest) -> str:
    return str((manifest["metadata"].get("annotations") or {}).get(REQUEST, ""))


def _of(manifest: Manifest, verb: str) -> tuple[tuple[str, str], str, str]:
    """Kind and name of a manifest, and what is being done to it, in words."""
    meta = manifest.get("metadata") or {}
    name, api, kind = str(meta.get("name") or ""), manifest.get("apiVersion"), manifest.get("kind")
    if not api or not kind:
        raise Permanent("this is no manifest", why="it has no `apiVersion` or no `kind`", where=name)
    shown = Ref(api, kind, name or f"{meta.get('generateName', '')}…", str(meta.get("namespace") or ""))
    return (api, kind), name, f"{verb} {shown}"


def _namespace(kind: Kind, manifest: Manifest, name: str) -> str:
    namespace = str((manifest.get("metadata") or {}).get("namespace") or "")
    kind.path(name or "x", namespace)  # refuses when none is named and one is needed
    return namespace


def _object(said: Said) -> Manifest:
    body = said.json()
    if not isinstance(body, dict):
        raise Unreachable("the API server's answer is no object", why=f"HTTP {said.status}")
    return body


def _page(said: Said, kind: Kind, where: str) -> Page:
    """Items of a list carry neither `apiVersion` nor `kind`.

    Raises:
        Unreachable: it is no list of an API server, so nothing is known of what is there.
    """
    body = said.json()
    if not _is_list(body):
        doing, why = f"listing {kind.plural}", f"HTTP {said.status} without a list: {said.words[:200]}"
        raise Unreachable(f"{doing}: what answers is no API server, or is cut short", where=where, why=why)
    head = {"apiVersion": kind.api, "kind": kind.kind}
    items = [slim({**head, **each}) for each in body.get("items") or ()]
    meta = body["metadata"]
    return Page(items, str(meta.get("resourceVersion") or ""), str(meta.get("continue") or ""))


def _is_list(body: Any) -> bool:
    """By its kind, and by the moment it is of. The kind of a custom list is its author's to name: `items` says so too.

    Go writes an empty list as null.
    """
    if not isinstance(body, dict) or not isinstance(body.get("metadata"), dict):
        return False
    named = str(body.get("kind") or "").endswith("List") or isinstance(body.get("items"), list)
    return named and bool(body["metadata"].get("resourceVersion"))
