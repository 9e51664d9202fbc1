"""Certificates of a namespace: one CA for all its clusters, and what it signs, made by the program `openssl`."""

from __future__ import annotations

import base64
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ..api import Object, owner
from . import names
from .moment import Failed, Moment

DAYS = "365"
ROOT_DAYS = "3650"
ROOT_NAME = "postgres-operator-ca"


@dataclass(frozen=True)
class Root:
    """The CA: certificate and key, both PEM."""

    certificate: str
    key: str


@dataclass(frozen=True)
class Leaf:
    """What it signed."""

    certificate: str
    key: str


def root(moment: Moment) -> Root:
    """The CA of the cluster's namespace, born with its first cluster; it goes with the last, since all own it."""
    old = moment.read("v1", "Secret", names.ROOT_SECRET)
    known = texts(old)
    made = Root(known.get("root.crt", ""), known.get("root.key", ""))
    if not made.certificate or not made.key:
        made = _new_root()
    mine = owner({**moment.cluster, "apiVersion": names.API, "kind": names.KIND}, controller=False)
    owners = [each for each in (old or {}).get("metadata", {}).get("ownerReferences", ()) if each["uid"] != mine["uid"]]
    moment.write(
        "v1",
        "Secret",
        {"name": names.ROOT_SECRET, "namespace": moment.namespace, "ownerReferences": [*owners, mine]},
        data=encoded({"root.crt": made.certificate, "root.key": made.key}),
    )
    return made


def leaf(root: Root, known: dict[str, str], keys: tuple[str, str, str], common: str, dns: Sequence[str] = ()) -> Leaf:
    """A certificate that the CA signed: the one in a Secret, unless it is of another CA or incomplete.

    Args:
        root: the CA.
        known: what the Secret holds now.
        keys: under which names it holds certificate, key and the CA's own certificate.
        common: whose it is.
        dns: names of hosts in it; they follow from the Secret's name and never change under it.
    """
    certificate, key, authority = (known.get(each, "") for each in keys)
    if certificate and key and authority == root.certificate:
        return Leaf(certificate, key)
    with tempfile.TemporaryDirectory() as room:
        folder = Path(room)
        (folder / "ca.crt").write_text(root.certificate)
        (folder / "ca.key").write_text(root.key)
        asked = ["-keyout", "leaf.key", "-subj", f"/CN={common}"]
        if dns:
            asked += ["-addext", "subjectAltName=" + ",".join(f"DNS:{each}" for each in dns)]
        _openssl(folder, "req", "-new", *_FRESH_KEY, *asked, "-out", "leaf.csr")
        signed = ["-CA", "ca.crt", "-CAkey", "ca.key", "-days", DAYS, "-copy_extensions", "copyall"]
        _openssl(folder, "x509", "-req", "-in", "leaf.csr", *signed, "-out", "leaf.crt")
        return Leaf((folder / "leaf.crt").read_text(), (folder / "leaf.key").read_text())


def cluster_certificate(moment: Moment, ca: Root) -> None:
    """Secret of the certificate by which PostgreSQL shows itself to clients."""
    name = f"{moment.name}-cluster-cert"
    hosts = [
        each
        for service in (f"{moment.name}-primary", f"{moment.name}-replicas")
        for each in names.service_names(service, moment.namespace)
    ]
    _secret(moment, ca, name, hosts[0], hosts)


def replication_certificate(moment: Moment, ca: Root) -> None:
    """Secret of the certificate by which members would follow their leader."""
    _secret(moment, ca, f"{moment.name}-replication-cert", names.REPLICATION_USER, ())


def _secret(moment: Moment, ca: Root, name: str, common: str, dns: Sequence[str]) -> None:
    known = texts(moment.read("v1", "Secret", name))
    made = leaf(ca, known, ("tls.crt", "tls.key", "ca.crt"), common, dns)
    meta = moment.meta(name, {names.CERTIFICATE: "postgres-tls"})
    data = {"tls.crt": made.certificate, "tls.key": made.key, "ca.crt": ca.certificate}
    moment.write("v1", "Secret", meta, data=encoded(data))


def texts(secret: Object | None) -> dict[str, str]:
    """What a Secret holds, as text."""
    data = (secret or {}).get("data") or {}
    return {key: base64.b64decode(value).decode(errors="replace") for key, value in data.items()}


def encoded(data: dict[str, str]) -> dict[str, str]:
    """What a Secret shall hold, as the API takes it."""
    return {key: base64.b64encode(value.encode()).decode() for key, value in data.items()}


_FRESH_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-batch")


def _new_root() -> Root:
    with tempfile.TemporaryDirectory() as room:
        folder = Path(room)
        asked = ["-keyout", "root.key", "-subj", f"/CN={ROOT_NAME}", "-days", ROOT_DAYS]
        asked += ["-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign,cRLSign"]
        _openssl(folder, "req", "-x509", *_FRESH_KEY, *asked, "-out", "root.crt")
        return Root((folder / "root.crt").read_text(), (folder / "root.key").read_text())


def _openssl(folder: Path, *arguments: str) -> None:
    done = subprocess.run(["openssl", *arguments], cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise Failed(f"openssl {arguments[0]}: {done.stderr.strip()[-300:]}")
