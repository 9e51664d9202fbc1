"""An API server in memory, and who else works in a cluster: kubelet, job controller, the first process of a pod.

Time does not pass here: a test says what happens next.
"""

from __future__ import annotations

import copy
import json
import urllib.parse
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from testbed.standins.api import Answer, Api, Kind, Object
from testbed.standins.execs import Ended
from testbed.standins.pgo import manifests, member, names
from testbed.standins.pgo.moment import Failed, Moment
from testbed.standins.pgo.reconcile import reconcile
from testbed.standins.pgo.status import condition

KINDS = {
    ("v1", "ConfigMap"): "configmaps", ("v1", "Endpoints"): "endpoints", ("v1", "Event"): "events",
    ("v1", "PersistentVolumeClaim"): "persistentvolumeclaims", ("v1", "Pod"): "pods", ("v1", "Secret"): "secrets",
    ("v1", "Service"): "services", ("v1", "ServiceAccount"): "serviceaccounts",
    ("apps/v1", "Deployment"): "deployments", ("apps/v1", "StatefulSet"): "statefulsets",
    ("batch/v1", "CronJob"): "cronjobs", ("batch/v1", "Job"): "jobs",
    ("rbac.authorization.k8s.io/v1", "Role"): "roles", ("rbac.authorization.k8s.io/v1", "RoleBinding"): "rolebindings",
    (names.API, names.KIND): "postgresclusters",
}  # fmt: skip
VERBS = {"GET": "get", "POST": "create", "PATCH": "patch", "DELETE": "delete"}
IMAGES = {"RELATED_IMAGE_POSTGRES_17": "pg", "RELATED_IMAGE_PGBACKREST": "br", "RELATED_IMAGE_PGBOUNCER": "pb"}


