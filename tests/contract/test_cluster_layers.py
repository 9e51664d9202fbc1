"""Drivers `cert-manager` and `kubernetes-probe` keep to the contract of all drivers."""

from __future__ import annotations

from typing import Any

import pytest

from ephemeral_castle.drivers.cert_manager import CertManagerDriver
from ephemeral_castle.model.castle import Castle, Layer, Role, Site, Treasury
from ephemeral_castle.model.record import Record
from ephemeral_castle.probes.kubernetes import KubernetesProbe
from ephemeral_castle.spi import contract
from ephemeral_castle.spi.options import read_options

pytestmark = pytest.mark.evidence("simulated", "cert-manager", "pods")
CARRIED = {"namespace": "blog", "name": "blog", "secret": "blog-tls", "layer": "certificate", "issuer": {"name": "ca"}}
TLS = Layer("tls", Role.GATES, "cert-manager", ("cluster", "gitops"))
INSIDE = Layer("inside", Role.PROOF, "kubernetes-probe", ("cluster", "gitops"))
LAYERS: dict[str, tuple[Any, Layer, dict[str, Any]]] = {
    "cert-manager": (CertManagerDriver, TLS, {"carried": [CARRIED]}),
    "probe": (KubernetesProbe, INSIDE, {"services": ["blog/blog:80"], "claim": True}),
    "small probe": (KubernetesProbe, INSIDE, {"webhooks": False}),
}


@pytest.mark.parametrize("which", LAYERS)
@pytest.mark.parametrize("check", contract.CHECKS, ids=lambda check: check.__name__)
def test_it_keeps_to_the_contract(check: Any, which: str) -> None:
    driver, layer, options = LAYERS[which]
    site = Site("lab", (layer,), "10.0.0.0/24")
    check(
        contract.Subject(
            make=driver,
            layer=layer,
            options=read_options(driver.Options, options),
            castle=Castle("c", Treasury("b", "c"), {"lab": site}),
            site=site,
            record=Record("c", "c", "age1toy", 1, site="lab"),
        )
    )
