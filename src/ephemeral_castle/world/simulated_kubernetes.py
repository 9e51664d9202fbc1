"""An API server in memory, for unit tests of drivers, with controllers that a test plays.

    cluster = MemoryCluster()
    cluster.react("Deployment", lambda deployment: cluster.status(deployment, {"readyReplicas": 1}))

Time is the event loop's: a test that needs hours to pass uses a virtual loop.
"""

from __future__ import annotations

import asyncio
import copy
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from ephemeral_castle.errors import Conflict, NotFound, Permanent, Transient
from ephemeral_castle.spi.kubernetes import MANAGER, Change, Judge, Manifest, Ref, Stage
from ephemeral_castle.spi.processes import Process, Result
from ephemeral_castle.world import simulated_objects as objects
from ephemeral_castle.world.simulated_objects import BUILT_IN, WHOLE, Owned, Owner

Hook = Callable[[str, str], Awaitable[None]]
Reaction = Callable[[Manifest], object]
Runner = Callable[[str, str, str, Sequence[str], bytes], Result]
CRD = "CustomResourceDefinition"
ESTABLISHED = [{"type": "NamesAccepted", "status": "True"}, {"type": "Established", "status": "True"}]


@dataclass
class _Watch:
    api: str
    kind: str
    namespace: str
    labels: str
    seen: set[str] = field(default_factory=set)
    queue: asyncio.Queue[Change] = field(default_factory=asyncio.Queue)

    def fits(self, ref: Ref) -> bool:
        return (ref.api, ref.kind) == (self.api, self.kind) and self.namespace in ("", ref.namespace)

    def tell(self, type_: str, manifest: Manifest) -> None:
        """An object that does not fit the labels any more is gone for this watch."""
        uid = str(manifest["metadata"]["uid"])
        if type_ != "DELETED" and objects.selected(manifest, self.labels):
            self.queue.put_nowait(Change("MODIFIED" if uid in self.seen else "ADDED", copy.deepcopy(manifest)))
            self.seen.add(uid)
        elif uid in self.seen:
            self.seen.discard(uid)
            self.queue.put_nowait(Change("DELETED", copy.deepcopy(manifest)))