class MemoryApi(Api):
    """Versions, generations, server-side apply, owners and finalizers as a real server has them.

    Attributes:
        things: what is there, by path.
        changes: how many there were, events left out.
        asked: (verb, group, resource) of every request of the operator: what it needs rights for.
    """

    def __init__(self) -> None:
        self.manager = names.MANAGER
        self._kinds = {key: Kind(plural, namespaced=True) for key, plural in KINDS.items()}
        self.things: dict[str, Object] = {}
        self.asked: set[tuple[str, str, str]] = set()
        self.version = 0
        self.changes = 0

    def request(
        self, method: str, path: str, body: Object | None = None, query: Mapping[str, str] | None = None,
        kind: str = "application/json",
    ) -> Answer:  # fmt: skip
        path = urllib.parse.unquote(path)
        self._note(method, path)
        code, found = getattr(self, f"_{method.lower()}")(path, copy.deepcopy(body), query or {}, kind)
        return Answer(code, json.dumps(found).encode())

    def _note(self, method: str, path: str) -> None:
        head, _, tail = path.partition("/namespaces/data/")
        group = head.split("/")[2] if head.startswith("/apis/") else ""
        plural, _, rest = tail.partition("/")
        verb = "list" if method == "GET" and not rest else VERBS[method]
        self.asked.add((verb, group, f"{plural}/status" if rest.endswith("/status") else plural))

    def _get(self, path: str, _body: Any, query: Mapping[str, str], _kind: str) -> tuple[int, Object]:
        if path in self.things:
            return 200, self.things[path]
        if path.rsplit("/", 1)[-1] not in KINDS.values():
            return 404, {"reason": "NotFound", "message": f"{path} not found"}
        found = [
            each for key, each in self.things.items()
            if key.startswith(f"{path}/") and _selected(each, query.get("labelSelector", ""))
        ]  # fmt: skip
        return 200, {"items": found, "metadata": {"resourceVersion": str(self.version)}}

    def _post(self, path: str, body: Object, query: Mapping[str, str], _kind: str) -> tuple[int, Object]:
        key = f"{path}/{body['metadata']['name']}"
        if key in self.things:
            return 409, {"reason": "AlreadyExists", "message": f"{key} already exists"}
        return 201, self._keep(key, body)

    def _patch(self, path: str, body: Object, query: Mapping[str, str], kind: str) -> tuple[int, Object]:
        key, sub = path.removesuffix("/status"), path.endswith("/status")
        old = self.things.get(key)
        if old is None and "apply-patch" not in kind:
            return 404, {"reason": "NotFound", "message": f"{key} not found"}
        wanted = body.get("metadata", {}).get("resourceVersion")
        if old is not None and wanted not in (None, old["metadata"]["resourceVersion"]):
            return 409, {"reason": "Conflict", "message": "the object has been modified"}
        if sub:
            return 200, self._keep(key, merged(old, {"status": body["status"]}))
        if old is not None and old["kind"] == "Job" and "apply-patch" in kind and merged(old, body) != old:
            new = merged(old, body)
            if new["spec"]["template"] != old["spec"]["template"]:
                return 422, {"reason": "Invalid", "message": "spec.template: field is immutable"}
        body.pop("status", None)
        return 200, self._keep(key, merged(old or {}, body))

    def _delete(self, path: str, body: Any, _query: Mapping[str, str], _kind: str) -> tuple[int, Object]:
        found = self.things.get(path)
        if found is None:
            return 404, {"reason": "NotFound", "message": f"{path} not found"}
        wanted = ((body or {}).get("preconditions") or {}).get("uid")
        if wanted not in (None, found["metadata"]["uid"]):
            return 409, {"reason": "Conflict", "message": "another uid"}
        found["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
        self.version += 1
        self.changes += 1
        found["metadata"]["resourceVersion"] = str(self.version)
        self._collect()
        return 200, found

    def _keep(self, key: str, new: Object) -> Object:
        old, meta = self.things.get(key), new["metadata"]
        if old == new:
            return old
        self.version += 1
        self.changes += new["kind"] != "Event"
        meta.setdefault("uid", f"uid-{self.version}")
        meta.setdefault("creationTimestamp", f"2026-01-01T00:{self.version // 60 % 60:02}:{self.version % 60:02}Z")
        meta["resourceVersion"] = str(self.version)
        changed = old is None or old.get("spec") != new.get("spec")
        meta["generation"] = int((old or new)["metadata"].get("generation", 0)) + changed
        if new["kind"] == "Service" and "clusterIP" not in new["spec"]:
            new["spec"]["clusterIP"] = f"10.96.0.{self.version % 250}"
        self.things[key] = copy.deepcopy(new)
        self._collect()
        return new

    def _collect(self) -> None:
        """What is deleted and held by nothing goes, and what it owned."""
        again = True
        while again:
            uids = {each["metadata"]["uid"] for each in self.things.values()}
            gone = [
                key for key, each in self.things.items()
                if ("deletionTimestamp" in each["metadata"] and not each["metadata"].get("finalizers"))
                or ((owners := each["metadata"].get("ownerReferences")) and not any(o["uid"] in uids for o in owners))
            ]  # fmt: skip
            for key in gone:
                del self.things[key]
            again = bool(gone)


def merged(old: Any, body: Any) -> Any:
    """A JSON merge patch; for server-side apply near enough: lists are the manager's as a whole."""
    if not isinstance(body, dict):
        return body
    result = dict(old) if isinstance(old, dict) else {}
    for key, value in body.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merged(result.get(key), value)
    return result


def _selected(manifest: Object, selector: str) -> bool:
    labels = manifest["metadata"].get("labels") or {}
    for each in filter(None, selector.split(",")):
        key, equals, value = each.partition("=")
        if key not in labels or (equals and labels[key] != value):
            return False
    return True


class Played(member.Member):
    """The first process of a pod, whose database is played."""

    def __init__(self, api: Api, place: member.Place, identifier: str) -> None:
        self.api, self.place, self.known = api, place, identifier

    def pending(self) -> bool:
        return False


class Bed:
    """One namespace with one cluster `db`, and everybody who works on it.

    Attributes:
        run: what a command in the leader's container says: argv and standard input; all goes well without one.
        ran: the commands so far.
        identifier: of the database.
        again: seconds that the last pass asked for, or None.
    """

    def __init__(self, spec: Object, *, annotations: Mapping[str, str] | None = None) -> None:
        self.api = MemoryApi()
        self.images = dict(IMAGES)
        self.ran: list[tuple[list[str], str]] = []
        self.run: Callable[[list[str], str], Ended | None] = lambda *_: None
        self.identifier = "7000000000000000001"
        self.again: float | None = None
        self.cluster(spec, annotations or {})

    def cluster(self, spec: Object, annotations: Mapping[str, str] | None = None) -> None:
        """Somebody applies the cluster."""
        path = self.api.path(names.API, names.KIND, "data", "db")
        old = self.api.things.get(path)
        meta = {"name": "db", "namespace": "data", **(old or {}).get("metadata", {})}
        meta["annotations"] = {**meta.get("annotations", {}), **(annotations or {})}
        new = {"apiVersion": names.API, "kind": names.KIND, "metadata": meta, "spec": copy.deepcopy(spec)}
        self.api._keep(path, {**new, **({"status": old["status"]} if old and "status" in old else {})})

    @property
    def spec(self) -> Object:
        found: Object = copy.deepcopy(self.the(names.KIND, "db")["spec"])
        return found

    @property
    def status(self) -> Object:
        found: Object = self.the(names.KIND, "db").get("status", {})
        return found

    def condition(self, kind: str) -> str:
        """A condition as `True/Reason`; "" where it is not."""
        found = condition(self.status, kind)
        return f"{found['status']}/{found['reason']}" if found else ""

    def find(self, kind: str, name: str = "") -> list[Object]:
        return [each for each in self.api.things.values()
                if each["kind"] == kind and name in ("", each["metadata"]["name"])]  # fmt: skip

    def the(self, kind: str, name: str = "") -> Object:
        found = self.find(kind, name)
        assert len(found) == 1, (kind, name, [each["metadata"]["name"] for each in self.find(kind)])
        return found[0]

    def names(self, kind: str) -> list[str]:
        return sorted(each["metadata"]["name"] for each in self.find(kind))

    def events(self) -> list[str]:
        return [each["reason"] for each in self.find("Event")]

    def put(self, manifest: Object) -> None:
        meta = manifest["metadata"]
        path = self.api.path(manifest["apiVersion"], manifest["kind"], meta["namespace"], meta["name"])
        self.api._keep(path, manifest)

    # Who asks the API server, and how often something changed there.

    def operator(self) -> Api:
        return self.api

    def instance(self) -> Api:
        return self.api

    def changes(self) -> object:
        return self.api.changes

    # What happens.

    def once(self) -> None:
        """One pass of the operator. Raises Failed."""
        cluster = self.operator().get(names.API, names.KIND, "db", "data")
        assert cluster is not None
        moment = Moment(self.operator(), self._run, cluster, self.images)
        try:
            reconcile(moment)
        finally:
            self.again = moment.again

    def passes(self) -> None:
        """Passes until nothing changes any more; the kubelet does nothing in between."""
        for _ in range(20):
            before = self.changes()
            try:
                self.once()
            except Failed:
                return
            if self.changes() == before or not self.find(names.KIND):
                return
        raise AssertionError("it never comes to rest")

    def settle(self, *, leads: bool = True) -> None:
        """Passes, and the kubelet, until nothing changes any more. `leads`: whether PostgreSQL comes up."""
        for _ in range(20):
            before = self.changes()
            self.passes()
            self.kubelet(leads=leads)
            if self.changes() == before or not self.find(names.KIND):
                return
        raise AssertionError("it never comes to rest")

    def kubelet(self, *, leads: bool = True) -> None:
        """StatefulSets get their pods, pods lead, Deployments are available, claims are bound."""
        for runner in self.find("StatefulSet"):
            self._pods(runner, leads=leads)
        wanted = {f"{each['metadata']['name']}-0" for each in self.find("StatefulSet") if each["spec"]["replicas"]}
        for pod in self.find("Pod"):
            if pod["metadata"]["name"] not in wanted:
                self.api.delete(pod)
        for each in self.find("Deployment"):
            said = {"type": "Available", "status": "True", "reason": "MinimumReplicasAvailable", "message": "fine"}
            count = each["spec"]["replicas"]
            self._status(each, {"replicas": count, "readyReplicas": count, "conditions": [said]})
        for each in self.find("PersistentVolumeClaim"):
            self._status(each, {"phase": "Bound"})

    def _pods(self, runner: Object, *, leads: bool) -> None:
        if not runner["spec"]["replicas"]:
            return
        name, template = runner["metadata"]["name"], copy.deepcopy(runner["spec"]["template"])
        is_instance = names.INSTANCE in runner["metadata"]["labels"]
        meta = {**template["metadata"], "name": f"{name}-0", "namespace": "data"}
        meta["labels"] = {**meta["labels"], "controller-revision-hash": "1"}
        containers = [{"name": each["name"], "state": {"running": {}}} for each in template["spec"]["containers"]]
        ready = {"type": "Ready", "status": "True" if leads or not is_instance else "False"}
        said = {"phase": "Running", "conditions": [ready], "containerStatuses": containers}
        if not self.find("Pod", f"{name}-0"):
            self.put({"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": template["spec"], "status": said})
        self._status(self.the("Pod", f"{name}-0"), said)
        generation = runner["metadata"]["generation"]
        self._status(
            runner,
            {"observedGeneration": generation, "updateRevision": "1", "replicas": 1, "readyReplicas": int(leads)},
        )
        if leads and is_instance:
            place = member.Place("db", "data", f"{name}-0", "10.0.0.7", 17, 10)
            told = json.loads(self.the("ConfigMap", "db-config")["data"]["patroni.yaml"])
            Played(self.instance(), place, self.identifier).announce(told)

    def job(self, name: str, state: str = "Complete") -> None:
        """A Job ends: Complete or Failed."""
        counted = {"succeeded": 1} if state == "Complete" else {"failed": 7}
        self._status(self.the("Job", name), {**counted, "conditions": [{"type": state, "status": "True"}]})

    def _status(self, about: Object, said: Object) -> None:
        new = copy.deepcopy(about)
        new["status"] = merged(new.get("status", {}), said)
        self.put(new)

    def _run(self, namespace: str, pod: str, container: str, argv: Sequence[str], stdin: str) -> Ended:
        assert (namespace, container) == ("data", "database")
        assert self.find("Pod", pod), "no such pod"
        self.ran.append((list(argv), stdin))
        return self.run(list(argv), stdin) or Ended(0, "", "")

    def sql(self) -> str:
        """Everything that was given to psql."""
        return "\n".join(stdin for _, stdin in self.ran)


def allowed(asked: tuple[str, str, str]) -> bool:
    """Whether the operator's rights in `manifests` cover a request."""
    verb, group, resource = asked
    return any(group == g and resource in kinds and verb in verbs for g, kinds, verbs in manifests.RULES)


S3 = {"bucket": "treasury", "endpoint": "s3.example.org", "region": "eu-1"}
REPO = {"name": "repo1", "s3": S3}
CLAIM = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "4Gi"}}}


