"""A layer `kubeadm` on a site, what its machines say, and what stands in its cluster."""

from __future__ import annotations

import base64
import datetime as dt
import json
from collections.abc import Sequence
from functools import cache
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from ephemeral_castle.drivers.kubeadm import coredns
from ephemeral_castle.drivers.kubeadm.options import KubeadmOptions
from ephemeral_castle.model.castle import Castle, Layer, Reach, Role, Site, Treasury
from ephemeral_castle.model.record import Record
from ephemeral_castle.spi.kubernetes import Manifest
from ephemeral_castle.spi.options import read_options
from ephemeral_castle.spi.world import Result

ID = "c0ffee00-0000-4000-8000-000000000001"
WRITTEN: dict[str, Any] = {"control": ["control"], "workers": ["data", "edge"], "mirror": "registry"}
GROUND = Layer("machines", Role.GROUND, "podman")
LAYER = Layer("cluster", Role.FOUNDATIONS, "kubeadm", ("machines",), WRITTEN)
SITE = Site("here", (GROUND, LAYER), "10.0.0.0/24", {"registry": Reach(5000, "127.0.0.1", 5000)})
CASTLE = Castle("c", Treasury("b", "c"), {"here": SITE}, path="/etc/castle/c.yaml")
RECORD = Record(ID, "c", "age1toy", 1, site="here", computer="computer-1")


def options(**more: Any) -> KubeadmOptions:
    """Options as they stand in a file."""
    return read_options(KubeadmOptions, {**WRITTEN, **more})


@cache
def authority() -> tuple[str, str]:
    """A CA and its key, as PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "kubernetes")])
    begin = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), 7, begin, begin + dt.timedelta(days=3650))
    made = builder.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM).decode()
    return made, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def admin_conf() -> str:
    """A kubeconfig as kubeadm writes it."""
    ca, key = authority()

    def coded(text: str) -> str:
        return base64.b64encode(text.encode()).decode()

    cluster = {"certificate-authority-data": coded(ca), "server": "https://10.0.0.1:6443"}
    user = {"client-certificate-data": coded(ca), "client-key-data": coded(key)}
    return json.dumps({"clusters": [{"cluster": cluster}], "users": [{"user": user}]})


def podman_ps(life: int, digest: str, *, running: bool = True, ident: str = ID) -> str:
    """What podman lists of load balancers."""
    labels = {"castle.id": ident, "castle.life": str(life), "castle.layer": "cluster", "castle.configuration": digest}
    state = "running" if running else "exited"
    return json.dumps([{"Id": f"id-{life}", "Names": [f"c-{life}-cluster-endpoint"], "Labels": labels, "State": state}])


def node(name: str, pods: str, *, ready: bool = True) -> Manifest:
    """A node."""
    condition = {"type": "Ready", "status": "True" if ready else "Unknown", "reason": "KubeletReady", "message": ""}
    return {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name}, "spec": {"podCIDR": pods},
            "status": {"conditions": [condition], "nodeInfo": {"kubeletVersion": "v1.36.3"}}}  # fmt: skip


def standing(text: str) -> list[Manifest]:
    """All that is looked at in a cluster that is well. `text`: its Corefile."""
    meta = {"namespace": "kube-system", "generation": 1}
    counts = {"observedGeneration": 1, "replicas": 2, "updatedReplicas": 2, "readyReplicas": 2, "availableReplicas": 2}
    held = [{"type": "Available", "status": "True"}, {"type": "Progressing", "status": "True"}]
    proxies = {"observedGeneration": 1, "desiredNumberScheduled": 3, "updatedNumberScheduled": 3, "numberAvailable": 3,
               "currentNumberScheduled": 3, "numberReady": 3}  # fmt: skip
    return [
        node("control", "10.244.0.0/24"), node("data", "10.244.1.0/24"), node("edge", "10.244.2.0/24"),
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {**meta, "name": coredns.NAME},
         "data": {"Corefile": text}},
        {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {**meta, "name": coredns.NAME},
         "spec": {"replicas": 2}, "status": {**counts, "conditions": held}},
        {"apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": {**meta, "name": "kube-proxy"}, "spec": {},
         "status": proxies},
    ]  # fmt: skip


def answers(digests: dict[str, str], endpoint: str) -> Any:
    """What commands say where a cluster stands. `digests`: what a machine of that role says of its files."""

    def answer(argv: Sequence[str], _stdin: bytes) -> Result:
        words = " ".join(argv)
        if "podman ps" in words:
            return Result(0, endpoint, "")
        if words == "cat /etc/kubernetes/admin.conf":
            return Result(0, admin_conf(), "")
        if "/etc/castle/digest" in words:
            return Result(0, f"digest {digests['any']}\nmember init\ncontainerd up\nbegun yes\n", "")
        if "/dev/tcp" in words:
            return Result(0, "HTTP/1.0 200 OK\n", "")
        if "max_user_instances" in words:
            return Result(0, "8192\n40\n", "")
        return Result(1, "", "not answered here")

    return answer
