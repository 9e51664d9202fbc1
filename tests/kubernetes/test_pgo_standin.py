"""The stand-in for PGO against a real API server: what it writes is valid, and its rights are enough.

No node and no controller runs: the test plays the kubelet. What pods do is tried in `tests/kubernetes/test_pgo_pods`.
"""

from __future__ import annotations

import copy
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml
from testbed.standins.api import Api, Object, Refused
from testbed.standins.pgo import crd, manifests, names

from tests.kubernetes.control import Control
from tests.standins.pgo_bed import BOUNCER, IMAGES, KINDS, Bed, backups, source, spec
from tests.standins.pgo_examples import EXAMPLES, REFUSED

pytestmark = [
    pytest.mark.kubernetes,
    pytest.mark.evidence("real", "api-server"),
    pytest.mark.evidence("stand-in", "pgo"),
]
VENDOR = Path(__file__).parents[3] / (
    "shared/crds/postgres-operator/postgres-operator.crunchydata.com_postgresclusters.yaml"
)
KIND_APIS = {kind: api for api, kind in KINDS}


def client(control: Control, who: str = "admin", group: str = "system:masters", manager: str = "test") -> Api:
    """A way in, by a certificate."""
    access = control.access(who, group)
    assert access.key is not None
    paper, folder = control.folder / f"{who.replace(':', '-')}.pem", control.folder
    paper.write_text(access.certificate + access.key.reveal())
    context = ssl.create_default_context(cafile=str(folder / "ca.pem"))
    context.load_cert_chain(str(paper))
    return Api(control.url, context, lambda: "", manager)


class RealBed(Bed):
    """The same people, on a real API server; each asks as himself."""

    def __init__(self, control: Control, admin: Api, given: Object) -> None:
        self.admin = admin
        self._operator = client(
            control, "system:serviceaccount:postgres-operator:pgo", "system:serviceaccounts", names.MANAGER
        )
        self._instance = client(
            control, "system:serviceaccount:data:db-instance", "system:serviceaccounts", names.PATRONI
        )
        self.images, self.ran, self.run = dict(IMAGES), [], lambda *_: None
        self.identifier, self.again = "7000000000000000001", None
        self.cluster(given)

    def cluster(self, spec: Object, annotations=None) -> None:
        meta = {"name": "db", "namespace": "data", "annotations": dict(annotations or {})}
        self.admin.apply({"apiVersion": names.API, "kind": names.KIND, "metadata": meta, "spec": copy.deepcopy(spec)})

    def operator(self) -> Api:
        return self._operator

    def instance(self) -> Api:
        return self._instance

    def find(self, kind: str, name: str = "") -> list[Object]:
        found = self.admin.objects(KIND_APIS[kind], kind, "data")
        return [{**each, "apiVersion": KIND_APIS[kind], "kind": kind} for each in found
                if name in ("", each["metadata"]["name"])]  # fmt: skip

    def put(self, manifest: Object) -> None:
        made = copy.deepcopy(manifest)
        said = made.pop("status", None)
        made["metadata"] = {key: made["metadata"][key] for key in ("name", "namespace", "labels", "annotations")
                            if key in made["metadata"]}  # fmt: skip
        if not self.find(made["kind"], made["metadata"]["name"]):
            self.admin.apply(made)
        if said:
            self.admin.patch_status(made, said)

    def changes(self) -> object:
        return sorted(each["metadata"]["resourceVersion"] for kind in KIND_APIS if kind != "Event"
                      for each in self.find(kind))  # fmt: skip

    def kubelet(self, *, leads: bool = True) -> None:
        for each in self.find("Pod"):
            if "deletionTimestamp" in each["metadata"]:
                body: Object = {"kind": "DeleteOptions", "apiVersion": "v1", "gracePeriodSeconds": 0}
                self.admin.request("DELETE", self.admin.path("v1", "Pod", "data", each["metadata"]["name"]), body)
        super().kubelet(leads=leads)

    def job(self, name: str, state: str = "Complete") -> None:
        """The server wants the whole story: a Job that ended was begun, and met what it ended by before."""
        job = self.the("Job", name)
        before = {"Complete": "SuccessCriteriaMet", "Failed": "FailureTarget"}[state]
        times = {"lastProbeTime": "2026-01-01T00:00:02Z", "lastTransitionTime": "2026-01-01T00:00:02Z"}
        conditions = [{"type": each, "status": "True", **times} for each in (before, state)]
        ended = {"completionTime": "2026-01-01T00:00:02Z", "succeeded": 1} if state == "Complete" else {"failed": 1}
        said = {"startTime": "2026-01-01T00:00:01Z", "conditions": conditions, **ended}
        self.admin.patch_status(job, {**said, "uncountedTerminatedPods": {}})


def define(admin: Api, definition: Object) -> None:
    """Applies a definition and waits until it is served."""
    admin.apply(definition)
    for change in admin.watch("apiextensions.k8s.io/v1", "CustomResourceDefinition"):
        said = change.object.get("status", {}).get("conditions") or ()
        if change.object["metadata"]["name"] == definition["metadata"]["name"] and any(
            each["type"] == "Established" and each["status"] == "True" for each in said
        ):
            return


@pytest.fixture(scope="module")
def admin(control: Control) -> Iterator[Api]:
    made = client(control)
    for each in manifests.documents():
        if each["kind"] == "CustomResourceDefinition":
            define(made, each)
        else:
            made.apply(each)
    made.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "data"}})
    yield made
    made.close()


@pytest.fixture
def clean(admin: Api) -> Iterator[Api]:
    yield admin
    for api, kind in KINDS:
        for each in admin.objects(api, kind, "data"):
            about = {**each, "apiVersion": api, "kind": kind}
            if each["metadata"].get("finalizers"):
                admin.patch(about, {"metadata": {"finalizers": None}})
            admin.delete(about, exactly=False)


