"""Driver `kubeconfig` keeps to the contract: where its cluster answers, and where nothing does."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from ephemeral_castle.drivers.kubeconfig import KubeconfigDriver
from ephemeral_castle.drivers.kubeconfig.options import KubeconfigOptions
from ephemeral_castle.model.castle import Castle, Layer, Role, Site, Treasury
from ephemeral_castle.model.record import Record
from ephemeral_castle.spi import contract
from ephemeral_castle.spi.contract import Subject
from ephemeral_castle.spi.kubernetes import Manifest

pytestmark = pytest.mark.evidence("simulated", "guest")

UID = "c0ffee00-0000-4000-8000-00000000000a"
LAYER = Layer("cluster", Role.FOUNDATIONS, "kubeconfig")
SITE = Site("home", (LAYER,))
SYSTEM: Manifest = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "kube-system", "uid": UID}}


def subject() -> Subject:
    return Subject(
        make=KubeconfigDriver,
        layer=LAYER,
        options=KubeconfigOptions(context="home", uid=UID),
        castle=Castle("home", Treasury("bucket", "home"), {"home": SITE}),
        site=SITE,
        record=Record("c0ffee00-0000-4000-8000-000000000001", "home", "age1toy", 1, site="home", computer="computer-1"),
        given=lambda _: (),
        objects=[SYSTEM],
    )


@pytest.mark.parametrize("check", contract.CHECKS, ids=lambda check: check.__name__)
def test_it_keeps_to_the_contract(check: Callable[[Subject], None]) -> None:
    check(subject())
