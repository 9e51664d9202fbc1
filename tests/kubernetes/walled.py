"""A real castle with Flux on its cluster: the real kustomize-controller, a Git host on the loopback, pods that look."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from testbed import git_host
from testbed.standins import components

from ephemeral_castle.journal.reader import JournalReader
from ephemeral_castle.model.events import Event, Kind, RunStatus
from tests.e2e.accidents import Moment, alive, end
from tests.githosts import Origin
from tests.kubernetes.castles import MACHINES, KubernetesCastle, Parts
from tests.kubernetes.control import ROOT, free_ports

DEFINITION = """\
castle: {name}
treasury: {treasury}
repository: {{url: {repository}, ref: main}}
layers:
  machines: {{role: ground}}
  cluster: {{role: foundations, needs: [machines]}}
  gitops: {{role: walls, needs: [cluster]}}
  inside: {{role: proof, needs: [cluster, gitops]}}
sites:
  here:
    reach: {{registry: "{registry}", git: "127.0.0.1:{git}"}}
    layers:
      machines:
        driver: podman
        image: kubernetes
        mounts: {{/opt/kubernetes: {kit}}}
        reserve: 64MiB
        machines:
          control: {{id: 421, memory: 2GiB}}
          data: {{id: 431, memory: 1GiB}}
      cluster: {{driver: kubeadm, control: [control], workers: [data], programs: /opt/kubernetes, mirror: registry}}
      gitops:
        driver: flux
        path: clusters/lab
        components: flux-system
        repository_url: http://git/castle.git
        wait: {wait}
      inside: {{driver: kubernetes-probe}}
