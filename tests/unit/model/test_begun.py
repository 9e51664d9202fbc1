"""What a run began with, as it is stored."""

from __future__ import annotations

import dataclasses
import json

from ephemeral_castle.model.begun import Begun, NeededFile, meaning
from ephemeral_castle.model.castle import Budget, Castle, Layer, Repository, Role, Site, Treasury

LAYERS = (
    Layer("machines", Role.GROUND, "podman", options={"machines": {"data": {"id": 431}}}, position="castle.yaml:9:7"),
    Layer("database", Role.TREASURES, "postgres", ("machines",), {"machine": "data"}, "castle.yaml:12:7"),
)
CASTLE = Castle(
    "tazlab",
    Treasury("vault", "tazlab", endpoint="https://s3.example.org", keys="/etc/castle/tazlab.key"),
    {"here": Site("here", LAYERS, "10.1.2.0/24")},
    Budget(rto=30.0),
    3600.0,
    "/srv/castle.yaml",
    Repository("https://git.example.org/castle.git", host_keys=("ssh-ed25519 AAAA",)),
)


def test_what_was_stored_comes_back_as_it_was() -> None:
    begun = Begun(CASTLE, {"/srv/init.sql": NeededFile("ab", "database.home")})
    assert Begun.from_json(json.loads(json.dumps(begun.to_json()))) == begun


def test_what_a_newer_castle_stored_can_be_read() -> None:
    data = Begun(CASTLE).to_json()
    data["castle"]["banner"] = data["castle"]["treasury"]["tier"] = data["more"] = "new"
    assert Begun.from_json(data) == Begun(CASTLE)


def test_a_comment_or_another_name_of_the_file_means_nothing() -> None:
    moved = tuple(dataclasses.replace(layer, position="moved.yaml:1:1") for layer in LAYERS)
    site = dataclasses.replace(CASTLE.site(), layers=moved)
    same = dataclasses.replace(CASTLE, sites={"here": site}, path="/srv/moved.yaml")
    assert meaning(same) == meaning(CASTLE)
    assert Begun(same).digest == Begun(CASTLE).digest
    other = dataclasses.replace(CASTLE, budget=Budget(rto=31.0))
    assert meaning(other) != meaning(CASTLE)
