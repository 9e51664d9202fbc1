"""Driver `external-secrets` keeps to the contract of all drivers."""

from __future__ import annotations

from typing import Any

import pytest

from ephemeral_castle.drivers.external_secrets import ExternalSecretsDriver
from ephemeral_castle.drivers.external_secrets.options import ExternalSecretsOptions
from ephemeral_castle.model.castle import Castle, Layer, Role, Site, Treasury
from ephemeral_castle.model.record import Record
from ephemeral_castle.spi import contract
from ephemeral_castle.spi.options import read_options

pytestmark = pytest.mark.evidence("simulated", "external-secrets")

LAYER = Layer("secrets", Role.WALLS, "external-secrets", ("cluster", "flux"))
SITE = Site("lab", (LAYER,), "10.0.0.0/24")
OPTIONS: dict[str, dict[str, Any]] = {
    "named": {
        "store": "vault",
        "secrets": [{"namespace": "data", "name": "db-s3", "keys": ["s3.conf"]}],
        "cipher": {"secret": "data/db-s3", "key": "s3.conf", "equals": "secret:database/cipher"},
    },
    "all": {"store": "data/vault", "wait": "30s"},
}


@pytest.mark.parametrize("which", OPTIONS)
@pytest.mark.parametrize("check", contract.CHECKS, ids=lambda check: check.__name__)
def test_it_keeps_to_the_contract(check: Any, which: str) -> None:
    check(
        contract.Subject(
            make=ExternalSecretsDriver,
            layer=LAYER,
            options=read_options(ExternalSecretsOptions, OPTIONS[which]),
            castle=Castle("c", Treasury("b", "c"), {"lab": SITE}),
            site=SITE,
            record=Record("c", "c", "age1toy", 1, site="lab"),
        )
    )
