"""What the tests of all stand-ins share."""

from __future__ import annotations

import pytest
from testbed.standins.pgo import pki

LEAVES: dict[str, pki.Leaf] = {}


@pytest.fixture
def few_certificates(monkeypatch):
    """One of each for all tests that ask for this: making them is `test_pgo_pki`'s."""

    def leaf(_root, _known, _keys, common, *_):
        return LEAVES.setdefault(common, pki.Leaf(f"certificate of {common}", "key"))

    monkeypatch.setattr(pki, "_new_root", lambda: pki.Root("root certificate", "root key"))
    monkeypatch.setattr(pki, "leaf", leaf)
