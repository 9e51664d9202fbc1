"""A castle that lives in a cluster which it does not raise: found by `castle adopt`, in directories of its own."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.kubernetes.castles import KubernetesCastle


class Guest:
    """Runs the command `castle` on a definition that `castle adopt` writes.

    Args:
        host: the castle that raised the cluster, and knows nothing of this one.
        base: directory of the guest's own.
        kubeconfig: how the guest reaches the cluster; the administrator's when not given.
    """

    def __init__(self, host: KubernetesCastle, base: Path, kubeconfig: str = "") -> None:
        self.host, self.base = host, base
        self.name = "g" + secrets.token_hex(4)
        self.kubeconfig = kubeconfig or host.run("kubeconfig").stdout.strip()
        self.file = base / "castle.yaml"
        self.keys: list[Path] = []  # they lie in root's own place

    def env(self) -> dict[str, str]:
        """The variables that move castle's directories, and the kubeconfig."""
        return {
            **os.environ,
            "CASTLE_STATE": str(self.base / "state"),
            "CASTLE_RUN": str(self.base / "run"),
            "KUBECONFIG": self.kubeconfig,
        }

    def castle(self, *argv: str, ok: bool = True, timeout: float = 600) -> subprocess.CompletedProcess[str]:
        """`castle ARGV`, in the guest's directory."""
        command = [str(Path(sys.executable).with_name("castle")), *argv]
        result = subprocess.run(
            command, capture_output=True, text=True, env=self.env(), cwd=self.base, timeout=timeout, check=False
        )
        said = f"{result.stdout}\n{result.stderr}"
        assert not ok or result.returncode == 0, f"{' '.join(command)} ended with {result.returncode}\n{said}"
        return result

    def adopt(self, *more: str) -> dict[str, Any]:
        """Looks at the cluster and writes the definition."""
        found: dict[str, Any] = json.loads(self.castle("adopt", "--name", self.name, "--json", *more).stdout)
        self.keys = [Path(each) for each in found["files"] if each.endswith(".key")]
        return found

    def facts(self, step: str) -> dict[str, Any]:
        """Facts of a step of the newest run."""
        report = self.castle("logs", "--json", "--step", step).stdout
        ends = [json.loads(line) for line in report.splitlines() if '"step.finished"' in line]
        found: dict[str, Any] = (ends[-1].get("data") or ends[-1])["facts"]
        return found

    def down(self) -> None:
        """Removes every trace of it from this computer."""
        if self.file.exists():
            self.castle("down", "--confirm", self.name, ok=False)
        for each in self.keys:
            each.unlink(missing_ok=True)
        shutil.rmtree(self.base, ignore_errors=True)


@contextlib.contextmanager
def guest_of(host: KubernetesCastle, kubeconfig: str = "") -> Iterator[Guest]:
    """One that has adopted nothing yet; no trace of it stays."""
    made = Guest(host, Path(tempfile.mkdtemp(prefix="castle-guest-", dir="/var/tmp")), kubeconfig)
    try:
        yield made
    finally:
        made.down()


KINDS = "statefulsets,deployments,services,secrets,configmaps,persistentvolumeclaims,jobs,cronjobs"


def versions(host: KubernetesCastle, *namespaces: str, kinds: str = KINDS) -> dict[str, str]:
    """Kind, name and resourceVersion of what a person would call the database: all that nobody changes by itself.

    Status is written all the time by controllers, leases and endpoints by servers: what has a generation is told by
    that, and by its metadata.
    """
    found: dict[str, str] = {}
    for space in namespaces:
        for each in host.objects(kinds, "-n", space):
            meta = each["metadata"]
            key = f"{each['kind']} {space}/{meta['name']} {meta['uid']}"
            found[key] = str(meta.get("generation") or meta["resourceVersion"])
    return found


@contextlib.contextmanager
def limited(host: KubernetesCastle, guest: Guest, role: dict[str, Any]) -> Iterator[str]:
    """A kubeconfig of a ServiceAccount with just this ClusterRole; the guest's own is put back at the end."""
    before, name = guest.kubeconfig, role["metadata"]["name"]
    host.kubectl("apply", "-f", "-", stdin=json.dumps(role))
    host.kubectl("create", "serviceaccount", "castle", "-n", "kube-system")
    bound = ("--clusterrole", name, "--serviceaccount=kube-system:castle")
    host.kubectl("create", "clusterrolebinding", name, *bound)
    token = host.kubectl("create", "token", "castle", "-n", "kube-system", "--duration=2h").strip()
    document = json.loads(Path(before).read_text().partition("\n")[2])
    document["users"] = [{"name": each["name"], "user": {"token": token}} for each in document["users"]]
    config = guest.base / "limited.kubeconfig"
    config.write_text(json.dumps(document))
    config.chmod(0o600)
    try:
        yield str(config)
    finally:
        guest.kubeconfig = before
        host.kubectl("delete", "clusterrolebinding", name)
        host.kubectl("delete", "clusterrole", name)
        host.kubectl("delete", "serviceaccount", "castle", "-n", "kube-system")
