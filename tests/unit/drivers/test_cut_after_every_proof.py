"""The database is cut off from its clients only when every treasure of the site is proven."""

from __future__ import annotations

import pytest

from ephemeral_castle.drivers.postgres import steps
from ephemeral_castle.drivers.postgres.options import DatabaseOptions, PostgresOptions, UserOptions
from ephemeral_castle.model.castle import Castle, Layer, Role, Site, Treasury, Verb
from ephemeral_castle.spi.driver import Request

OPTIONS = PostgresOptions(
    machine="data", pooler="edge", databases={"app": DatabaseOptions(owner="app")}, users={"app": UserOptions()}
)
LAYER = Layer("database", Role.TREASURES, "postgres")
SITE = Site("here", (Layer("machines", Role.GROUND, "podman"), LAYER, Layer("uploads", Role.TREASURES, "restic")))
CASTLE = Castle("tazlab", Treasury("castle", "castle"), {"here": SITE})


@pytest.mark.parametrize("verb", [Verb.REBIRTH, Verb.WIPE, Verb.SEAL])
def test_the_fence_does_not_close_while_another_treasure_is_still_proven(verb: Verb) -> None:
    """It closed as soon as the database itself was proven: an hour's proof of files was an hour of outage."""
    planned = {step.action: step for step in steps.plan(LAYER, OPTIONS, Request(verb, CASTLE, SITE))}
    assert "database.marker-b" in planned["fence"].needs
    assert {"database.proof", "proven:uploads?"} <= set(planned["marker-b"].needs)