@pytest.fixture
def made(control: Control, clean: Api) -> Iterator[Callable[[Object], RealBed]]:
    """Makes a bed; its people go when the test ends."""
    beds: list[RealBed] = []

    def make(given: Object) -> RealBed:
        beds.append(RealBed(control, clean, given))
        return beds[-1]

    yield make
    for each in beds:
        each.operator().close()
        each.instance().close()


def accepted(admin: Api, given: Object) -> str:
    """What the server says of a cluster, strictly; "" when it takes it."""
    meta = {"name": "try", "namespace": "data"}
    body = {"apiVersion": names.API, "kind": names.KIND, "metadata": meta, "spec": given}
    query = {"fieldValidation": "Strict", "dryRun": "All"}
    try:
        admin.request("POST", admin.path(names.API, names.KIND, "data"), body, query).object  # noqa: B018 - may raise
    except Refused as refused:
        return str(refused)
    return ""


def test_the_definition_takes_and_refuses_what_it_should(admin: Api) -> None:
    assert {name: accepted(admin, given) for name, given in EXAMPLES.items()} == dict.fromkeys(EXAMPLES, "")
    said = {name: accepted(admin, given) for name, given in REFUSED.items()}
    assert [name for name, text in said.items() if not text] == []
    assert "spec.backups.pgbackrest.repos[0].s3Credentials" in said["s3Credentials"]


def test_birth_by_create_on_a_real_server(made: Callable[[Object], RealBed]) -> None:
    bed = made(spec(**BOUNCER, backups=backups(repos=[EXAMPLES_REPO])))
    bed.settle()
    job = next(each["metadata"]["name"] for each in bed.find("Job"))
    bed.job(job)
    bed.settle()
    assert bed.condition("PGBackRestReplicaCreate") == "True/RepoBackupComplete"
    assert bed.names("CronJob") == ["db-repo1-full"]
    assert bed.status["patroni"]["systemIdentifier"] == bed.identifier
    assert "StanzasCreated" in bed.events()


def test_birth_by_restore_on_a_real_server(made: Callable[[Object], RealBed]) -> None:
    bed = made(spec(dataSource=source()))
    bed.settle()
    assert bed.names("Job") == ["db-pgbackrest-restore"]
    assert bed.condition("PGBackRestoreProgressing") == "True/ReadyForRestore"
    bed.job("db-pgbackrest-restore")
    bed.settle()
    assert bed.condition("PostgresDataInitialized") == "True/PGBackRestRestoreComplete"
    assert bed.names("StatefulSet") == [names.startup_instance("db", "a")]


def test_a_repository_on_a_volume_on_a_real_server(made: Callable[[Object], RealBed]) -> None:
    bed = made(EXAMPLES["posts"])
    bed.settle()
    assert bed.condition("PGBackRestRepoHostReady") == "True/RepoHostReady"


def test_a_watch_tells_everything_once_and_ends_where_it_is_left(control: Control, clean: Api) -> None:
    seen: list[tuple[str, str]] = []
    changes = clean.watch("v1", "ConfigMap", "data")

    def listen() -> None:
        for change in changes:
            seen.append((change.type, change.object["metadata"]["name"]))
            if seen[-1] == ("DELETED", "second"):
                break
        clean.close()

    meta = {"name": "first", "namespace": "data"}
    clean.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": {"a": "1"}})
    thread = threading.Thread(target=listen)
    thread.start()
    second: Object = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {**meta, "name": "second"}}
    while ("ADDED", "first") not in seen:
        time.sleep(0.05)
    clean.create(second)
    clean.delete(second)
    thread.join(30)
    assert not thread.is_alive()
    assert [each for each in seen if each[1] == "second"] == [("ADDED", "second"), ("DELETED", "second")]


def test_a_watch_outlives_the_api_server(control: Control, clean: Api) -> None:
    seen: list[tuple[str, str]] = []
    changes = clean.watch("v1", "ConfigMap", "data")

    def listen() -> None:
        for change in changes:
            seen.append((change.type, change.object["metadata"]["name"]))
            if seen[-1][1] == "after":
                break
        clean.close()

    made: Object = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "before", "namespace": "data"}}
    clean.apply(made)
    thread = threading.Thread(target=listen)
    thread.start()
    while ("ADDED", "before") not in seen:
        time.sleep(0.05)
    control.kill_server()
    control.start_server()
    control.wait()
    clean.apply({**made, "metadata": {**made["metadata"], "name": "after"}})
    thread.join(60)
    assert not thread.is_alive()


EXAMPLES_REPO = {
    "name": "repo1",
    "s3": {"bucket": "treasury", "endpoint": "s3.example.org", "region": "eu-1"},
    "schedules": {"full": "0 1 * * 0"},
}


def test_the_vendors_own_definition_takes_what_ours_takes(admin: Api) -> None:
    """Last: it puts the vendor's definition in the place of ours."""
    if not VENDOR.exists():
        pytest.skip(f"the vendor's definition is not on this computer: {VENDOR}")
    theirs = yaml.load(VENDOR.read_text(), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    ours = crd.definition()
    admin.delete({**ours}, exactly=False)
    for change in admin.watch("apiextensions.k8s.io/v1", "CustomResourceDefinition"):
        if change.type == "DELETED" or not admin.get(ours["apiVersion"], ours["kind"], ours["metadata"]["name"]):
            break
    define(admin, theirs)
    assert {name: accepted(admin, given) for name, given in EXAMPLES.items()} == dict.fromkeys(EXAMPLES, "")
