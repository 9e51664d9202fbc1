"""Pods find the treasury by the gateway of castle's own machines, or by its own address; or the plan is refused."""

from __future__ import annotations

import pytest

from ephemeral_castle.errors import Refused
from ephemeral_castle.model.castle import Castle, Layer, Role, Site, Treasury, Verb
from ephemeral_castle.spi.driver import Request
from ephemeral_castle.spi.ways import Way, check, way
from ephemeral_castle.spi.world import TreasuryAccess

GROUND = Layer("machines", Role.GROUND, "podman")
OWN = Layer("cluster", Role.FOUNDATIONS, "kubeadm", needs=("machines",))
DATABASE = Layer("database", Role.TREASURES, "postgres", needs=("cluster",), position="castle.yaml:9:3")


def given(endpoint: str = "", *, own: bool = False, told: str = "") -> Request:
    foreign = Layer("cluster", Role.FOUNDATIONS, "kubeconfig", options={"treasury": told} if told else {})
    site = Site("home", (GROUND, OWN, DATABASE) if own else (foreign, DATABASE))
    server = "" if endpoint else "here"
    return Request(Verb.RAISE, Castle("home", Treasury("b", "p", server, endpoint), {"home": site}), site)


def access(host: str = "treasury.castle") -> TreasuryAccess:
    return TreasuryAccess("b", "p", "us-east-1", host, 9443, "", path_style=True)


def test_on_castles_own_machines_by_their_gateway() -> None:
    assert way(given(own=True), access()) == Way("treasury.castle", 9443, "")
    check(DATABASE, given(own=True))


def test_elsewhere_by_its_name_its_address_or_as_the_definition_says() -> None:
    assert way(given("https://s3.example.org"), access("s3.example.org")) == Way("s3.example.org", 443, "")
    assert way(given("https://192.0.2.9:9000"), access()) == Way("treasury.castle", 9000, "192.0.2.9")
    assert way(given(told="192.0.2.9:9001"), access()) == Way("treasury.castle", 9001, "192.0.2.9")
    assert way(given(told="s3.home:9001"), access()) == Way("s3.home", 9001, "")  # their own DNS knows it


@pytest.mark.parametrize("endpoint", ["", "https://localhost:9000", "https://127.0.0.1:9000"])
def test_pods_of_a_foreign_cluster_were_told_to_archive_to_an_address_that_only_castle_reaches(endpoint: str) -> None:
    with pytest.raises(Refused, match="could not reach the treasury") as caught:
        check(DATABASE, given(endpoint))
    assert caught.value.where == "castle.yaml:9:3"
    check(DATABASE, given(endpoint, told="192.0.2.9:9000"))
