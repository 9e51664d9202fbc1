"""Driver `certificates` keeps to the contract of all drivers, with either kind of issuer."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import pytest

from ephemeral_castle.drivers.certificates import CertificatesDriver
from ephemeral_castle.model.castle import Castle, Layer, Role, Site, Treasury, Verb
from ephemeral_castle.model.record import Record
from ephemeral_castle.spi import contract

pytestmark = pytest.mark.evidence("simulated", "pebble")

DNS = {"server": "127.0.0.1:5353", "zone": "castle.example", "key": "dns/tsig"}
ISSUERS = {"own": "own", "acme": {"directory": "https://127.0.0.1:14000/dir", "dns": DNS}}
LAYER = Layer("certificate", Role.GATES, "certificates")
SITE = Site("here", (LAYER,), "10.0.0.0/24")


def nothing_given(_verb: Verb) -> Collection[str]:
    return ()


@pytest.mark.parametrize("issuer", ISSUERS)
@pytest.mark.parametrize("check", contract.CHECKS, ids=lambda check: check.__name__)
def test_it_keeps_to_the_contract(check: Any, issuer: str) -> None:
    check(
        contract.Subject(
            make=CertificatesDriver,
            layer=LAYER,
            options=CertificatesDriver.Options(names=["blog.castle.example"], issuer=ISSUERS[issuer]),
            castle=Castle("c", Treasury("b", "c"), {"here": SITE}),
            site=SITE,
            record=Record("c", "c", "age1toy", 1, site="here"),
            given=nothing_given,
            secrets={"dns/tsig": "hmac-sha256:castle:c2VjcmV0"},
        )
    )
