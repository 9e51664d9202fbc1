"""A castle of a test's own with a real cluster on real machines."""

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from testbed import registry

from tests.e2e import registries
from tests.e2e.castles import TestCastle
from tests.kubernetes.control import ROOT, programs

DEFINITION = """\
castle: {name}
treasury: {treasury}
layers:
  machines: {{role: ground}}
  cluster: {{role: foundations, needs: [machines]}}
sites:
  here:
    subnet: {subnet}
    reach: {{registry: {registry}}}
    layers:
      machines:
        driver: podman
        image: kubernetes
        transport: {transport}
        mounts: {{/opt/kubernetes: {kit}}}
        reserve: 64MiB
        machines: {machines}
      cluster:
        driver: kubeadm
        control: [{control}]
        workers: [{workers}]
        programs: /opt/kubernetes
        mirror: registry
"""
NEEDED = ("kubeadm", "kubelet", "kubectl", "etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler",
          "kube-proxy", "coredns", "pause")  # fmt: skip
MACHINES = {"control": (421, "2GiB"), "second": (422, "2GiB"), "third": (423, "2GiB"), "data": (431, "1GiB"),
            "edge": (432, "1GiB")}  # fmt: skip


@dataclass(frozen=True)
class Parts:
    """What machines are given: the directory of programs, and where the registry of images answers."""

    kit: Path
    registry: str

    @property
    def kubectl(self) -> Path:
        """A client that is not ours."""
        return self.kit / "kubectl"


def lacking() -> str:
    """What cannot be tried here, and why; "" when all is there."""
    found = programs()
    missing = [name for name in NEEDED if name not in found]
    if missing:
        return f"{', '.join(missing)} are not built: scripts/kubernetes prefetch"
    return "" if registry.program() else "Debian's docker-registry is not here: make setup"


@contextlib.contextmanager
def parts() -> Iterator[Parts]:
    """The kit, and a registry with the images of a bare cluster; what is built already is only taken."""
    why = lacking()
    if why:
        pytest.skip(why)
    script = ROOT / "scripts/kubernetes"
    kit = subprocess.run([script, "kit"], capture_output=True, text=True, check=True).stdout.strip()
    with tempfile.TemporaryDirectory(prefix="castle-registry-") as room:
        address = str(registries.start(Path(room), registry.STORAGE)["address"])
        try:
            subprocess.run([script, "images", f"http://{address}", "cluster", "busybox"], check=True, timeout=600)
            yield Parts(Path(kit), address)
        finally:
            registries.stop(Path(room))


class KubernetesCastle(TestCastle):
    """One control plane, or three, and workers."""

    __test__ = False

    def __init__(
        self,
        base: Path,
        given: Parts,
        *,
        control: Sequence[str] = ("control",),
        workers: Sequence[str] = ("data", "edge"),
        transport: str = "podman",
    ) -> None:
        self.parts, self.control, self.workers, self.transport = given, control, workers, transport
        super().__init__(base)

    def write(self, **_: str) -> None:
        """Writes the definition."""
        names = [*self.control, *self.workers]
        machines = {name: {"id": MACHINES[name][0], "memory": MACHINES[name][1]} for name in names}
        text = DEFINITION.format(
            name=self.name, treasury=self.treasury, subnet="10.89.77.0/24", registry=self.parts.registry,
            transport=self.transport, kit=self.parts.kit, machines=json.dumps(machines),
            control=", ".join(self.control), workers=", ".join(self.workers),
        )  # fmt: skip
        self.file.write_text(text)

    def kubectl(self, *args: str, ok: bool = True, stdin: str = "", timeout: float = 60) -> str:
        """What kubectl says, with the key that `castle kubeconfig` writes."""
        config = self.run("kubeconfig").stdout.strip()
        command = [str(self.parts.kubectl), "--kubeconfig", config, "--request-timeout=20s", *args]
        result = subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=timeout, check=False)
        assert not ok or result.returncode == 0, f"{command}\n{result.stdout}\n{result.stderr}"
        return result.stdout

    def kubectl_with(self, config: str, *args: str) -> str:
        """What kubectl says within two seconds; nothing when it fails."""
        command = [str(self.parts.kubectl), "--kubeconfig", config, "--request-timeout=2s", *args]
        return subprocess.run(command, capture_output=True, text=True, timeout=30, check=False).stdout

    def objects(self, kind: str, *args: str) -> list[dict[str, Any]]:
        """All objects of a kind."""
        found: list[dict[str, Any]] = json.loads(self.kubectl("get", kind, "-o", "json", *args))["items"]
        return found

    def nodes(self) -> dict[str, bool]:
        """Which node is ready."""
        return {
            each["metadata"]["name"]: any(
                condition["type"] == "Ready" and condition["status"] == "True"
                for condition in each["status"].get("conditions", ())
            )
            for each in self.objects("nodes")
        }

    def on(self, name: str, *argv: str, life: int = 1) -> str:
        """What a command says on a machine of a life."""
        result = self.podman("exec", f"{self.name}-{life}-{MACHINES[name][0]}", *argv)
        assert result.returncode == 0, f"{argv}: {result.stderr}"
        return result.stdout.strip()

    def facts(self, step: str) -> dict[str, Any]:
        """Facts of a step of the newest run."""
        report = self.run("logs", "--json", "--step", step).stdout
        ends = [json.loads(line) for line in report.splitlines() if '"step.finished"' in line]
        found: dict[str, Any] = (ends[-1].get("data") or ends[-1])["facts"]
        return found


@contextlib.contextmanager
def castle_of(given: Parts, **more: Any) -> Iterator[KubernetesCastle]:
    """A castle that is not raised yet, in a directory of its own; no trace of it stays."""
    base = Path(tempfile.mkdtemp(prefix="castle-kubernetes-", dir="/var/tmp"))
    made = KubernetesCastle(base, given, **more)
    try:
        yield made
    finally:
        made.down()
        shutil.rmtree(base, ignore_errors=True)
