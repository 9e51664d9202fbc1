"""The way to a cluster's API server, and its key: read on a machine, kept in memory."""

from __future__ import annotations

import base64
import hashlib
from typing import TYPE_CHECKING, Any

import yaml

from ephemeral_castle.drivers.kubeadm.former import Made, made
from ephemeral_castle.drivers.kubeadm.layout import PORT
from ephemeral_castle.drivers.kubeadm.options import HERE
from ephemeral_castle.errors import Damaged, NotFound, Unreachable
from ephemeral_castle.spi.driver import Context
from ephemeral_castle.spi.kubernetes import ClusterAccess
from ephemeral_castle.spi.secret import Secret

if TYPE_CHECKING:
    from cryptography.x509 import Certificate

ADMIN = "/etc/kubernetes/admin.conf"


async def access(ctx: Context, life: int) -> ClusterAccess:
    """How this computer reaches the cluster of a life, as its administrator.

    Raises:
        NotFound: no machine of the control plane has a key: the cluster was not made. Unreachable: none answers.
    """
    there = made(ctx, life)
    text = await _admin(ctx, life, there)
    server = f"https://{there.endpoint}"
    if there.endpoint == HERE:
        way = (ctx.layer.id, ctx.world.enclosure.gateway, PORT)
        server = f"https://127.0.0.1:{ctx.world.door(*way) or await ctx.world.publish(*way)}"
    return read(text, server)


async def _admin(ctx: Context, life: int, there: Made) -> str:
    silent: list[str] = []
    for name in there.control:
        try:
            machine = await ctx.machine(name, old=life != ctx.life)
            result = await machine.transport.run(["cat", ADMIN], timeout=20)
        except Unreachable as error:
            silent.append(f"{name}: {error.why or error}")
            continue
        except NotFound:  # it is gone; another one of the control plane has the same key
            continue
        if result.ok:
            return result.out
    if silent:
        raise Unreachable("the key of the cluster cannot be read", where=ctx.layer.id, why="; ".join(silent))
    raise NotFound(
        "there is no cluster",
        where=f"{ADMIN} on {', '.join(there.control)}",
        why="kubeadm did not make one there, or did not finish",
        hints=["castle status", "castle resume"],
    )


def read(text: str, server: str) -> ClusterAccess:
    """What a kubeconfig with one cluster and one user holds.

    Args:
        text: of the kubeconfig; it holds a private key.
        server: URL that stands for the one in the file.

    Raises:
        Damaged: it is no such file. What stands in it is never told.
    """
    try:
        document: dict[str, Any] = yaml.safe_load(text)
        cluster, user = document["clusters"][0]["cluster"], document["users"][0]["user"]
        ca, certificate, key = (
            base64.b64decode(where[field], validate=True).decode()
            for where, field in (
                (cluster, "certificate-authority-data"),
                (user, "client-certificate-data"),
                (user, "client-key-data"),
            )
        )
    except (yaml.YAMLError, KeyError, IndexError, TypeError, ValueError):
        raise Damaged(
            "the key of the cluster cannot be read", where=ADMIN, why="it is no kubeconfig of kubeadm's"
        ) from None
    return ClusterAccess(server, ca, certificate, Secret(key))


def fingerprint(ca: str) -> str:
    """SHA-256 of a CA's certificate (PEM), in hexadecimal digits: by it people know a life's cluster."""
    from cryptography.hazmat.primitives.hashes import SHA256

    return _certificate(ca).fingerprint(SHA256()).hex()


def pin(ca: str) -> str:
    """`sha256:...` over the public key of a CA (PEM), as kubeadm pins it (RFC 7469 section 2.4)."""
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    key = _certificate(ca).public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return f"sha256:{hashlib.sha256(key).hexdigest()}"


def _certificate(pem: str) -> Certificate:
    from cryptography import x509

    return x509.load_pem_x509_certificate(pem.encode())
