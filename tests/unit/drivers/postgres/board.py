"""A cluster in memory: it keeps objects, and plays controllers and kubelet as far as a database sees them."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any, cast

from ephemeral_castle.drivers.postgres.options import PostgresOptions
from ephemeral_castle.drivers.postgres.pod import PodPlace
from ephemeral_castle.errors import Conflict, NotFound, Permanent, Transient
from ephemeral_castle.model.castle import Layer, Reach, Role, Site, Verb
from ephemeral_castle.spi.kubernetes import Judge, Manifest, Ref, Stage
from ephemeral_castle.spi.world import Result

ID = "c0ffee00-0000-4000-8000-000000000001"
MARKS = {"castle.id": ID, "castle.layer": "database", "castle.life": "2"}
RUNNING: dict[str, Any] = {"state": {"running": {}}}
DONE: dict[str, Any] = {"state": {"terminated": {"exitCode": 0}}}
GROUND = Layer("machines", Role.GROUND, "podman")
CLUSTER = Layer("cluster", Role.FOUNDATIONS, "kubeadm", needs=("machines",))
DATABASE = Layer("database", Role.TREASURES, "postgres", needs=("cluster",))
ON_NODE = {"namespace": "data", "node": "data"}
ON_CLASS = {"namespace": "data", "storage_class": "fast"}


def failed(code: int, message: str = "") -> dict[str, Any]:
    """State of a container that ended badly and waits to be started again."""
    last = {"terminated": {"exitCode": code, "message": message}}
    return {"state": {"waiting": {"reason": "CrashLoopBackOff"}}, "lastState": last}


def status(order: dict[str, Any] | None = None, server: dict[str, Any] | None = None) -> dict[str, Any]:
    """Status of a database's pod."""
    waiting = {"state": {"waiting": {"reason": "PodInitializing"}}}
    return {
        "phase": "Running" if server else "Pending",
        "initContainerStatuses": [{"name": "order", **(order or DONE)}],
        "containerStatuses": [{"name": "postgres", **(server or waiting)}],
    }


SERVES = status(server=RUNNING)


class Board:
    """Implements `spi.kubernetes.Cluster`.

    Args:
        pod: status that the kubelet gives to the pod of the next StatefulSet.
        ends: how a pod that does one thing ends: exit status and what it tells.

    Attributes:
        uid: which cluster it is.
    """

    server = "https://10.0.0.1:6443"

    def __init__(self, pod: dict[str, Any] | None = None, ends: tuple[int, str] = (0, "")) -> None:
        self.pod = pod or SERVES
        self.uid = "cluster-1"
        self.ends: tuple[int, str] | None = ends
        self.store: dict[Ref, Manifest] = {}
        self.calls: list[str] = []
        self.ran: list[Sequence[str]] = []
        self.answer: Callable[[Sequence[str]], Result] = lambda _: Result(0, "", "")
        self.uids = itertools.count(1)

    def put(self, manifest: Manifest, **more: Any) -> Manifest:
        """Stands there, whoever made it."""
        made = {**copy.deepcopy(manifest), **more}
        made["metadata"].setdefault("uid", f"uid-{next(self.uids)}")
        self.store[Ref.of(made)] = made
        return made

    def one(self, kind: str, name: str = "") -> Manifest:
        """The only object of a kind, or the one of that name."""
        return next(m for ref, m in self.store.items() if ref.kind == kind and name in ("", ref.name))

    def names(self, kind: str) -> list[str]:
        """Of all objects of a kind."""
        return sorted(ref.name for ref in self.store if ref.kind == kind)

    async def get(self, ref: Ref) -> Manifest | None:
        if ref.name == "kube-system":
            return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": ref.name, "uid": self.uid}}
        return copy.deepcopy(self.store.get(ref))

    async def list(self, api: str, kind: str, namespace: str = "", *, labels: str = "") -> Sequence[Manifest]:
        wanted = dict(each.split("=", 1) for each in labels.split(",") if each)
        return [
            {key: value for key, value in m.items() if key not in ("apiVersion", "kind")}
            for ref, m in self.store.items()
            if ref.kind == kind and namespace in ("", ref.namespace)
            and wanted.items() <= (m["metadata"].get("labels") or {}).items()
        ]  # fmt: skip

    async def create(self, manifest: Manifest) -> Manifest:
        self.calls.append(f"create {Ref.of(manifest)}")
        made = self.put(manifest)
        if made["kind"] == "Pod":
            self._end(made)
        return copy.deepcopy(made)

    async def apply(self, manifest: Manifest, *, dry_run: bool = False, force: bool = True) -> Manifest:
        ref = Ref.of(manifest)
        self.calls.append(f"apply {ref}")
        there = self.store.get(ref)
        made = self.put(manifest)
        if there is not None:
            made["metadata"]["uid"] = there["metadata"]["uid"]
        if ref.kind == "Service":
            made["spec"]["clusterIP"] = "10.96.0.7"
            made["spec"]["ports"][0]["nodePort"] = 30432
        if ref.kind == "PersistentVolumeClaim":
            made["status"] = {"phase": "Bound"}
            made["spec"].setdefault("volumeName", "pvc-1")
        self._settle(made)
        return copy.deepcopy(made)

    async def patch(self, ref: Ref, body: Manifest, *, subresource: str = "") -> Manifest:
        self.calls.append(f"patch {ref} {body}")
        if ref not in self.store:
            raise NotFound("no such object")
        made = self.store[ref]
        _merge(made, body)
        self._settle(made)
        return copy.deepcopy(made)

    async def delete(self, ref: Ref, *, uid: str = "", grace: int | None = None, foreground: bool = False) -> None:
        self.calls.append(f"delete {ref}")
        there = self.store.get(ref)
        if there is None:
            return
        if uid and there["metadata"]["uid"] != uid:
            raise Conflict("another object")
        del self.store[ref]
        for made in [r for r, m in self.store.items() if _owner(m) == there["metadata"]["uid"]]:
            del self.store[made]

    async def until(self, ref: Ref, judge: Judge, *, timeout: float, title: str = "") -> Manifest | None:
        seen = judge(self.store.get(ref))
        if seen.stage is Stage.READY:
            return copy.deepcopy(self.store.get(ref))
        kind = Permanent if seen.stage is Stage.FAILED else Transient
        raise kind(f"{title} is not ready", why=seen.why)

    async def explain(self, ref: Ref) -> str:
        return f"nothing is known of {ref}"

    async def log(self, namespace: str, pod: str, **_: Any) -> str:
        return self.ends[1] if self.ends else ""

    async def run(self, namespace: str, pod: str, argv: Sequence[str], **_: Any) -> Result:
        self.calls.append(f"run {pod} {argv[0]}")
        self.ran.append(argv)
        return self.answer(argv)

    def _settle(self, made: Manifest) -> None:
        """What the controllers would do."""
        if made["kind"] not in ("StatefulSet", "Deployment"):
            return
        name = f"{made['metadata']['name']}-0"
        ref = Ref("v1", "Pod", name, made["metadata"]["namespace"])
        if made["spec"]["replicas"] == 0:
            self.store.pop(ref, None)
        elif ref not in self.store or made["kind"] == "Deployment":
            template = copy.deepcopy(made["spec"]["template"])
            meta = {**template["metadata"], "name": name, "namespace": ref.namespace}
            meta["ownerReferences"] = [{"uid": made["metadata"]["uid"]}]
            ready = {"phase": "Running", "containerStatuses": [{"name": "pgbouncer", **RUNNING}]}
            given = self.pod if made["kind"] == "StatefulSet" else ready
            self.put({"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": template["spec"], "status": given})

    def _end(self, pod: Manifest) -> None:
        if self.ends is None:
            return
        code, message = self.ends
        name = pod["spec"]["containers"][0]["name"]
        state = {"terminated": {"exitCode": code, "message": message}}
        phase = "Failed" if code else "Succeeded"
        pod["status"] = {"phase": phase, "containerStatuses": [{"name": name, "state": state}]}


