"""A castle whose cluster lives by GitOps: Flux' real kustomize-controller applies PGO and what it runs from a Git host.

A castle of this kind has the PostgresCluster as a layer of its own (driver `pgo`, `by: git`), or has none: then the
database in its tree is somebody else's, for a guest to adopt.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from testbed.standins import components
from testbed.standins.pgo import crd, manifests

from tests.e2e.treasuries import Treasury, free_port
from tests.githosts import Origin
from tests.kubernetes.castles import Parts
from tests.kubernetes.control import ROOT
from tests.kubernetes.operated import DEFINITION, PROVISIONER, OperatedCastle

IMAGES = ("pgo", "pgo-postgres", "local-path-provisioner", "kustomize-controller", "source-controller")
WORD = {"substituteFrom": [{"kind": "ConfigMap", "name": "castle-life"}]}
GITOPS = """\
      gitops:
        driver: flux
        path: clusters/lab
        components: platform
        repository_url: http://git/castle.git
        interval: 5s
"""
CLAIM = {"storageClassName": "local-path", "accessModes": ["ReadWriteOnce"],
         "resources": {"requests": {"storage": "2Gi"}}}  # fmt: skip
QUICK = {"patroni": {"syncPeriodSeconds": 3, "leaderLeaseDurationSeconds": 10}}


def document(*found: Any) -> str:
    """Several documents in a file."""
    return "---\n".join(each if isinstance(each, str) else json.dumps(each) + "\n" for each in found)


def unit(name: str, **spec: Any) -> dict[str, Any]:
    """A Kustomization of Flux."""
    body = {"interval": "10m", "retryInterval": "3s", "timeout": "3m", "prune": False, "path": f"./{name}",
            "sourceRef": {"kind": "GitRepository", "name": "flux-system"}, **spec}  # fmt: skip
    meta = {"name": name, "namespace": "flux-system"}
    return {"apiVersion": "kustomize.toolkit.fluxcd.io/v1", "kind": "Kustomization", "metadata": meta, "spec": body}


def born(*, second: bool = False) -> str:
    """The PostgresCluster of the guide, which takes its birth from castle's word. `second`: with repo2 on a volume."""
    more = json.dumps({"name": "repo2", "volume": {"volumeClaimSpec": CLAIM}})
    users = json.dumps([{"name": "app", "databases": ["app"]}, {"name": "report"}])
    instances = json.dumps([{"name": "a", "replicas": 1, "dataVolumeClaimSpec": CLAIM}])
    return f"""\
apiVersion: postgres-operator.crunchydata.com/v1beta1
kind: PostgresCluster
metadata: {{name: db, namespace: data}}
spec:
  ${{database_birth_key}}: ${{database_birth_value}}
  postgresVersion: 17
  users: {users}
  instances: {instances}
  proxy: {{pgBouncer: {{port: 6432, service: {{type: NodePort}}, config: {{global: {{server_login_retry: "1"}}}}}}}}
  patroni: {json.dumps(QUICK["patroni"])}
  config: {{parameters: {{shared_buffers: 65536kB, max_wal_size: 256MB, archive_timeout: 30s}}}}
  backups:
    pgbackrest:
      configuration:
      - secret: {{name: "${{database_secret}}"}}
      global: ${{database_global}}
      repos:
      - ${{database_repository}}
{f"      - {more}" if second else ""}
"""


class GrownCastle(OperatedCastle):
    """Machines, a cluster and Flux; the database is in its tree."""

    def __init__(self, base: Path, given: Parts, *, database: bool, s3: Treasury | None = None) -> None:
        self.database, self.s3, self.port = database, s3, free_port()
        (base / "git").mkdir()
        self.origin = Origin(base / "git/castle.git")
        self.tree: dict[str, Any] = {}
        super().__init__(base, given, more="by: git")

    def write(self, **_: str) -> None:
        """Writes the definition."""
        text = DEFINITION.format(
            name=self.name, more=self.more, treasury=self.treasury, registry=self.parts.registry, kit=self.parts.kit
        )
        reach = f'registry: "{self.parts.registry}", git: "127.0.0.1:{self.port}"'
        reach += f', s3: "127.0.0.1:{self.s3.port}"' if self.s3 else ""
        text = text.replace(f'registry: "{self.parts.registry}"', reach)
        text = text.replace("layers:\n", f"repository: {{url: {self.origin.directory}, ref: main}}\nlayers:\n", 1)
        text = text.replace("  database: {role", "  gitops: {role: walls, needs: [cluster]}\n  database: {role", 1)
        head, sep, tail = text.partition("      database:\n")
        text = head + GITOPS + sep + tail
        if not self.database:
            text = head + GITOPS
            text = "".join(line for line in text.splitlines(True) if "  database: {role" not in line)
            text = "".join(line for line in text.splitlines(True) if "  answers: {role" not in line)
        self.file.write_text(text)

    def push(self, database: str, **data: Any) -> str:
        """Commits the tree with this PostgresCluster; `data`: what is said of its unit."""
        given = manifests.documents()
        spaces = [{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "data"}}]
        operators = [each for each in given if each["kind"] != "CustomResourceDefinition"]
        units = [unit("operators", wait=True), unit("data", dependsOn=[{"name": "operators"}], **data)]
        return self.origin.commit(
            {
                "platform": {components.FILE: components.text(), "pgo.yaml": document(crd.definition())},
                "clusters": {"lab": {"units.yaml": document(*units)}},
                "operators": {"operators.yaml": document(*spaces, PROVISIONER, *operators)},
                "data": {"db.yaml": database},
            }
        )

    def serve(self) -> None:
        """The Git host of its cluster."""
        self._host("start", "--root", str(self.base / "git"), "--port", str(self.port))

    def silence(self) -> None:
        """Nobody answers at the Git host any more."""
        self._host("stop")

    def _host(self, verb: str, *more: str) -> None:
        program = [sys.executable, str(ROOT / "testbed/git_host.py"), verb, str(self.base / "host"), *more]
        subprocess.run(program, check=True, timeout=60, stdout=subprocess.DEVNULL)


@contextlib.contextmanager
def grown(given: Parts, *, database: bool, s3: Treasury | None = None) -> Iterator[GrownCastle]:
    """A castle that is not raised yet; no trace of it stays."""
    subprocess.run(
        [ROOT / "scripts/kubernetes", "images", f"http://{given.registry}", *IMAGES], check=True, timeout=900
    )
    base = Path(tempfile.mkdtemp(prefix="castle-grown-", dir="/var/tmp"))
    made = GrownCastle(base, given, database=database, s3=s3)
    made.serve()
    try:
        yield made
    finally:
        made.silence()  # `down` removes the directory in which its process id lies
        made.down()
        shutil.rmtree(base, ignore_errors=True)
