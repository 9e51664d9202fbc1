"""Certificates of the stand-in for PGO, made by the program openssl."""

from __future__ import annotations

import shutil
import subprocess

import pytest
from testbed.standins.pgo import pki

pytestmark = [
    pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not here: apt-get install openssl"),
    pytest.mark.evidence("stand-in", "pgo"),
]
KEYS = ("tls.crt", "tls.key", "ca.crt")


@pytest.fixture(scope="module")
def root() -> pki.Root:
    return pki._new_root()


def verified(tmp_path, root: pki.Root, leaf: pki.Leaf, host: str) -> bool:
    (tmp_path / "ca.crt").write_text(root.certificate)
    (tmp_path / "leaf.crt").write_text(leaf.certificate)
    asked = ["openssl", "verify", "-x509_strict", "-CAfile", "ca.crt", "-verify_hostname", host, "leaf.crt"]
    return subprocess.run(asked, cwd=tmp_path, capture_output=True, check=False).returncode == 0


def test_a_leaf_is_signed_by_the_root_for_its_names(tmp_path, root):
    made = pki.leaf(root, {}, KEYS, "db-primary.data.svc", ["db-primary.data.svc", "db-primary"])
    assert verified(tmp_path, root, made, "db-primary")
    assert not verified(tmp_path, root, made, "other")


def test_a_leaf_that_is_there_is_taken_as_it_is(root):
    known = {"tls.crt": "certificate", "tls.key": "key", "ca.crt": root.certificate}
    assert pki.leaf(root, known, KEYS, "db") == pki.Leaf("certificate", "key")


def test_a_leaf_of_another_root_is_made_anew(root):
    known = {"tls.crt": "certificate", "tls.key": "key", "ca.crt": "of another namespace"}
    assert pki.leaf(root, known, KEYS, "db").certificate != "certificate"
