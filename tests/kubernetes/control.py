"""A real API server with its etcd on the loopback: no nodes and no controllers, so that only tests change anything."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from ephemeral_castle.spi.kubernetes import ClusterAccess
from ephemeral_castle.spi.secret import Secret
from tests.papers import Authority, account_key

ROOT = Path(__file__).resolve().parents[2]
NEEDED = ("etcd", "kube-apiserver")
START = 60.0  # seconds


def programs() -> dict[str, Path]:
    """The programs that were built already; tests never build them."""
    done = subprocess.run(
        [ROOT / "scripts/kubernetes", "programs", "--only-present"], capture_output=True, text=True, check=False
    )
    found = json.loads(done.stdout) if done.returncode == 0 and done.stdout.strip() else {}
    return {name: Path(path) for name, path in found.items()}


def missing() -> str:
    """What cannot be tried here, and why; "" when all is there."""
    found = programs()
    lacking = [name for name in NEEDED if name not in found]
    return f"{', '.join(lacking)} are not built: scripts/kubernetes programs {' '.join(lacking)}" if lacking else ""


def free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


class Control:
    """The control plane of a cluster without nodes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.authority = Authority("cluster")
        self.port, self.etcd_port, self.peer_port = free_ports(3)
        self._programs = programs()
        self._etcd: subprocess.Popen[bytes] | None = None
        self._server: subprocess.Popen[bytes] | None = None
        self._write_papers()

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.port}"

    def access(self, name: str = "admin", group: str = "system:masters") -> ClusterAccess:
        """A way in for somebody."""
        paper = self.authority.client(name, group)
        return ClusterAccess(self.url, self.authority.pem, paper.certificate, Secret(paper.key))

    def start(self) -> None:
        self.start_etcd()
        self.start_server()
        self.wait()

    def start_etcd(self) -> None:
        client, peer = f"http://127.0.0.1:{self.etcd_port}", f"http://127.0.0.1:{self.peer_port}"
        self._etcd = self._run(
            "etcd",
            f"--data-dir={self.folder / 'etcd'}",
            f"--listen-client-urls={client}",
            f"--advertise-client-urls={client}",
            f"--listen-peer-urls={peer}",
            f"--initial-advertise-peer-urls={peer}",
            f"--initial-cluster=default={peer}",
            "--unsafe-no-fsync",
            "--logger=zap",
            "--log-level=warn",
        )

    def start_server(self) -> None:
        papers = self.folder
        self._server = self._run(
            "kube-apiserver",
            f"--etcd-servers=http://127.0.0.1:{self.etcd_port}",
            f"--secure-port={self.port}",
            "--bind-address=127.0.0.1",
            "--advertise-address=127.0.0.1",
            "--service-cluster-ip-range=10.96.0.0/16",
            "--authorization-mode=RBAC",
            "--endpoint-reconciler-type=none",
            "--disable-admission-plugins=ServiceAccount",
            "--service-account-issuer=https://kubernetes.default.svc",
            f"--service-account-key-file={papers / 'accounts.key'}",
            f"--service-account-signing-key-file={papers / 'accounts.key'}",
            f"--client-ca-file={papers / 'ca.pem'}",
            f"--tls-cert-file={papers / 'server.pem'}",
            f"--tls-private-key-file={papers / 'server.key'}",
            f"--cert-dir={papers}",
        )

    def kill_server(self) -> None:
        """A power cut for the API server alone."""
        _kill(self._server)

    def stop(self) -> None:
        _kill(self._server)
        _kill(self._etcd)

    def wait(self) -> None:
        """Until /readyz says ok."""
        context = _context(self)
        end = time.monotonic() + START
        while time.monotonic() < end:
            if self._server is not None and self._server.poll() is not None:
                break
            with (
                contextlib.suppress(OSError),
                urllib.request.urlopen(f"{self.url}/readyz", context=context, timeout=2) as answer,
            ):
                if answer.status == 200:
                    return
            time.sleep(0.1)
        raise AssertionError(f"the API server did not start: {self.last_words()}")

    def compact(self) -> None:
        """Has etcd forget every moment before the present one: watches from earlier ones get 410."""
        revision = int(self._etcd_call("kv/range", {"key": "YQ=="})["header"]["revision"])
        self._etcd_call("kv/compaction", {"revision": str(revision), "physical": True})

    def last_words(self) -> str:
        lines = (self.folder / "kube-apiserver.log").read_text(errors="replace").splitlines()
        return "\n".join(lines[-15:])

    def _etcd_call(self, path: str, body: dict[str, object]) -> dict[str, dict[str, str]]:
        url = f"http://127.0.0.1:{self.etcd_port}/v3/{path}"
        request = urllib.request.Request(url, json.dumps(body).encode(), {"content-type": "application/json"})
        with urllib.request.urlopen(request, timeout=10) as answer:
            said: dict[str, dict[str, str]] = json.load(answer)
            return said

    def _run(self, name: str, *arguments: str) -> subprocess.Popen[bytes]:
        with (self.folder / f"{name}.log").open("ab") as log:
            return subprocess.Popen(
                [self._programs[name], *arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.folder,
                env={"PATH": os.environ["PATH"], "HOME": str(self.folder)},
                start_new_session=True,
            )

    def _write_papers(self) -> None:
        server = self.authority.server("127.0.0.1", "kubernetes", "localhost")
        texts = {"ca.pem": self.authority.pem, "server.pem": server.certificate, "server.key": server.key}
        for name, text in {**texts, "accounts.key": account_key()}.items():
            (self.folder / name).write_text(text)


@contextlib.contextmanager
def running(folder: Path, lacking: str | None = None) -> Iterator[Control]:
    """One that runs, with its data in a folder.

    Args:
        folder: where.
        lacking: why it cannot be; None to find out for the control plane alone.
    """
    why = missing() if lacking is None else lacking
    if why:
        pytest.skip(why)
    made = Control(folder)
    try:
        made.start()
        yield made
    finally:
        made.stop()


def _kill(process: subprocess.Popen[bytes] | None) -> None:
    if process is not None and process.poll() is None:
        os.kill(process.pid, signal.SIGKILL)
        process.wait()


def _context(control: Control):
    import ssl

    return ssl.create_default_context(cadata=control.authority.pem)