class MemoryCluster:
    """Implements `spi.kubernetes.Cluster`.

    Attributes:
        objects: what is there; read it freely, change it by the methods only.
        calls: every call as (name, object or kind), in order.
        before: awaited ahead of each call as (name, object or kind); raise from it for a server that does not answer.
        admit: called with each object that is to be written; raise Permanent to refuse it.
        establish: whether a CRD is established as soon as it is there.
        commands: what a command in a container says: (namespace, pod, container, argv, stdin).
        logs: by "namespace/pod".
    """

    def __init__(self, *, server: str = "https://cluster.example:6443", version: str = "v1.36.3") -> None:
        self.server = server
        self.gitversion = version
        self.objects: dict[Ref, Manifest] = {}
        self.calls: list[tuple[str, str]] = []
        self.before: Hook | None = None
        self.admit: list[Callable[[Manifest], None]] = []
        self.establish = True
        self.commands: Runner | None = None
        self.logs: dict[str, str] = {}
        self.closed = False
        self._owned: dict[Ref, Owned] = {}
        self._reactions: list[tuple[str, Reaction]] = []
        self._watches: list[_Watch] = []
        self._waiting: deque[tuple[str, Manifest]] = deque()
        self._busy = False
        self._version = 0
        self._born = 0
        self._kinds = {(api, kind): kind not in WHOLE for api, kinds in BUILT_IN.items() for kind in kinds}
        for name in ("default", "kube-system"):
            self.put({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})

    # What a test does.

    def react(self, kind: str, reaction: Reaction) -> None:
        """Plays a controller: called with each object of a kind that came or changed; not with one that is gone."""
        self._reactions.append((kind, reaction))

    def put(self, manifest: Manifest, manager: str = "test") -> Manifest:
        """Somebody applies an object, status included."""
        status = manifest.get("status")
        ref = Ref.of(manifest)
        if (ref.api, ref.kind) not in self._kinds:
            self._kinds[ref.api, ref.kind] = bool(ref.namespace)
        found = self._apply(ref, manifest, (manager, "Apply"), force=True)
        return self.status(found, status) if status is not None else found

    def status(self, about: Manifest | Ref, status: Manifest, **meta: Any) -> Manifest:
        """Somebody writes the status, by merging. `meta`: changes to metadata besides (finalizers, annotations)."""
        ref = about if isinstance(about, Ref) else Ref.of(about)
        live = self._live(ref)
        new = objects.patched(live, {"status": status, "metadata": meta} if meta else {"status": status})
        return self._store(ref, new)

    def remove(self, ref: Ref) -> None:
        """Somebody deletes an object at once, whatever its finalizers."""
        if ref in self.objects:
            self._gone(ref)
            self._react()

    def owners(self, ref: Ref, *path: str) -> set[str]:
        """The managers of a field."""
        return {who for (who, _), paths in self._owned.get(ref, {}).items() if path in paths}

    def all(self, kind: str) -> list[Manifest]:
        """Every object of a kind."""
        return [copy.deepcopy(each) for ref, each in self.objects.items() if ref.kind == kind]

    def later(self, seconds: float, work: Callable[[], object]) -> None:
        """Does something after a while."""
        asyncio.get_running_loop().call_later(seconds, work)

    # What a driver asks.

    async def version(self) -> str:
        """See `spi.kubernetes.Cluster`."""
        await self._begin("version", "")
        return self.gitversion

    async def ready(self) -> bool:
        """See `spi.kubernetes.Cluster`."""
        try:
            await self._begin("ready", "")
        except Transient:
            return False
        return True

    async def get(self, ref: Ref) -> Manifest | None:
        """See `spi.kubernetes.Cluster`."""
        await self._begin("get", str(ref))
        return copy.deepcopy(self.objects.get(ref))

    async def list(self, api: str, kind: str, namespace: str = "", *, labels: str = "") -> Sequence[Manifest]:
        """See `spi.kubernetes.Cluster`."""
        await self._begin("list", kind)
        self._known(api, kind)
        return [
            copy.deepcopy(each)
            for ref, each in self.objects.items()
            if (ref.api, ref.kind) == (api, kind)
            and namespace in ("", ref.namespace)
            and objects.selected(each, labels)
        ]

    async def create(self, manifest: Manifest) -> Manifest:
        """See `spi.kubernetes.Cluster`."""
        ref = Ref.of(manifest)
        await self._begin("create", str(ref))
        self._place(ref)
        if ref in self.objects:
            raise Conflict(f"{ref} exists already")
        return self._apply(ref, manifest, (MANAGER, "Update"), force=True)

    async def apply(self, manifest: Manifest, *, dry_run: bool = False, force: bool = True) -> Manifest:
        """See `spi.kubernetes.Cluster`."""
        ref = Ref.of(manifest)
        await self._begin("dry run" if dry_run else "apply", str(ref))
        self._place(ref)
        return self._apply(ref, manifest, (MANAGER, "Apply"), force=force, dry_run=dry_run)

    async def patch(self, ref: Ref, body: Manifest, *, subresource: str = "") -> Manifest:
        """See `spi.kubernetes.Cluster`."""
        await self._begin(f"patch {subresource}".strip(), str(ref))
        live = self._live(ref)
        if subresource == "scale":
            return self._store(ref, objects.patched(live, body))
        kept = {key: value for key, value in body.items() if (key == "status") == (subresource == "status")}
        new = objects.patched(live, kept)
        if not subresource:
            self._admit(new)
        self._owned[ref] = objects.taken_over(self._owned.get(ref, {}), kept, (MANAGER, "Update"))
        return self._store(ref, new)

    async def delete(self, ref: Ref, *, uid: str = "", grace: int | None = None, foreground: bool = False) -> None:
        """See `spi.kubernetes.Cluster`; `grace` is no matter here, and what is owned goes at once."""
        await self._begin("delete", str(ref))
        live = self.objects.get(ref)
        if live is None:
            return
        if uid and live["metadata"]["uid"] != uid:
            raise Conflict(f"{ref} is another one than was meant", why=f"its uid is {live['metadata']['uid']}")
        live["metadata"].setdefault("deletionTimestamp", "2026-01-01T00:00:00Z")
        self._store(ref, live)

    async def watch(self, api: str, kind: str, namespace: str = "", *, labels: str = "") -> AsyncIterator[Change]:
        """See `spi.kubernetes.Cluster`."""
        await self._begin("watch", kind)
        self._known(api, kind)
        watch = _Watch(api, kind, namespace, labels)
        self._watches.append(watch)
        try:
            for ref, manifest in list(self.objects.items()):
                if watch.fits(ref):
                    watch.tell("ADDED", manifest)
            while True:
                yield await watch.queue.get()
        finally:
            self._watches.remove(watch)

    async def until(self, ref: Ref, judge: Judge, *, timeout: float, title: str = "") -> Manifest | None:
        """See `spi.kubernetes.Cluster`."""
        await self._begin("until", str(ref))
        watch = _Watch(ref.api, ref.kind, ref.namespace, "")
        self._watches.append(watch)
        said = judge(copy.deepcopy(self.objects.get(ref)))
        try:
            async with asyncio.timeout(timeout):
                while said.stage is Stage.WAITING:
                    await watch.queue.get()
                    said = judge(copy.deepcopy(self.objects.get(ref)))
        except TimeoutError:
            raise Transient(f"{title or ref}: not ready within {timeout:g} s", why=said.why) from None
        finally:
            self._watches.remove(watch)
        if said.stage is Stage.FAILED:
            raise Permanent(f"{title or ref}: it failed", why=said.why)
        return copy.deepcopy(self.objects.get(ref))

    async def explain(self, ref: Ref) -> str:
        """See `spi.kubernetes.Cluster`; only conditions are told here."""
        await self._begin("explain", str(ref))
        conditions = self.objects.get(ref, {}).get("status", {}).get("conditions", [])
        return "; ".join(f"{c['type']}={c['status']}: {c.get('message', '')}" for c in conditions)

    async def log(
        self, namespace: str, pod: str, *, container: str = "", lines: int = 20, previous: bool = False
    ) -> str:
        """See `spi.kubernetes.Cluster`."""
        await self._begin("log", f"{namespace}/{pod}")
        return "\n".join(self.logs.get(f"{namespace}/{pod}", "").splitlines()[-lines:])

    async def run(
        self,
        namespace: str,
        pod: str,
        argv: Sequence[str],
        *,
        container: str = "",
        stdin: bytes = b"",
        timeout: float = 60.0,
    ) -> Result:
        """See `spi.kubernetes.Cluster`."""
        await self._begin("run", f"{namespace}/{pod}")
        self._live(Ref("v1", "Pod", pod, namespace))
        if self.commands is None:
            raise NotImplementedError("no command was scripted")
        return self.commands(namespace, pod, container, argv, stdin)

    async def spawn(self, namespace: str, pod: str, argv: Sequence[str], *, container: str = "") -> Process:
        """No conversation is played here."""
        raise NotImplementedError("a cluster in memory holds no conversations")

    async def close(self) -> None:
        """See `spi.kubernetes.Cluster`."""
        self.closed = True

    # How it is done.

    async def _begin(self, name: str, what: str) -> None:
        self.calls.append((name, what))
        await asyncio.sleep(0)
        if self.before is not None:
            await self.before(name, what)

    def _known(self, api: str, kind: str) -> bool:
        """Whether objects of a kind lie in namespaces. Raises NotFound: no such kind."""
        if (api, kind) not in self._kinds:
            raise NotFound(f"the cluster knows no {kind}", why=f"{api} has no such kind")
        return self._kinds[api, kind]

    def _place(self, ref: Ref) -> None:
        if self._known(ref.api, ref.kind) != bool(ref.namespace):
            raise Permanent(f"{ref}: its namespace is missing, or too much")
        if ref.namespace and Ref("v1", "Namespace", ref.namespace) not in self.objects:
            raise NotFound(f"there is no namespace {ref.namespace}")

    def _live(self, ref: Ref) -> Manifest:
        live = self.objects.get(ref)
        if live is None:
            raise NotFound(f"{ref} is not there")
        return copy.deepcopy(live)

    def _admit(self, manifest: Manifest) -> None:
        for each in self.admit:
            each(copy.deepcopy(manifest))

    def _apply(self, ref: Ref, manifest: Manifest, owner: Owner, *, force: bool, dry_run: bool = False) -> Manifest:
        wanted = objects.content(manifest)
        wanted.pop("status", None)
        live = self.objects.get(ref)
        base = live or {"apiVersion": ref.api, "kind": ref.kind, "metadata": self._birth(ref)}
        new, owned = objects.applied(base, wanted, self._owned.get(ref, {}), owner, force=force)
        self._admit(new)
        if dry_run:
            return new
        self._owned[ref] = owned
        return self._store(ref, new)

    def _birth(self, ref: Ref) -> Manifest:
        self._born += 1
        meta: Manifest = {"name": ref.name, "uid": f"uid-{self._born}", "creationTimestamp": "2026-01-01T00:00:00Z"}
        return {**meta, "namespace": ref.namespace} if ref.namespace else meta

    def _store(self, ref: Ref, new: Manifest) -> Manifest:
        """Keeps what changed, tells watches and controllers; ends what is deleted and held by nothing."""
        old, meta = self.objects.get(ref), new["metadata"]
        if old is not None and old == new and "deletionTimestamp" not in meta:
            return copy.deepcopy(new)
        self._version += 1
        meta["resourceVersion"] = str(self._version)
        if "spec" in new and (old is None or old.get("spec") != new["spec"]):
            meta["generation"] = int(meta.get("generation", 0)) + 1
        self.objects[ref] = copy.deepcopy(new)
        if "deletionTimestamp" in meta and not meta.get("finalizers") and not self._holds(ref):
            if ref in self.objects:  # a namespace goes with the last that was in it
                self._gone(ref)
            self._react()
            return copy.deepcopy(new)
        self._tell("MODIFIED", ref)
        if ref.kind == CRD and (self.establish or self._established(new)):
            self._learn(ref)
        self._react()
        return copy.deepcopy(new)

    def _established(self, crd: Manifest) -> bool:
        conditions = crd.get("status", {}).get("conditions", [])
        return any(each["type"] == "Established" and each["status"] == "True" for each in conditions)

    def _learn(self, ref: Ref) -> None:
        live = self.objects[ref]
        self._kinds |= {(api, kind): inside for api, kind, inside in objects.kinds_of(live)}
        if not self._established(live):
            self._store(ref, {**copy.deepcopy(live), "status": {"conditions": copy.deepcopy(ESTABLISHED)}})

    def _holds(self, ref: Ref) -> bool:
        """A namespace goes when all in it is gone."""
        inside = [each for each in self.objects if ref.kind == "Namespace" and each.namespace == ref.name]
        for each in inside:
            found = self.objects.get(each)  # one may have gone with another one
            if found is not None and "deletionTimestamp" not in found["metadata"]:
                live = copy.deepcopy(found)
                live["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
                self._store(each, live)
        return any(each in self.objects for each in inside)

    def _gone(self, ref: Ref) -> None:
        gone = self.objects.pop(ref)
        self._owned.pop(ref, None)
        self._tell("DELETED", ref, gone)
        owned = [each for each, live in self.objects.items() if _owned_by(live, str(gone["metadata"]["uid"]))]
        for each in owned:
            live = copy.deepcopy(self.objects[each])
            live["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
            self._store(each, live)
        home = Ref("v1", "Namespace", ref.namespace)
        if home in self.objects and "deletionTimestamp" in self.objects[home]["metadata"]:
            self._store(home, copy.deepcopy(self.objects[home]))

    def _tell(self, type_: str, ref: Ref, manifest: Manifest | None = None) -> None:
        told = manifest if manifest is not None else self.objects[ref]
        for watch in self._watches:
            if watch.fits(ref):
                watch.tell(type_, told)
        if type_ != "DELETED":
            self._waiting.append((ref.kind, told))

    def _react(self) -> None:
        """Lets the controllers that a test plays do their part, one change after the other."""
        if self._busy:
            return
        self._busy = True
        try:
            while self._waiting:
                kind, manifest = self._waiting.popleft()
                for about, reaction in self._reactions:
                    if about == kind and Ref.of(manifest) in self.objects:
                        reaction(copy.deepcopy(manifest))
        finally:
            self._busy = False


def _owned_by(manifest: Manifest, uid: str) -> bool:
    owners = manifest["metadata"].get("ownerReferences") or []
    return bool(owners) and all(each.get("uid") == uid for each in owners)
