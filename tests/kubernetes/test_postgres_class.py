"""A database on volumes of a storage class: made by a provisioner, in a cluster that knows it only a while later."""

from __future__ import annotations

import contextlib
import subprocess
import threading
import time
from collections.abc import Iterator

import pytest

from tests.e2e.writers import Writer
from tests.kubernetes.castles import parts
from tests.kubernetes.control import ROOT
from tests.kubernetes.databases import KUBECTL, DatabaseCastle, castle_of
from tests.systems import CLUSTER

pytestmark = [
    pytest.mark.kubernetes,
    pytest.mark.machines,
    pytest.mark.timeout(900),
    pytest.mark.evidence("real", *CLUSTER, "kubernetes", "local-path", "postgresql", "pgbackrest", "pgbouncer"),
]
PROVISIONER = (ROOT / "examples/tazlab/repository/operators/lab/storage/local-path.yaml").read_text()
APPLY = f'printf %s "$1" | {" ".join(KUBECTL)} apply -f -'


@contextlib.contextmanager
def provisioned(castle: DatabaseCastle, life: int) -> Iterator[None]:
    """As whoever sets up a cluster does: the class comes when its API server answers."""
    stop = threading.Event()

    def apply() -> None:
        machine = f"{castle.name}-{life}-421"
        while not stop.is_set():
            if castle.podman("exec", machine, "sh", "-c", APPLY, "apply", PROVISIONER).returncode == 0:
                return
            time.sleep(1)

    worker = threading.Thread(target=apply)
    worker.start()
    try:
        yield
    finally:
        stop.set()
        worker.join(30)


@pytest.fixture(scope="module")
def castle() -> Iterator[DatabaseCastle]:
    with parts() as given, castle_of(given, home="storage_class: local-path", probed=True) as made:
        images = [str(ROOT / "scripts/kubernetes"), "images", f"http://{given.registry}", "local-path-provisioner"]
        subprocess.run(images, check=True, timeout=600)
        with provisioned(made, 1):
            made.raise_()
        yield made


def test_it_is_reborn_onto_new_volumes_of_its_class(castle: DatabaseCastle) -> None:
    with Writer(castle) as writer:
        writer.wait_for(20)
        with provisioned(castle, 2):
            castle.rebirth()
        writer.wait_for(writer.count() + 5)
    assert writer.missing(2) == set()
    claims = castle.objects("pvc", "-n", "data")
    assert {claim["spec"]["storageClassName"] for claim in claims} == {"local-path"}
    # Nothing in it is root: the class hands volumes over, and the kubelet their groups.
    pod = castle.objects("pods", "-n", "data", "-l", "castle.part=database")[0]["spec"]
    assert all("runAsUser" not in each["securityContext"] for each in pod["initContainers"])


SECOND = """\
apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata: {name: second, annotations: {storageclass.kubernetes.io/is-default-class: "true"}}
provisioner: rancher.io/local-path
"""


def test_pods_reached_names_themselves_and_a_volume_and_nothing_of_that_stays(castle: DatabaseCastle) -> None:
    assert castle.facts("inside/inside")["nodes"] == ["data"]
    gone = {each["metadata"]["name"]: each["status"]["phase"] for each in castle.objects("namespaces")}
    assert gone.get("castle-probe", "Terminating") == "Terminating"


def test_two_default_classes_stop_a_rebirth_while_nothing_is_lost(castle: DatabaseCastle) -> None:
    life = castle.life()
    castle.kubectl("apply", "-f", "-", stdin=SECOND)
    refused = castle.rebirth(ok=False)
    assert refused.returncode == 9
    assert "2 storage classes are the default one (local-path, second)" in refused.stderr + refused.stdout
    assert "nothing was changed" in refused.stderr + refused.stdout
    assert castle.life() == life
    assert castle.sql("select count(*) > 0 from ledger", life=life) == "t"
    castle.kubectl("delete", "storageclass", "second")


def test_a_seal_is_opened_again_on_the_same_volumes(castle: DatabaseCastle) -> None:
    life = castle.life()
    rows = castle.sql("select count(*) from ledger", life=life)
    castle.run("seal")
    castle.run("raise")
    assert castle.sql("select count(*) from ledger", life=life) == rows
