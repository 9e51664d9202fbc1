"""A life that stands in one cluster is not looked for in another."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from ephemeral_castle.drivers.postgres import whereabouts
from ephemeral_castle.drivers.postgres.desk import Desk
from ephemeral_castle.drivers.postgres.part import Part
from ephemeral_castle.drivers.postgres.prepare import Revive
from ephemeral_castle.drivers.postgres.sides import old_treasure
from ephemeral_castle.drivers.postgres.survey import Survey
from ephemeral_castle.errors import Refused
from ephemeral_castle.model.castle import Castle, Layer, Role, Site, Treasury, Verb
from ephemeral_castle.model.step import State
from ephemeral_castle.postgres.presence import NoSeal, RefuseSeal, decide_seal
from ephemeral_castle.spi.driver import Request
from tests.unit.drivers.postgres.board import CLUSTER, DATABASE, GROUND, ID, Board, context

HOME = Site("home", (Layer("cluster", Role.FOUNDATIONS, "kubeconfig"), DATABASE))
LAB = Site("lab", (GROUND, CLUSTER, DATABASE))
STOOD = {
    "namespace": "data", "node": "data", "storage_class": "",
    "cluster_uid": "cluster-1", "cluster_stays": True, "site": "home",
}  # fmt: skip


def standing(board: Board, site: Site = HOME, verb: Verb = Verb.REBIRTH, **lineage: Any) -> Any:
    castle = Castle("lab", Treasury("bucket", "lab", endpoint="https://s3.example.org"), {site.name: site})
    request = Request(verb=verb, castle=castle, site=site)
    ctx = context(board, request=request, lineage={**STOOD, **lineage})
    ctx.record = SimpleNamespace(id=ID, lineage=ctx.record.lineage, site="home", computer="c", life=2)
    ctx.world.computer = {"id": "c"}
    ctx.world.access.bucket = ctx.world.access.prefix = "lab"
    ctx.facts = lambda step: {"machines": {"volumes": []}}.get(step, {})
    return ctx


@pytest.mark.parametrize("site", [HOME, LAB])
async def test_a_database_in_another_cluster_was_proven_absent(site: Site) -> None:
    """Its claim is not there, of course: it served on and took writes beside the new life."""
    board = Board()
    board.uid = "cluster-2"
    ctx = standing(board, site)
    seen = await Revive(ctx, Desk()).observe()
    assert (seen.state, seen.facts["presence"]) == (State.REACHED, "absent")
    assert "stands in cluster cluster-1 (site `home`)" in seen.detail
    ctx.facts = lambda step: seen.facts if step == "database.revive" else {"volumes": [], "containers": []}
    old = await old_treasure(Part(ctx, Desk()))
    refused, lost = decide_seal(old), decide_seal(old, source_lost=True)
    assert isinstance(refused, RefuseSeal)
    assert "cluster-1" in refused.cause
    assert any("--source-lost" in hint for hint in refused.hints)
    assert isinstance(lost, NoSeal)


async def test_a_raise_never_says_that_another_clusters_database_is_gone() -> None:
    board = Board()
    board.uid = "cluster-2"
    with pytest.raises(Refused, match="stands in another cluster"):
        await Survey(standing(board, verb=Verb.RAISE), Desk())._standing(None)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("site", "lineage"),
    [
        (HOME, {}),
        (HOME, {"cluster_uid": None, "cluster_stays": None}),  # recorded before clusters were, or on machines
        (LAB, {"cluster_uid": "cluster-7", "cluster_stays": False}),  # it is listed with its machines
    ],
)
async def test_a_database_is_looked_for_where_it_stands(site: Site, lineage: dict[str, Any]) -> None:
    assert await whereabouts.elsewhere(standing(Board(), site, **lineage)) == ""


async def test_a_claim_and_a_volume_that_were_deleted_by_hand_prove_no_absence() -> None:
    """The disk of a class stays where its volume's object alone was deleted."""
    ctx = standing(Board(), node="", storage_class="fast")
    seen = await Revive(ctx, Desk()).observe()
    assert (seen.state, seen.facts["presence"]) == (State.REACHED, "absent")
    ctx.facts = lambda step: seen.facts if step == "database.revive" else {"volumes": [], "containers": []}
    refused = decide_seal(await old_treasure(Part(ctx, Desk())))
    assert isinstance(refused, RefuseSeal)
    assert "the disk behind them" in refused.cause
    sealed = standing(Board(), node="", storage_class="fast", seal={"life": 2})  # and castle deleted it
    seen = await Revive(sealed, Desk()).observe()
    assert "elsewhere" not in seen.facts


async def test_the_record_keeps_which_cluster_it_was() -> None:
    told = await whereabouts.told(standing(Board()))
    assert told == {"cluster_uid": "cluster-1", "cluster_stays": True, "site": "home"}
