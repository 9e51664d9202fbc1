"""cert-manager's controllers, built with our main, against a real API server: its own CA, and ACME by DNS-01."""

from __future__ import annotations

import asyncio
import base64
import json
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from ephemeral_castle.manifests.load import read
from ephemeral_castle.manifests.ready import judge
from ephemeral_castle.spi.kubernetes import ClusterAccess, Manifest, Ref
from ephemeral_castle.world.kubernetes import HttpCluster
from tests.kubernetes.control import ROOT, Control, free_ports, programs

pytestmark = [pytest.mark.kubernetes, pytest.mark.evidence("real", "api-server", "cert-manager", "pebble", "knot")]
FOLDER = ROOT / "testbed/kubernetes/cert-manager"
MODULE = "github.com/cert-manager/cert-manager"
ISSUED = 150.0  # seconds; cert-manager itself waits 60 between its look at a DNS-01 record and the answer to the CA
GROUP = "cert-manager.io/v1"


def definitions() -> list[Path]:
    """The CRDs of the version that is built; they lie in its Go module."""
    go = subprocess.run([ROOT / "scripts/go", "1.26.0"], capture_output=True, text=True, check=True).stdout.strip()
    found = subprocess.run(
        [go, "mod", "download", "-json", MODULE], cwd=FOLDER, capture_output=True, text=True, check=True
    )
    return sorted(Path(json.loads(found.stdout)["Dir"]).glob("deploy/crds/*.yaml"))


def kubeconfig(access: ClusterAccess) -> str:
    def coded(text: str) -> str:
        return base64.b64encode(text.encode()).decode()

    assert access.key is not None
    person = {"client-certificate-data": coded(access.certificate), "client-key-data": coded(access.key.reveal())}
    return json.dumps({
        "apiVersion": "v1", "kind": "Config", "current-context": "it",
        "clusters": [
            {"name": "it", "cluster": {"server": access.server, "certificate-authority-data": coded(access.ca)}},
        ],
        "users": [{"name": "it", "user": person}],
        "contexts": [{"name": "it", "context": {"cluster": "it", "user": "it"}}],
    })  # fmt: skip


class Controllers:
    """The controllers as a process, as a pod would start them."""

    def __init__(self, control: Control) -> None:
        self.program = programs()["cert-manager-controller"]
        self.metrics, self.health = (f"127.0.0.1:{port}" for port in free_ports(2))
        self.config, self.log = control.folder / "cert-manager.kubeconfig", control.folder / "cert-manager.log"
        self.config.write_text(kubeconfig(control.access("cert-manager")))
        self.process: subprocess.Popen[bytes] | None = None

    def begin(self, *options: str) -> None:
        command = [
            str(self.program), f"--kubeconfig={self.config}", "--cluster-resource-namespace=default", "--v=2",
            "--leader-election-namespace=default", f"--metrics-listen-address={self.metrics}",
            f"--internal-healthz-listen-address={self.health}", "--max-concurrent-challenges=60", *options,
        ]  # fmt: skip
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def end(self) -> int:
        """Its status after SIGTERM."""
        assert self.process is not None
        self.process.terminate()
        return self.process.wait(30)

    def page(self, address: str, path: str) -> str:
        with urllib.request.urlopen(f"http://{address}{path}", timeout=5) as answer:
            return str(answer.read().decode())


@pytest.fixture(scope="module")
def built() -> None:
    if "cert-manager-controller" not in programs():
        pytest.skip("cert-manager is not built: scripts/kubernetes programs cert-manager-controller")


@pytest.fixture
async def controllers(built: None, control: Control, cluster: HttpCluster) -> AsyncIterator[Controllers]:
    for path in definitions():
        documents, faults = read(path.read_text())
        assert not faults
        for document in documents:
            await cluster.apply(document.manifest)
            await cluster.until(Ref.of(document.manifest), judge, timeout=30)
    found = Controllers(control)
    yield found
    if found.process is not None and found.process.poll() is None:
        found.process.kill()
        found.process.wait()


def certificate(name: str, issuer: str, **more: Any) -> Manifest:
    return {
        "apiVersion": GROUP, "kind": "Certificate", "metadata": {"name": name, "namespace": "default"},
        "spec": {"secretName": name, "issuerRef": {"name": issuer, "kind": "ClusterIssuer"},
                 "privateKey": {"algorithm": "ECDSA", "size": 256}, **more},
    }  # fmt: skip


def issuer(name: str, **spec: Any) -> Manifest:
    return {"apiVersion": GROUP, "kind": "ClusterIssuer", "metadata": {"name": name}, "spec": spec}


