"""A real cluster with the stand-in for PGO in it, volumes on a node's disk, and an S3 server outside of it all."""

from __future__ import annotations

import base64
import contextlib
import json
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from testbed.standins.pgo import manifests, names

from tests.e2e.treasuries import BUCKET, Treasury
from tests.kubernetes.castles import MACHINES, KubernetesCastle, Parts
from tests.kubernetes.control import ROOT
from tests.standins.pgo_bed import CLAIM, spec

DEFINITION = """\
castle: {name}
treasury: {treasury}
layers:
  machines: {{role: ground}}
  cluster: {{role: foundations, needs: [machines]}}
sites:
  here:
    reach: {{registry: "{registry}", s3: "127.0.0.1:{s3}"}}
    layers:
      machines:
        driver: podman
        image: kubernetes
        mounts: {{/opt/kubernetes: {kit}}}
        machines:
          control: {{id: 421, memory: 2GiB}}
          data: {{id: 431, memory: 2GiB}}
      cluster: {{driver: kubeadm, control: [control], workers: [data], programs: /opt/kubernetes, mirror: registry}}
"""
DISK = "/var/lib/containers/pgo-test"  # on the machine's volume
VOLUMES = 6
IN_TIME = 180.0  # seconds
PASS = "the cipher pass of this test"


class PgoCastle(KubernetesCastle):
    """One node for the control plane, one for the databases."""

    def __init__(self, base: Path, given: Parts, treasury: Treasury) -> None:
        self.s3 = treasury
        super().__init__(base, given, workers=("data",))

    def write(self, **_: str) -> None:
        """Writes the definition."""
        text = DEFINITION.format(
            name=self.name, treasury=self.treasury, registry=self.parts.registry, kit=self.parts.kit, s3=self.s3.port
        )
        self.file.write_text(text)

    def install(self) -> None:
        """The operator, volumes, and the Secret that leads to the bucket."""
        node = f"{self.name}-1-{MACHINES['data'][0]}"
        folders = [f"{DISK}/{number}" for number in range(VOLUMES)]
        self.podman("exec", node, "sh", "-c", f"mkdir -p {' '.join(folders)} && chmod 777 {' '.join(folders)}")
        documents = [*manifests.documents(), {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "data"}}]
        documents += [volume(number, path) for number, path in enumerate(folders)]
        meta, data = {"name": "db-s3", "namespace": "data"}, {"s3.conf": self.configuration()}
        documents.append({"apiVersion": "v1", "kind": "Secret", "metadata": meta, "stringData": data})
        for each in documents:
            self.kubectl("apply", "--server-side", "-f", "-", stdin=json.dumps(each))
            if each["kind"] == "CustomResourceDefinition":
                self.kubectl("wait", "--for=condition=Established", f"crd/{each['metadata']['name']}")
        self.kubectl("-n", "postgres-operator", "rollout", "status", "deployment/pgo", "--timeout=120s", timeout=150)

    def configuration(self, cipher: str = PASS) -> str:
        """What leads to the bucket, and opens what lies there."""
        lines = {"key": self.s3.keys.access_key, "key-secret": self.s3.keys.secret_key.reveal()}
        text = "[global]\n" + "".join(f"repo1-s3-{key}={value}\n" for key, value in lines.items())
        return f"{text}repo1-cipher-pass={cipher}\n"

    def gateway(self) -> str:
        """Where machines and pods reach the computer."""
        return self.on("data", "sh", "-c", "ip route show default | awk '{print $3}'")

    def wanted(self, path: str, **more: Any) -> dict[str, Any]:
        """A cluster whose repository lies at a path of the bucket."""
        repo = {"name": "repo1", "s3": {"bucket": BUCKET, "endpoint": self.gateway(), "region": "us-east-1"}}
        options = {
            "repo1-cipher-type": "aes-256-cbc",
            "repo1-path": path,
            "repo1-s3-uri-style": "path",
            "repo1-storage-port": str(self.s3.port),
            "repo1-storage-verify-tls": "n",
            "start-fast": "y",
        }
        configuration = [{"secret": {"name": "db-s3"}}]
        backrest = {"configuration": configuration, "global": {**options, "repo1-retention-full": "4"}, "repos": [repo]}
        backrest |= more.pop("backrest", {})
        backrest["repos"] = [repo, *backrest.pop("more_repos", [])]
        restored = {"stanza": "db", "configuration": configuration, "global": options, "repo": repo}
        source = {"dataSource": {"pgbackrest": restored}} if more.pop("restored", False) else {}
        return spec(
            backups={"pgbackrest": backrest},
            proxy={"pgBouncer": {"replicas": 1}},
            patroni={"syncPeriodSeconds": 2, "leaderLeaseDurationSeconds": 6},
            **source,
            **more,
        )

    def cluster(self, wanted: dict[str, Any], name: str = "db", **annotations: str) -> None:
        """Applies a cluster."""
        meta = {"name": name, "namespace": "data", "annotations": annotations}
        body = {"apiVersion": names.API, "kind": names.KIND, "metadata": meta, "spec": wanted}
        # Deleting a field that is not wanted any more: by replace, as an editor does it.
        if self.kubectl("-n", "data", "get", "postgrescluster", name, "--ignore-not-found"):
            self.kubectl("replace", "-f", "-", stdin=json.dumps(body))
        else:
            self.kubectl("create", "-f", "-", stdin=json.dumps(body))

    def status(self, name: str = "db") -> dict[str, Any]:
        """What is said of a cluster."""
        found: dict[str, Any] = json.loads(self.kubectl("-n", "data", "get", "postgrescluster", name, "-o", "json"))
        said: dict[str, Any] = found.get("status", {})
        return said

    def condition(self, kind: str, name: str = "db") -> str:
        """A condition as `True/Reason`."""
        for each in self.status(name).get("conditions", ()):
            if each["type"] == kind:
                return f"{each['status']}/{each['reason']}"
        return ""

    def until(self, kind: str, wanted: str, name: str = "db", seconds: float = IN_TIME) -> None:
        """Waits for a condition."""
        end = time.monotonic() + seconds
        while (found := self.condition(kind, name)) != wanted:
            if time.monotonic() > end:
                raise AssertionError(f"{kind} is {found!r}, not {wanted}\n{self.story()}")
            time.sleep(1)

    def story(self) -> str:
        """What a person would look at."""
        parts = [
            self.kubectl("-n", "data", "get", "pods,jobs,pvc,endpoints", ok=False),
            self.kubectl("-n", "data", "get", "events", "--sort-by=.lastTimestamp", ok=False)[-3000:],
            self.kubectl("-n", "postgres-operator", "logs", "deployment/pgo", "--tail=20", ok=False),
        ]
        return "\n".join(parts)

    def primary(self, name: str = "db") -> str:
        """The pod that leads."""
        selector = f"{names.CLUSTER}={name},{names.ROLE}=master"
        return self.kubectl("-n", "data", "get", "pods", "-l", selector, "-o", "jsonpath={.items[0].metadata.name}")

    def inside(self, *argv: str, name: str = "db", stdin: str = "") -> str:
        """A command in the leader's container."""
        flags = ["-i"] if stdin else []
        pod = self.primary(name)
        return self.kubectl("-n", "data", "exec", *flags, pod, "-c", "database", "--", *argv, stdin=stdin).strip()

    def sql(self, text: str, *, name: str = "db", database: str = "app", **_: Any) -> str:
        """SQL as superuser."""
        return self.inside("psql", "-XAtqd", database, "-c", text, name=name)

    def login(self, key: str = "uri", user: str = "app") -> str:
        """Connects from another pod by a URI of the user's Secret, as an application does; says who it is then."""
        secret = json.loads(self.kubectl("-n", "data", "get", "secret", f"db-pguser-{user}", "-o", "json"))
        uri = base64.b64decode(secret["data"][key]).decode()
        argv = ("env", "PGCONNECT_TIMEOUT=10", "psql", "-XAtq", f"{uri}?sslmode=require", "-c", "SELECT current_user")
        pod = ("exec", "deployment/db-pgbouncer", "-c", "pgbouncer")
        return self.kubectl("-n", "data", *pod, "--", *argv).strip()


