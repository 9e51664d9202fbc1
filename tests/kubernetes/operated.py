"""A castle whose database an operator runs: driver `pgo`, the stand-in for PGO in a cluster that the castle raises."""

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from testbed.standins.pgo import manifests, names

from tests.e2e.castles import INIT, Computer
from tests.kubernetes.castles import KubernetesCastle, Parts
from tests.kubernetes.control import ROOT
from tests.kubernetes.databases import KUBECTL

DEFINITION = """\
castle: {name}
budget: {{rto: 5m, rpo: 60s}}
proof: {{max_age: 1ms}}
treasury: {treasury}
layers:
  machines: {{role: ground}}
  cluster: {{role: foundations, needs: [machines]}}
  database: {{role: treasures, needs: [cluster]}}
  answers: {{role: proof, needs: [database]}}
sites:
  here:
    reach: {{registry: "{registry}"}}
    layers:
      machines:
        driver: podman
        image: kubernetes
        mounts: {{/opt/kubernetes: {kit}}}
        machines:
          control: {{id: 421, memory: 2GiB}}
          data: {{id: 431, memory: 2GiB}}
      cluster: {{driver: kubeadm, control: [control], workers: [data], programs: /opt/kubernetes, mirror: registry}}
      database:
        driver: pgo
        namespace: data
        cluster: db
        storage_class: local-path
        {more}
        databases: {{app: {{owner: app, init: init.sql}}}}
        users: {{app: {{}}, report: {{}}}}
        shared_buffers: 64MiB
        max_wal_size: 256MiB
        fence_timeout: 10s
        heartbeat: 2s
      answers: {{driver: postgres-probe, database: database}}
"""
PROVISIONER = (ROOT / "examples/tazlab/repository/operators/lab/storage/local-path.yaml").read_text()
APPLY = f'printf %s "$1" | {" ".join(KUBECTL)} apply --server-side --force-conflicts -f -'
ROOM = """
import subprocess
import sys
from ephemeral_castle.cli import drilling, wiring
from ephemeral_castle.cli.places import places
from ephemeral_castle.world.exec import LocalExec
castle = wiring.load_castle(sys.argv[1])
named, site = drilling.rehearsed(castle, castle.site())
room = drilling.room_at(places(castle.name), named, site, LocalExec())
sys.exit(subprocess.call(room.enclosure.podman(*sys.argv[2:])))
"""
LEADER = f"{names.CLUSTER}=db,{names.ROLE}=master"
PSQL = ("psql", "-qAtX", "-h", "/tmp/postgres", "-U", "postgres")