async def issued(cluster: HttpCluster, *manifests: Manifest) -> x509.Certificate:
    """Applies all of them; the certificate that the last one's secret holds when each is ready."""
    for manifest in manifests:
        await cluster.apply(manifest)
        await cluster.until(Ref.of(manifest), judge, timeout=ISSUED)
    secret = await cluster.get(Ref("v1", "Secret", manifests[-1]["spec"]["secretName"], "default"))
    assert secret is not None
    return x509.load_pem_x509_certificate(base64.b64decode(secret["data"]["tls.crt"]))


async def eventually(look: Callable[[], Any]) -> Any:
    """What `look` gives as soon as it does not fail."""
    for _ in range(100):
        try:
            return look()
        except (OSError, AssertionError):
            await asyncio.sleep(0.1)
    return look()


async def test_a_ca_of_ones_own_signs_leaves(cluster: HttpCluster, controllers: Controllers) -> None:
    controllers.begin()
    leaf = await issued(
        cluster,
        issuer("self", selfSigned={}),
        certificate("root", "self", isCA=True, commonName="castle root"),
        issuer("castle", ca={"secretName": "root"}),
        certificate("leaf", "castle", dnsNames=["blog.castle.example"]),
    )
    names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["blog.castle.example"]
    assert leaf.issuer.rfc4514_string() == "CN=castle root"
    lease = await cluster.get(Ref("coordination.k8s.io/v1", "Lease", "cert-manager-controller", "default"))
    assert lease is not None
    assert lease["spec"]["holderIdentity"].endswith("-external-cert-manager-controller")
    assert await eventually(lambda: controllers.page(controllers.health, "/livez")) == "ok"
    assert "certmanager_certificate_ready_status" in controllers.page(controllers.metrics, "/metrics")
    assert controllers.end() == 0
    released = await cluster.get(Ref("coordination.k8s.io/v1", "Lease", "cert-manager-controller", "default"))
    assert released is not None
    assert not released["spec"]["holderIdentity"]  # the next one need not wait for it


async def test_an_unknown_flag_is_no_silent_other_program(controllers: Controllers) -> None:
    controllers.begin("--enable-gateway-api=true")
    assert controllers.process is not None
    assert controllers.process.wait(20) == 1
    assert "unknown flag: --enable-gateway-api" in controllers.log.read_text()


def server(script: str, *argv: str) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, ROOT / "testbed" / script, *argv], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout)) if done.stdout else {}


@pytest.fixture
def outside(tmp_path: Path) -> Iterator[tuple[dict[str, Any], dict[str, Any], str]]:
    """A name server, a CA that asks it, and the certificate that the CA's own HTTPS is known by."""
    subprocess.run([ROOT / "scripts/pebble"], check=True, capture_output=True, timeout=600)
    knot, ca = str(tmp_path / "knot"), str(tmp_path / "ca")
    names = server("knot.py", "start", knot, "--zone", "castle.example")
    try:
        pebble = server("pebble/pebble.py", "start", ca, "--dns", names["server"])
        yield names, pebble, base64.b64encode(Path(pebble["ca"]).read_bytes()).decode()
    finally:
        server("pebble/pebble.py", "stop", ca)
        server("knot.py", "stop", knot)


async def test_a_ca_that_speaks_acme_is_answered_by_dns(
    cluster: HttpCluster, controllers: Controllers, outside: tuple[dict[str, Any], dict[str, Any], str]
) -> None:
    """Pebble asks Knot, where cert-manager's RFC 2136 solver wrote the answer."""
    names, pebble, known_by = outside
    controllers.begin(
        f"--dns01-recursive-nameservers={names['server']}", "--dns01-recursive-nameservers-only",
        "--dns01-check-retry-period=1s",
    )  # fmt: skip
    algorithm, name, key = names["key"].split(":")
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "tsig", "namespace": "default"}}
    await cluster.apply({**secret, "stringData": {"key": key}})
    solver = {
        "nameserver": names["server"], "tsigKeyName": name, "tsigSecretSecretRef": {"name": "tsig", "key": "key"},
        "tsigAlgorithm": algorithm.replace("-", "").upper(),
    }  # fmt: skip
    acme = {
        "server": pebble["directory"], "email": "castle@castle.example", "privateKeySecretRef": {"name": "account"},
        "caBundle": known_by, "solvers": [{"dns01": {"rfc2136": solver}}],
    }  # fmt: skip
    wanted = certificate("wild", "acme", dnsNames=["*.castle.example"])
    leaf = await issued(cluster, issuer("acme", acme=acme), wanted)
    assert "Pebble" in leaf.issuer.rfc4514_string()
