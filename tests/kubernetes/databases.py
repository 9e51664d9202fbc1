"""A real castle whose database lives in a cluster that it raises itself: two machines, kubeadm, a registry."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.e2e.castles import INIT, Computer
from tests.kubernetes.castles import KubernetesCastle, Parts

DEFINITION = """\
castle: {name}
budget: {{rto: 3m, rpo: 60s}}
proof: {{max_age: 1ms}}
treasury: {treasury}
layers:
  machines: {{role: ground}}
  cluster: {{role: foundations, needs: [machines]}}
  database: {{role: treasures, needs: [cluster]}}
  answers: {{role: proof, needs: [database]}}
{probe_role}sites:
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
        driver: postgres
        namespace: data
        {home}
        databases: {{app: {{owner: app, init: init.sql}}}}
        users: {{app: {{}}, report: {{}}}}
        shared_buffers: 64MiB
        max_wal_size: 256MiB
        heartbeat: 1s
        fence_timeout: 5s
      answers: {{driver: postgres-probe, database: database}}
{probe}"""
PROBE = "  inside: {role: proof, needs: [cluster]}\n", "      inside: {driver: kubernetes-probe, claim: true}\n"
KUBECTL = ("env", "KUBECONFIG=/etc/kubernetes/admin.conf", "/opt/kubernetes/kubectl")
PSQL = ("exec", "-n", "data", "database-0", "-c", "postgres", "--", "psql", "-qAtX", "-h", "/tmp", "-U", "postgres")


class DatabaseCastle(KubernetesCastle):
    """One node for the control plane, one for the database."""

    def __init__(self, base: Path, given: Parts, home: str = "node: data", *, probed: bool = False) -> None:
        self.home, self.probed = home, probed
        super().__init__(base, given, workers=("data",))
        (base / "init.sql").write_text(INIT)

    def write(self, **_: str) -> None:
        """Writes the definition."""
        role, probe = PROBE if self.probed else ("", "")
        text = DEFINITION.format(
            probe_role=role,
            probe=probe,
            name=self.name,
            home=self.home,
            treasury=self.treasury,
            registry=self.parts.registry,
            kit=self.parts.kit,
        )
        self.file.write_text(text)

    def sql(self, text: str, *, life: int, database: str = "app", on: Computer | None = None) -> str:
        """SQL as superuser in the database's pod of a life; asked on its control plane, which no door leads to."""
        command = (*KUBECTL, *PSQL, "-d", database, "-c", text)
        result = self.podman("exec", f"{self.name}-{life}-421", *command, on=on)
        assert result.returncode == 0, result.stderr
        return result.stdout.strip()


@contextlib.contextmanager
def castle_of(given: Parts, home: str = "node: data", *, probed: bool = False) -> Iterator[DatabaseCastle]:
    """A castle that is not raised yet; no trace of it stays. `probed`: what pods see is proven, too."""
    base = Path(tempfile.mkdtemp(prefix="castle-kubernetes-", dir="/var/tmp"))
    made = DatabaseCastle(base, given, home, probed=probed)
    try:
        yield made
    finally:
        made.down()
        shutil.rmtree(base, ignore_errors=True)


@contextlib.contextmanager
def standing(given: Parts) -> Iterator[DatabaseCastle]:
    """A castle in its first life, its database on a node's own disk."""
    with castle_of(given) as made:
        made.raise_()
        yield made
