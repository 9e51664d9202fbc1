"""Which kinds an API server knows: plural names, scopes, and the paths of objects."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from ephemeral_castle.errors import NotFound, Permanent
from ephemeral_castle.world.kubernetes.wire import Wire

AGGREGATED = ",".join(
    [f"application/json;g=apidiscovery.k8s.io;v={each};as=APIGroupDiscoveryList" for each in ("v2", "v2beta1")]
    + ["application/json"]
)


@dataclass(frozen=True)
class Kind:
    """One kind in one version. `verbs`: what the server lets do with it."""

    api: str
    kind: str
    plural: str
    namespaced: bool
    verbs: tuple[str, ...] = ()

    def collection(self, namespace: str = "") -> str:
        """Path of its collection; of all namespaces when none is named."""
        root = f"/apis/{self.api}" if "/" in self.api else f"/api/{self.api}"
        within = f"/namespaces/{quote(namespace, safe='')}" if namespace and self.namespaced else ""
        return f"{root}{within}/{self.plural}"

    def path(self, name: str, namespace: str = "", subresource: str = "") -> str:
        """Path of one object, or of a subresource of it.

        Raises:
            Permanent: it stands in a namespace, and none is named: the object meant is not guessed.
        """
        if self.namespaced and not namespace:
            why = f"objects of kind {self.kind} stand in a namespace"
            raise Permanent(f"{self.kind} {name} names no namespace", why=why)
        return f"{self.collection(namespace)}/{quote(name, safe='')}" + (f"/{subresource}" if subresource else "")


class Kinds:
    """The kinds of one server, as far as they were asked for; a kind that is not known is looked for again."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._known: dict[tuple[str, str], Kind] = {}
        self._read = False
        self._lock = asyncio.Lock()  # many waits begin at once, and one answer serves them all

    async def find(self, api: str, kind: str) -> Kind:
        """The kind.

        Args:
            api: `apiVersion`.
            kind: `kind`.

        Raises:
            NotFound: the server knows no such kind (yet). Unreachable, Denied: it does not say.
        """
        async with self._lock:
            if not self._read:
                await self._read_all()
                self._read = True
            if (api, kind) not in self._known:
                await self._read_version(api)
        found = self._known.get((api, kind))
        if found is None:
            why = f"it knows no kind {kind} of {api}"
            hints = ("the CustomResourceDefinition comes first; `kubectl api-resources` lists what is there",)
            raise NotFound(f"the API server has no {kind}", where=self._wire.where, why=why, hints=hints)
        return found

    def forget(self, kind: Kind) -> None:
        """The server answered that it does not know it any more."""
        self._known.pop((kind.api, kind.kind), None)

    async def all(self) -> Sequence[Kind]:
        """Every kind, asked for anew."""
        async with self._lock:
            self._known.clear()
            await self._read_all(whole=True)
            self._read = True
            return tuple(self._known.values())

    async def _read_all(self, *, whole: bool = False) -> None:
        """Aggregated discovery: two requests for all groups. `whole`: where it is not served, ask group by group."""
        for root in ("/api", "/apis"):
            said = await self._wire.call("GET", root, doing="listing kinds", headers={"accept": AGGREGATED})
            body = said.json()
            if "as=APIGroupDiscoveryList" in said.headers.get("content-type", "") and "items" in body:
                self._keep(_of_groups(body["items"]))
            elif whole:
                for api in _versions(body):
                    await self._read_version(api)

    async def _read_version(self, api: str) -> None:
        """One group and version; the newest word there is: a CRD's kind stands here first."""
        root = f"/apis/{api}" if "/" in api else f"/api/{api}"
        said = await self._wire.call("GET", root, doing=f"listing the kinds of {api}", expect=(404,))
        if said.ok:
            self._keep(_of_list(api, said.json().get("resources") or ()))

    def _keep(self, kinds: Iterable[Kind]) -> None:
        self._known.update({(each.api, each.kind): each for each in kinds})


def _versions(body: Mapping[str, Any]) -> Iterator[str]:
    """Every group and version of an unaggregated answer of /api or /apis."""
    yield from body.get("versions") or ()
    for group in body.get("groups") or ():
        yield from (each["groupVersion"] for each in group.get("versions") or ())


def _of_groups(items: Sequence[Mapping[str, Any]]) -> Iterator[Kind]:
    """Kinds of an APIGroupDiscoveryList."""
    for group in items:
        name = str((group.get("metadata") or {}).get("name") or "")
        for version in group.get("versions") or ():
            api = f"{name}/{version['version']}" if name else str(version["version"])
            for each in version.get("resources") or ():
                response = each.get("responseKind") or {}
                if response.get("kind"):
                    namespaced = each.get("scope") == "Namespaced"
                    verbs = tuple(each.get("verbs") or ())
                    yield Kind(api, str(response["kind"]), str(each["resource"]), namespaced, verbs)


def _of_list(api: str, resources: Sequence[Mapping[str, Any]]) -> Iterator[Kind]:
    """Kinds of an APIResourceList."""
    for each in resources:
        if "/" not in each["name"]:
            verbs = tuple(each.get("verbs") or ())
            yield Kind(api, str(each["kind"]), str(each["name"]), bool(each.get("namespaced")), verbs)
