"""Driver `flux` keeps to the contract of all drivers."""

from __future__ import annotations

from typing import Any

import pytest

from ephemeral_castle.drivers.flux import FluxDriver
from ephemeral_castle.model.castle import Castle, Layer, Repository, Role, Site, Treasury
from ephemeral_castle.model.record import Record
from ephemeral_castle.spi import contract

pytestmark = pytest.mark.evidence("simulated", "kustomize-controller")

OPTIONS = FluxDriver.Options(path="clusters/lab", secrets={"flux-system/age": {"age.agekey": "sops/age"}})
LAYER = Layer("walls", Role.WALLS, "flux", ("cluster",))
GROUND = Layer("machines", Role.GROUND, "podman", options={"machines": {"control": {"id": 421}}})
SITE = Site("lab", (GROUND, Layer("cluster", Role.FOUNDATIONS, "kubeadm", ("machines",)), LAYER), "10.0.0.0/24")
SOURCE = {
    "sha": "0" * 40,
    "ref": "main",
    "name": "refs/heads/main",
    "from": "remote",
    "subject": "as it was",
    "url": "https://git.example.org/castle.git",
    "secret": "",
    "revision": f"main@sha1:{'0' * 40}",
    "concurrent": 20,
}


def subject() -> contract.Subject:
    repository = Repository("https://git.example.org/castle.git")
    return contract.Subject(
        make=FluxDriver,
        layer=LAYER,
        options=OPTIONS,
        castle=Castle("c", Treasury("b", "c"), {"lab": SITE}, repository=repository),
        site=SITE,
        record=Record("c", "c", "age1toy", 1, site="lab"),
        facts={"walls.source": SOURCE},
    )


@pytest.mark.parametrize("check", contract.CHECKS, ids=lambda check: check.__name__)
def test_it_keeps_to_the_contract(check: Any) -> None:
    check(subject())
