"""Webhooks that stand in the way, on a real API server: found by a dry run, before anything is destroyed."""

from __future__ import annotations

import base64
import dataclasses
import datetime as dt
import http.server
import ipaddress
import json
import ssl
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from ephemeral_castle.errors import Refused, Transient
from ephemeral_castle.model.castle import Layer, Role, Verb
from ephemeral_castle.probes.kubernetes import KubernetesProbe, tried
from ephemeral_castle.spi.kubernetes import Manifest, Ref
from ephemeral_castle.world.kubernetes import HttpCluster
from tests.kubernetes.control import free_ports
from tests.kubernetes.objects import config
from tests.unit.cluster_bed import Bed

pytestmark = [pytest.mark.kubernetes, pytest.mark.evidence("real", "api-server", "pods")]
NAME = "judge.castle.example"
WEBHOOK = Ref("admissionregistration.k8s.io/v1", "ValidatingWebhookConfiguration", "judge")


class Judge(http.server.ThreadingHTTPServer):
    """A webhook by HTTPS. `allowed`: what it says; `asked`: the objects that it was asked about."""

    def __init__(self, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), _Answer)
        self.allowed, self.asked, self.dry = True, [""][:0], [False][:0]
        certificate, self.ca = _certificate(folder)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        self.socket = context.wrap_socket(self.socket, server_side=True)
        threading.Thread(target=self.serve_forever, daemon=True).start()


class _Answer(http.server.BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        server: Any = self.server
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["request"]
        server.asked.append(request["name"])
        server.dry.append(request.get("dryRun", False))
        answer = {"uid": request["uid"], "allowed": server.allowed, "status": {"message": "not on a Sunday"}}
        body = json.dumps({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": answer}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Says nothing."""


def _certificate(folder: Path) -> tuple[Path, str]:
    """Certificate and key in one file, and what to trust."""
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "judge")])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key()).serial_number(1)
        .not_valid_before(now - dt.timedelta(hours=1)).not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    pem = made.public_bytes(serialization.Encoding.PEM)
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path = folder / "judge.pem"
    path.write_bytes(secret + pem)
    return path, base64.b64encode(pem).decode()


def webhook(port: int, ca: str, policy: str = "Fail") -> Manifest:
    """It judges config maps of one namespace, so that it stands in nobody else's way."""
    rule = {"apiGroups": [""], "apiVersions": ["v1"], "resources": ["configmaps"], "operations": ["UPDATE"]}
    one = {
        "name": NAME, "rules": [rule], "sideEffects": "None", "admissionReviewVersions": ["v1"], "timeoutSeconds": 2,
        "clientConfig": {"url": f"https://127.0.0.1:{port}/", "caBundle": ca}, "failurePolicy": policy,
    }  # fmt: skip
    return {"apiVersion": WEBHOOK.api, "kind": WEBHOOK.kind, "metadata": {"name": WEBHOOK.name}, "webhooks": [one]}


@pytest.fixture(scope="module")
def judge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Judge]:
    made = Judge(tmp_path_factory.mktemp("judge"))
    yield made
    made.shutdown()
    made.server_close()


@pytest_asyncio.fixture
async def judged(cluster: HttpCluster, judge: Judge) -> AsyncIterator[HttpCluster]:
    judge.allowed = True
    judge.asked.clear()
    judge.dry.clear()
    await cluster.apply(config("it", "default", kept="yes"))
    try:
        yield cluster
    finally:
        await cluster.delete(WEBHOOK)


async def test_a_webhook_that_lets_changes_pass_is_asked_and_nothing_changes(judged: HttpCluster, judge: Judge) -> None:
    before = await judged.get(Ref("v1", "ConfigMap", "it", "default"))
    await judged.apply(webhook(judge.server_port, judge.ca))
    assert await _until(judged, judge) == ""
    assert judge.asked
    assert all(judge.dry)
    after = await judged.get(Ref("v1", "ConfigMap", "it", "default"))
    assert before is not None
    assert after is not None
    assert after["metadata"]["resourceVersion"] == before["metadata"]["resourceVersion"]


async def test_a_webhook_that_refuses_stops_a_rebirth_while_nothing_is_lost(judged: HttpCluster, judge: Judge) -> None:
    judge.allowed = False
    await judged.apply(webhook(judge.server_port, judge.ca))
    await _until(judged, judge)
    castle = _castle(judged)
    step = castle.steps()[0]
    with pytest.raises(Refused) as caught:
        await castle.driver.observe(step, castle.ctx)
    assert "not on a Sunday" in caught.value.why
    assert f"judged by {NAME}" in caught.value.why
    assert caught.value.state == "nothing was changed"


async def test_a_change_that_a_webhook_refuses_for_a_while_is_worth_waiting_for(
    judged: HttpCluster, judge: Judge
) -> None:
    """A policy engine that is just being rolled out says no to everything; it was taken for a lack of rights."""
    judge.allowed = False
    await judged.apply(webhook(judge.server_port, judge.ca))
    await _until(judged, judge)
    with pytest.raises(Transient, match=f"the webhook {NAME} refuses it") as caught:
        await judged.apply(config("it", "default", kept="no"))
    assert "not on a Sunday" in caught.value.why
    assert caught.value.patience > 60
    judge.allowed = True
    assert (await judged.apply(config("it", "default", kept="no")))["data"] == {"kept": "no"}


async def test_a_webhook_that_nobody_answers_at_is_found(judged: HttpCluster, judge: Judge) -> None:
    (port,) = free_ports(1)
    await judged.apply(webhook(port, judge.ca))
    said = ""
    for _ in range(50):
        said = await tried.changes(judged)
        if said:
            break
    assert "failed calling webhook" in said
    assert NAME in said
    await judged.apply(webhook(port, judge.ca, policy="Ignore"))
    for _ in range(50):
        said = await tried.changes(judged)
        if not said:
            break
    assert said == ""


async def _until(cluster: HttpCluster, judge: Judge) -> str:
    """What a dry run says, once the API server knows of the webhook."""
    for _ in range(100):
        said = await tried.changes(cluster)
        if judge.asked:
            return said
    raise AssertionError("the webhook was never asked")


def _castle(cluster: HttpCluster) -> Bed:
    made = Bed(KubernetesProbe(), Layer("inside", Role.PROOF, "kubernetes-probe", ("cluster",)))
    made.api = cluster  # type: ignore[assignment]
    made.request = dataclasses.replace(made.request, verb=Verb.REBIRTH)
    return made