class OperatedCastle(KubernetesCastle):
    """One node for the control plane, one for the database."""

    def __init__(self, base: Path, given: Parts, more: str = "") -> None:
        self.more = more
        super().__init__(base, given, workers=("data",))
        (base / "init.sql").write_text(INIT)

    def write(self, **_: str) -> None:
        """Writes the definition."""
        text = DEFINITION.format(
            name=self.name, more=self.more, treasury=self.treasury, registry=self.parts.registry, kit=self.parts.kit
        )
        self.file.write_text(text)

    def inside(self, life: int, *args: str) -> subprocess.CompletedProcess[str]:
        """Kubectl on the control plane of a life, which no door leads to."""
        return self.podman("exec", f"{self.name}-{life}-421", *KUBECTL, *args)

    def apply(self, life: int, text: str) -> subprocess.CompletedProcess[str]:
        """Applies a manifest in a life."""
        return self.podman("exec", f"{self.name}-{life}-421", "sh", "-c", APPLY, "apply", text)

    def in_room(self, *args: str) -> subprocess.CompletedProcess[str]:
        """The podman of a drill's room."""
        return subprocess.run(
            [sys.executable, "-c", ROOM, str(self.file), *args],
            capture_output=True, text=True, env=self.here.env(), check=False,
        )  # fmt: skip

    def until(self, life: int, *args: str, seconds: float = 120) -> None:
        """Waits until kubectl succeeds."""
        end = time.monotonic() + seconds
        while (said := self.inside(life, *args)).returncode != 0:
            assert time.monotonic() < end, said.stderr
            time.sleep(0.5)

    def raise_(self) -> None:
        """The first life."""
        self.run("raise", "--new", timeout=900)

    def rebirth(self, *args: str, ok: bool = True, on: Computer | None = None) -> subprocess.CompletedProcess[str]:
        """One rebirth."""
        return self.run("rebirth", "--confirm", self.name, *args, ok=ok, on=on, timeout=900)

    def sql(
        self, text: str, *, life: int, database: str = "app", on: Computer | None = None, cluster: str = "db"
    ) -> str:
        """SQL as superuser in the leader's pod of a life."""
        del on
        leader = LEADER.replace("=db,", f"={cluster},")
        pod = self.inside(life, "-n", "data", "get", "pods", "-l", leader, "-o", "jsonpath={.items[0].metadata.name}")
        assert pod.returncode == 0, pod.stderr
        where = ("-n", "data", "exec", pod.stdout, "-c", "database", "--")
        result = self.inside(life, *where, *PSQL, "-d", database, "-c", text)
        assert result.returncode == 0, result.stderr
        return result.stdout.strip()

    def cluster(self) -> dict[str, Any]:
        """The PostgresCluster."""
        found: dict[str, Any] = json.loads(self.kubectl("-n", "data", "get", "postgrescluster", "db", "-o", "json"))
        return found


@contextlib.contextmanager
def installed(castle: OperatedCastle, life: int, more: Sequence[str] = ()) -> Iterator[None]:
    """As whoever sets up a cluster does: operator and storage class come when its API server answers.

    Args:
        castle: whose.
        life: that is being raised.
        more: what else is applied, as soon as the operator's kinds are known.
    """
    with _installing(lambda text: castle.apply(life, text).returncode == 0, more):
        yield


@contextlib.contextmanager
def _installing(apply: Callable[[str], bool], more: Sequence[str]) -> Iterator[None]:
    stop = threading.Event()
    space = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "data"}}
    given = [json.dumps(each) for each in manifests.documents()]
    crd = next(number for number, each in enumerate(given) if "CustomResourceDefinition" in each)
    left = [json.dumps(space), PROVISIONER, *given[: crd + 1], *more, *given[crd + 1 :]]

    def work() -> None:
        while left and not stop.is_set():
            if apply(left[0]):
                left.pop(0)
            else:
                time.sleep(1)

    worker = threading.Thread(target=work)
    worker.start()
    try:
        yield
    finally:
        stop.set()
        worker.join(60)


@contextlib.contextmanager
def installed_in_room(castle: OperatedCastle) -> Iterator[None]:
    """The same in the cluster that a drill raises beside the living one."""

    def apply(text: str) -> bool:
        names = castle.in_room("ps", "--format", "{{.Names}}").stdout.split()
        control = next((each for each in names if each.endswith("-421")), "")
        return bool(control) and castle.in_room("exec", control, "sh", "-c", APPLY, "apply", text).returncode == 0

    with _installing(apply, ()):
        yield


@contextlib.contextmanager
def operated(given: Parts, more: str = "") -> Iterator[OperatedCastle]:
    """A castle that is not raised yet; no trace of it stays."""
    images = [str(ROOT / "scripts/kubernetes"), "images", f"http://{given.registry}", "pgo", "pgo-postgres",
              "local-path-provisioner"]  # fmt: skip
    subprocess.run(images, check=True, timeout=900)
    base = Path(tempfile.mkdtemp(prefix="castle-operated-", dir="/var/tmp"))
    made = OperatedCastle(base, given, more)
    try:
        yield made
    finally:
        made.down()
        shutil.rmtree(base, ignore_errors=True)


@contextlib.contextmanager
def standing(given: Parts, more: str = "") -> Iterator[OperatedCastle]:
    """A castle in its first life."""
    with operated(given, more) as made:
        with installed(made, 1):
            made.raise_()
        yield made