def volume(number: int, path: str) -> dict[str, Any]:
    """A volume that a claim without a class takes."""
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": f"disk-{number}"},
        "spec": {
            "accessModes": CLAIM["accessModes"],
            "capacity": {"storage": "4Gi"},
            "hostPath": {"path": path},
            "persistentVolumeReclaimPolicy": "Retain",
            "storageClassName": "",
            "nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [
                {"key": "kubernetes.io/hostname", "operator": "NotIn", "values": ["control"]},
            ]}]}},
        },
    }  # fmt: skip


@contextlib.contextmanager
def pgo_castle(given: Parts) -> Iterator[PgoCastle]:
    """It stands, and the operator in it; no trace of it stays."""
    images = [str(ROOT / "scripts/kubernetes"), "images", f"http://{given.registry}", "pgo", "pgo-postgres"]
    subprocess.run(images, check=True, timeout=900)
    base = Path(tempfile.mkdtemp(prefix="castle-pgo-", dir="/var/tmp"))
    treasury = Treasury(Path(tempfile.mkdtemp(prefix="castle-s3-", dir="/var/tmp")))
    made = PgoCastle(base, given, treasury)
    try:
        made.raise_()
        made.install()
        yield made
    finally:
        made.down()
        treasury.close()
        shutil.rmtree(base, ignore_errors=True)