def spec(**more: Any) -> Object:
    """The cluster of notes and posts: one instance, one bucket."""
    return {
        "postgresVersion": 17,
        "instances": [{"name": "a", "replicas": 1, "dataVolumeClaimSpec": CLAIM}],
        "users": [{"name": "app", "databases": ["app"]}],
        "backups": backups(),
        **more,
    }


def backups(**more: Any) -> Object:
    """`spec.backups`. `more`: further fields of pgbackrest."""
    given = {"configuration": [{"secret": {"name": "db-s3"}}], "global": {"repo1-path": "/castle/db"}}
    return {"pgbackrest": {**given, "repos": [REPO], **more}}


def source(**more: Any) -> Object:
    """`spec.dataSource`."""
    given = {"configuration": [{"secret": {"name": "db-s3"}}], "global": {"repo1-path": "/castle/db"}}
    return {"pgbackrest": {"stanza": "db", **given, "repo": REPO, **more}}


BOUNCER = {"proxy": {"pgBouncer": {"replicas": 1}}}


def living(given: Object | None = None, **kwargs: Any) -> Bed:
    """A cluster that was born by create, with its first backup done."""
    bed = Bed(given or spec(), **kwargs)
    bed.settle()
    bed.job(bed.names("Job")[0])
    bed.settle()
    return bed


def restored(given: Object | None = None) -> Bed:
    """A cluster that was born by restore, with its first backup done."""
    bed = Bed(given or spec(dataSource=source()))
    bed.settle()
    bed.job("db-pgbackrest-restore")
    bed.settle()
    bed.job(bed.names("Job")[0])
    bed.settle()
    return bed