def _owner(found: Manifest) -> str:
    owners = found["metadata"].get("ownerReferences") or [{}]
    return str(owners[0].get("uid", ""))


def _merge(there: dict[str, Any], body: dict[str, Any]) -> None:
    for key, value in body.items():
        if isinstance(value, dict):
            _merge(there.setdefault(key, {}), value)
        else:
            there[key] = value


def options(**home: Any) -> PostgresOptions:
    """Of a database with one user."""
    base = {"databases": {"app": {"owner": "app"}}, "users": {"app": {}}}
    return PostgresOptions.model_validate({**base, **(home or ON_NODE)})


def context(board: Board | None, *, lineage: dict[str, Any] | None = None, **more: Any) -> Any:
    """A context of a step of life 2 on that cluster; without one, there is none."""
    site = Site("lab", (GROUND, CLUSTER, DATABASE), reach={"registry": Reach(5000, "127.0.0.1", 5005)})

    async def cluster(*, old: bool = False) -> Any:
        if board is None:
            raise NotFound("there is no cluster")
        return board

    world = SimpleNamespace(
        enclosure=SimpleNamespace(treasury_host="treasury.castle", gateway="10.89.77.1"),
        access=SimpleNamespace(host="treasury.castle", port=9443),
        images=SimpleNamespace(reference=lambda recipe: f"localhost/castle-{recipe.name}:1"),
        clock=SimpleNamespace(now=lambda: 1000.0),
    )
    castle = SimpleNamespace(name="lab", treasury=SimpleNamespace(endpoint="https://s3.example.org"))
    given = {
        "world": world, "options": options(), "layer": DATABASE, "run": "r1", "life": 2, "old_life": 2, "attempt": 1,
        "record": SimpleNamespace(id=ID, lineage={"database": lineage or {}}), "passed_no_return": False,
        "cluster": cluster, "said": [], "facts": lambda _: {},
        "request": SimpleNamespace(verb=Verb.REBIRTH, castle=castle, site=site),
    }  # fmt: skip
    return cast("Any", SimpleNamespace(**{**given, **more}))


def place(board: Board | None, *, old: bool = False, **more: Any) -> PodPlace:
    """The database's place on that cluster."""
    return PodPlace(context(board, **more), old=old)
