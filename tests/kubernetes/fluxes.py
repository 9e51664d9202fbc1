"""Flux on a real API server: the real kustomize-controller, and the stand-in for source-controller, as processes.

There are no nodes: whoever applies their Deployments gets the programs started here, each with the rights of its own
ServiceAccount, and the Deployments are said to be ready as soon as the programs are.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import json
import os
import signal
import ssl
import subprocess
import sys
import urllib.request
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, cast

from testbed.standins import components

from ephemeral_castle.drivers.flux import FluxDriver, flags
from ephemeral_castle.errors import CastleError
from ephemeral_castle.model.castle import Repository
from ephemeral_castle.spi.kubernetes import Manifest, Ref
from ephemeral_castle.world.clock import SystemClock
from ephemeral_castle.world.kubernetes import HttpCluster
from ephemeral_castle.world.simulated import MemoryObjects, SimulatedWorld
from tests.githosts import HttpsHost, Origin, Place
from tests.kubernetes.control import ROOT, Control, free_ports, programs
from tests.unit.drivers.flux.bed import Bed

# The stand-in as its `main` starts it, with papers that do not lie where a pod has them.
STANDIN = """
import ssl, sys, threading
from pathlib import Path
from testbed.standins.api import Api
from testbed.standins.source_controller.controllers import Controller
from testbed.standins.source_controller.storage import Storage, server
url, folder, port = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
storage = Storage(folder / "data", "source-controller.flux-system.svc.cluster.local.")
threading.Thread(target=server(storage, ("127.0.0.1", port)).serve_forever, daemon=True).start()
context = ssl.create_default_context(cafile=folder / "ca.pem")
controller = Controller(Api(url, context, (folder / "token").read_text, "source-controller"), storage)
controller.start()
controller.over.wait()
"""
NEEDED = ("etcd", "kube-apiserver", "kustomize-controller")
SPACE = "flux-system"
TOKEN = "to" + "ken-4711-of-the-host"


def missing() -> str:
    """What cannot be tried here, and why; "" when all is there."""
    found = programs()
    lacking = [name for name in NEEDED if name not in found]
    return f"{', '.join(lacking)} are not built: scripts/kubernetes programs {' '.join(lacking)}" if lacking else ""


class Kubelet:
    """Runs the two Deployments of Flux."""

    def __init__(self, control: Control, cluster: HttpCluster, folder: Path) -> None:
        self.control, self.cluster, self.folder = control, cluster, folder
        self.disk, self.health, self.metrics = free_ports(3)
        self._processes: list[subprocess.Popen[bytes]] = []
        self._task: asyncio.Task[None] | None = None
        self._seen: set[str] = set()
        self.args: list[str] = []

    def start(self) -> None:
        self._task = asyncio.create_task(self._follow())

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError, CastleError):
                await self._task
        for each in self._processes:
            os.kill(each.pid, signal.SIGKILL)
            each.wait()

    async def _follow(self) -> None:
        async for change in self.cluster.watch("apps/v1", "Deployment", SPACE):
            if change.type != "DELETED" and change.object["metadata"]["name"] not in self._seen:
                self._seen.add(change.object["metadata"]["name"])
                await self._run(change.object)

    async def _run(self, deployment: Manifest) -> None:
        name = deployment["metadata"]["name"]
        token = await self._token(name)
        if name == "source-controller":
            self._source_controller(token)
        else:
            self.args = flags.arguments(deployment)
            self._kustomize_controller(token)
            await self._answers(f"http://127.0.0.1:{self.health}/readyz")
        await self._ready(deployment)

    async def _token(self, account: str) -> str:
        """A token of its ServiceAccount, as the kubelet asks for one."""
        async with asyncio.timeout(10):
            while await self.cluster.get(Ref("v1", "ServiceAccount", account, SPACE)) is None:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        path = f"/api/v1/namespaces/{SPACE}/serviceaccounts/{account}/token"
        body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"expirationSeconds": 3600}}
        answer = await asyncio.to_thread(self._post, path, body)
        return str(answer["status"]["token"])

    def _post(self, path: str, body: Manifest) -> Manifest:
        access = self.control.access()
        assert access.key is not None
        certificate, key = self.folder / "admin.pem", self.folder / "admin.key"
        certificate.write_text(access.certificate)
        key.write_text(access.key.reveal())
        context = ssl.create_default_context(cadata=access.ca)
        context.load_cert_chain(certificate, key)
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(f"{access.server}{path}", json.dumps(body).encode(), headers)
        with urllib.request.urlopen(request, context=context, timeout=10) as answer:
            return cast("Manifest", json.load(answer))

    def _source_controller(self, token: str) -> None:
        papers = {"ca.pem": self.control.authority.pem, "token": token}
        for name, text in papers.items():
            (self.folder / name).write_text(text)
        self._run_program(
            "source-controller",
            [sys.executable, "-c", STANDIN, self.control.url, str(self.folder), str(self.disk)],
            {"PYTHONPATH": str(ROOT)},
        )

    def _kustomize_controller(self, token: str) -> None:
        config = self.folder / "kustomize-controller.yaml"
        config.write_text(json.dumps(self._kubeconfig(token)))
        ours = [each for each in self.args if each.startswith(("--concurrent", "--requeue", "--log"))]
        self._run_program(
            "kustomize-controller",
            [
                str(programs()["kustomize-controller"]), *ours, f"--health-addr=127.0.0.1:{self.health}",
                f"--metrics-addr=127.0.0.1:{self.metrics}", "--watch-all-namespaces=true",
            ],
            {
                "KUBECONFIG": str(config),
                "RUNTIME_NAMESPACE": SPACE,
                "SOURCE_CONTROLLER_LOCALHOST": f"127.0.0.1:{self.disk}",
            },
        )  # fmt: skip

    def _run_program(self, name: str, argv: list[str], env: dict[str, str]) -> None:
        plain = {"PATH": os.environ["PATH"], "HOME": str(self.folder), "TMPDIR": str(self.folder)}
        with (self.folder / f"{name}.log").open("ab") as log:
            self._processes.append(
                subprocess.Popen(
                    argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.folder, env={**plain, **env},
                    start_new_session=True,
                )
            )  # fmt: skip

    def _kubeconfig(self, token: str) -> Manifest:
        authority = self.folder / "ca.pem"
        authority.write_text(self.control.authority.pem)
        where = {"server": self.control.url, "certificate-authority": str(authority)}
        return {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "c",
            "clusters": [{"name": "c", "cluster": where}],
            "users": [{"name": "c", "user": {"token": token}}],
            "contexts": [{"name": "c", "context": {"cluster": "c", "user": "c"}}],
        }

    async def _answers(self, url: str) -> None:
        async with asyncio.timeout(60):
            while True:
                with contextlib.suppress(OSError):
                    if await asyncio.to_thread(_status, url) == 200:
                        return
                await asyncio.sleep(0.1)

    async def _ready(self, deployment: Manifest) -> None:
        status = {
            "observedGeneration": deployment["metadata"]["generation"], "replicas": 1, "updatedReplicas": 1,
            "readyReplicas": 1, "availableReplicas": 1,
            "conditions": [{"type": "Available", "status": "True", "reason": "MinimumReplicasAvailable"}],
        }  # fmt: skip
        await self.cluster.patch(Ref.of(deployment), {"status": status}, subresource="status")

    def last_words(self) -> str:
        lines = (self.folder / "kustomize-controller.log").read_text(errors="replace").splitlines()
        return "\n".join(lines[-20:])


def _status(url: str) -> int:
    with urllib.request.urlopen(url, timeout=2) as answer:
        return int(answer.status)


class RealBed(Bed):
    """A run of the driver on a real cluster, from a real Git host."""

    def __init__(self, cluster: HttpCluster, folder: Path, **options: Any) -> None:
        super().__init__(**options)
        self.origin = Origin(folder / "hosts/castle.git")
        self.host = HttpsHost(folder / "hosts", folder)
        self.host.token = TOKEN
        self.api = cast("Any", cluster)
        repository = Repository(self.host.url, token="git/token", ca=self.host.ca)
        secrets = {"flux-system/flux-system": {"ca.crt": "git/ca"}}
        self.options = type(self.options)(
            **{**options, "path": "clusters/lab", "components": SPACE, "secrets": secrets}
        )
        self.castle(repository)
        place = Place(folder)
        self.secrets = place.secrets
        self.secret("git/token", TOKEN)
        self.secret("git/ca", Path(self.host.ca).read_text())
        self.clock = cast("Any", SystemClock())
        self.world = SimulatedWorld(self.clock, MemoryObjects(self.clock), source=cast("Any", place.source(repository)))
        self.driver = FluxDriver()

    def castle(self, repository: Repository) -> None:
        """The definition names this repository."""
        castle = dataclasses.replace(self.request.castle, repository=repository)
        self.request = dataclasses.replace(self.request, castle=castle)

    def push(self, **units: Any) -> str:
        """Commits a tree: by unit, `(its spec beside path and source, its files)`."""
        lab = {f"{name}.yaml": _unit(name, spec) for name, (spec, _) in units.items()}
        files = {name: files for name, (_, files) in units.items()}
        self.sha = self.origin.commit({SPACE: {components.FILE: components.text()}, "clusters": {"lab": lab}, **files})
        return self.sha


def _unit(name: str, spec: Manifest) -> str:
    return json.dumps(
        {
            "apiVersion": "kustomize.toolkit.fluxcd.io/v1",
            "kind": "Kustomization",
            "metadata": {"name": name, "namespace": SPACE},
            "spec": {
                "sourceRef": {"kind": "GitRepository", "name": SPACE},
                "path": f"./{name}",
                "interval": "10m",
                "prune": True,
                "wait": True,
                "timeout": "1m",
                **spec,
            },
        }
    )


def config(name: str, **data: str) -> str:
    """A ConfigMap in a file."""
    meta = {"name": name, "namespace": "default"}
    return json.dumps({"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": data})


@contextlib.asynccontextmanager
async def flux(control: Control, cluster: HttpCluster, folder: Path, **options: Any) -> AsyncIterator[RealBed]:
    """A castle whose Flux runs as soon as it is applied."""
    git, node = folder / "git", folder / "node"
    for each in (git, node):
        each.mkdir()
    bed = RealBed(cluster, git, **options)
    kubelet = Kubelet(control, cluster, node)
    bed.kubelet = kubelet  # type: ignore[attr-defined]
    try:
        await cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": SPACE}})
        kubelet.start()
        yield bed
    finally:
        await kubelet.stop()
        bed.host.stop()
