"""The key of a cluster: read where kubeadm left it, pinned and named by its CA."""

from __future__ import annotations

import base64
import hashlib
import json
import subprocess

import pytest

from ephemeral_castle.drivers.kubeadm import access
from ephemeral_castle.errors import Damaged
from tests.unit.drivers.kubeadm.bed import admin_conf, authority


def test_a_kubeconfig_of_kubeadm_is_read() -> None:
    found = access.read(admin_conf(), "https://127.0.0.1:7")
    assert (found.server, found.ca) == ("https://127.0.0.1:7", authority()[0])
    assert found.key is not None
    assert found.key.reveal() == authority()[1]
    assert authority()[1] not in repr(found)


DOUBLED = admin_conf().replace('"server"', '"certificate-authority-data"')
NO_KEY = admin_conf().replace("client-key-data", "client-key")
NO_USER = json.dumps({"clusters": [{"cluster": {}}], "users": []})


@pytest.mark.parametrize("text", ["", "[", "a: 1", NO_USER, NO_KEY, DOUBLED])
def test_anything_else_is_damaged_and_never_repeated(text: str) -> None:
    with pytest.raises(Damaged) as raised:
        access.read(text, "https://127.0.0.1:7")
    assert raised.value.__cause__ is None  # its text would show what stands in the file
    assert base64.b64encode(authority()[1].encode()).decode()[:20] not in str(raised.value.as_dict())


def test_the_pin_is_what_kubeadm_pins() -> None:
    """As the documentation of kubeadm computes it, by OpenSSL."""
    ca = authority()[0]

    def openssl(*argv: str, said: bytes) -> bytes:
        return subprocess.run(["openssl", *argv], input=said, capture_output=True, check=True).stdout

    public = openssl("x509", "-pubkey", "-noout", said=ca.encode())
    der = openssl("pkey", "-pubin", "-outform", "der", said=public)
    assert access.pin(ca) == f"sha256:{hashlib.sha256(der).hexdigest()}"


def test_the_fingerprint_is_that_of_the_certificate() -> None:
    ca = authority()[0]
    command = ["openssl", "x509", "-noout", "-fingerprint", "-sha256"]
    said = subprocess.run(command, input=ca, capture_output=True, text=True, check=True).stdout
    assert access.fingerprint(ca) == said.strip().partition("=")[2].replace(":", "").lower()
