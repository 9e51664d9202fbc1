"""Driver `rfc2136` keeps to the contract of all drivers."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import pytest

from ephemeral_castle.drivers.rfc2136 import Rfc2136Driver
from ephemeral_castle.model.castle import Castle, Layer, Role, Site, Treasury, Verb
from ephemeral_castle.model.record import Record
from ephemeral_castle.spi import contract

pytestmark = pytest.mark.evidence("simulated", "knot")

OPTIONS = Rfc2136Driver.Options(
    server="127.0.0.1:5353", zone="castle.example", key="dns/tsig", records={"blog": "edge"}, maintenance="10.0.0.1"
)
LAYER = Layer("name", Role.GATES, "rfc2136", ("blog",))
SITE = Site("here", (Layer("blog", Role.WALLS, "compose"), LAYER), "10.0.0.0/24")
STANDING = {"addresses": {"A": ["10.0.0.8"]}, "ttl": 60, "marks": ['"castle=c life=1"'], "negative": 5}


def machine_free(_verb: Verb) -> Collection[str]:
    return ()


def subject(**secrets: str) -> contract.Subject:
    return contract.Subject(
        make=Rfc2136Driver,
        layer=LAYER,
        options=OPTIONS,
        castle=Castle("c", Treasury("b", "c"), {"here": SITE}),
        site=SITE,
        record=Record("c", "c", "age1toy", 1, site="here"),
        given=machine_free,
        reads=lambda argv, stdin: "curl" in argv,
        facts={"name.look": {"standing": {"names": {"blog.castle.example": STANDING}}}},
        secrets={"dns/tsig": "hmac-sha256:castle:c2VjcmV0", **secrets},
    )


@pytest.mark.parametrize("check", contract.CHECKS, ids=lambda check: check.__name__)
def test_it_keeps_to_the_contract(check: Any) -> None:
    check(subject())