"""
IMAGES = ("kustomize-controller", "source-controller")
SPACE = "flux-system"
HEAD = {"apiVersion": "kustomize.toolkit.fluxcd.io/v1", "kind": "Kustomization"}


class WalledCastle(KubernetesCastle):
    """One node for the control plane, one for all else. `wait`: the longest wait for all units."""

    def __init__(self, base: Path, given: Parts) -> None:
        self.wait, (self.git_port,) = "300s", free_ports(1)
        self.runs: list[Going] = []
        self.origin = Origin(base / "hosts/castle.git")
        super().__init__(base, given, workers=("data",))

    def write(self, **_: str) -> None:
        """Writes the definition."""
        text = DEFINITION.format(
            name=self.name, treasury=self.treasury, repository=self.origin.directory, git=self.git_port,
            registry=self.parts.registry, kit=self.parts.kit, wait=self.wait,
        )  # fmt: skip
        self.file.write_text(text)

    def push(self, **units: tuple[dict[str, Any], dict[str, str]]) -> str:
        """Commits a tree: by unit, `(its spec beside path and source, its files)`."""
        lab = {f"{name}.yaml": unit(name, spec) for name, (spec, _) in units.items()}
        files = {name: files for name, (_, files) in units.items()}
        return self.origin.commit({SPACE: {components.FILE: components.text()}, "clusters": {"lab": lab}, **files})

    def begin(self, verb: str, *args: str) -> Going:
        """Starts a run and leaves it alone."""
        confirmed = ("--confirm", self.name) if verb == "rebirth" else ()
        self.runs.append(Going(self, self.run(verb, *args, *confirmed, "--detach").stdout.split()[0]))
        return self.runs[-1]

    def down(self) -> None:
        """Removes every trace, also where a test that failed has left a run going."""
        if self.runs:
            self.runs[-1].killed()
        super().down()

    def reboots(self, name: str, life: int) -> None:
        """A power cut of one machine, and its start."""
        container = f"{self.name}-{life}-{MACHINES[name][0]}"
        assert self.podman("kill", container).returncode == 0
        assert self.podman("start", container).returncode == 0


class Going:
    """A run that goes on by itself."""

    def __init__(self, castle: WalledCastle, run: str) -> None:
        self.castle, self.id = castle, run
        self.journal = castle.here.base / "state" / castle.name / "journal.db"

    def events(self) -> list[Event]:
        """What was written so far."""
        with JournalReader(self.journal) as reader:
            return reader.events(self.id)

    @property
    def status(self) -> RunStatus:
        """How it stands."""
        with JournalReader(self.journal) as reader:
            return reader.run(self.id).status

    def until(self, moment: Moment, seconds: float = 180) -> None:
        """Waits for a moment."""
        deadline = time.monotonic() + seconds
        while True:
            found = self.events()
            if any(moment.is_it(event) for event in found):
                time.sleep(moment.later)
                return
            ended = any(event.kind is Kind.RUN_FINISHED for event in found)
            assert not ended, f"{moment} did not come, the run ended\n{self.story()}"
            assert time.monotonic() < deadline, f"{moment} did not come\n{self.story()}"
            time.sleep(0.05)

    def until_said(self, words: str, seconds: float = 180) -> None:
        """Waits until a step tells, while it goes on."""
        deadline = time.monotonic() + seconds
        while words not in self.said():
            ended = self.status is not RunStatus.RUNNING
            assert not ended, f"{words!r} was not said, the run ended\n{self.story()}"
            assert time.monotonic() < deadline, f"{words!r} was not said\n{self.story()}"
            time.sleep(0.1)

    def said(self) -> str:
        """All words of all events."""
        return "\n".join(json.dumps(dict(event.data), ensure_ascii=False) for event in self.events())

    def ends(self, seconds: float = 600) -> RunStatus:
        """Waits for its end."""
        deadline = time.monotonic() + seconds
        while self.status is RunStatus.RUNNING:
            assert time.monotonic() < deadline, self.story()
            time.sleep(0.2)
        return self.status

    def ends_well(self, seconds: float = 600) -> None:
        """As `ends`; it must have done all."""
        assert self.ends(seconds) is RunStatus.DONE, self.story()

    def killed(self) -> None:
        """Its runner ends, if one is left."""
        if self.status is RunStatus.RUNNING:
            pid = next(int(each.data["pid"]) for each in reversed(self.events()) if each.kind is Kind.RUN_STARTED)
            if alive(pid):
                end(pid)

    def error(self) -> dict[str, Any]:
        """What it ended with."""
        end = next(event for event in reversed(self.events()) if event.kind is Kind.RUN_FINISHED)
        found: dict[str, Any] = end.data["error"]
        return found

    def story(self) -> str:
        """Its last events."""
        return "\n".join(
            f"{each.step} {each.kind.value} {json.dumps(dict(each.data))[:600]}" for each in self.events()[-40:]
        )


def unit(name: str, spec: dict[str, Any]) -> str:
    """A Kustomization in a file."""
    more = {"sourceRef": {"kind": "GitRepository", "name": SPACE}, "path": f"./{name}", "interval": "10m",
            "prune": True, "wait": True, "timeout": "2m"}  # fmt: skip
    return json.dumps({**HEAD, "metadata": {"name": name, "namespace": SPACE}, "spec": {**more, **spec}})


def config(name: str, **data: str) -> str:
    """A ConfigMap in a file."""
    meta = {"name": name, "namespace": "default"}
    return json.dumps({"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": data})


def deployment(name: str, image: str) -> str:
    """A Deployment of one pod in a file."""
    container = {"name": "main", "image": image, "command": ["sleep", "1000000"]}
    pod = {"terminationGracePeriodSeconds": 0, "containers": [container]}
    labels = {"app": name}
    spec = {"selector": {"matchLabels": labels}, "template": {"metadata": {"labels": labels}, "spec": pod}}
    meta = {"name": name, "namespace": "default"}
    return json.dumps({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": meta, "spec": spec})


@contextlib.contextmanager
def walled(given: Parts) -> Iterator[WalledCastle]:
    """A castle that is not raised yet, and its Git host; no trace of it stays."""
    images = [str(ROOT / "scripts/kubernetes"), "images", f"http://{given.registry}", *IMAGES]
    subprocess.run(images, check=True, timeout=900)
    base = Path(tempfile.mkdtemp(prefix="castle-walls-", dir="/var/tmp"))
    made = WalledCastle(base, given)
    hosted = [sys.executable, git_host.__file__, "start", str(base / "git")]
    root = ["--root", str(made.origin.directory.parent), "--port", str(made.git_port)]
    subprocess.run([*hosted, *root], check=True, capture_output=True, timeout=60)
    try:
        yield made
    finally:
        git_host.stop(base / "git")
        made.down()
