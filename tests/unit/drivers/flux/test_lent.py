"""The repository's host is silent: the cluster reads castle's own copy, and turns back when the host answers again."""

from __future__ import annotations

import dataclasses
from types import SimpleNamespace
from typing import Any, cast

import pytest

from ephemeral_castle.model.castle import Repository
from ephemeral_castle.model.step import State
from ephemeral_castle.spi.kubernetes import Ref
from ephemeral_castle.spi.source import lent_url
from ephemeral_castle.world.simulated import SimulatedWorld
from tests.unit.drivers.flux.bed import URL, Bed

SOURCE = Ref("source.toolkit.fluxcd.io/v1", "GitRepository", "flux-system", "flux-system")
GATEWAY = "10.0.0.1"


def silent(bed: Bed, wanted: str = "") -> None:
    """Nobody answers but the treasury."""
    resolve = bed.repository.resolve

    async def bundle(ref: str = "") -> Any:
        found = await resolve(ref)
        return dataclasses.replace(found, source="bundle", name="", wanted=wanted or found.wanted, notes=("copy",))

    bed.repository.resolve = bundle  # type: ignore[method-assign]


@pytest.fixture
def bed(monkeypatch: pytest.MonkeyPatch) -> Bed:
    made = Bed(repository=Repository(URL, token="git/token"))
    monkeypatch.setattr(SimulatedWorld, "enclosure", cast("Any", SimpleNamespace(gateway=GATEWAY)))
    made.secret("git/token", "t")
    return made


def test_the_cluster_reads_castles_own_copy_without_a_key(bed: Bed) -> None:
    silent(bed)
    bed.play(bed.all)
    assert bed.repository.lent == [(bed.sha, "main")]
    spec = bed.api.objects[SOURCE]["spec"]
    assert (spec["url"], spec["ref"], spec.get("secretRef")) == (lent_url(GATEWAY), {"branch": "main"}, None)
    assert bed.known["walls.units"]["revision"] == f"main@sha1:{bed.sha}"
    assert any("Flux reads castle's own copy of it" in each for each in bed.said)
    alarms = bed.play(lambda: bed.driver.look(bed.ctx))["alarms"]
    assert ["reads castle's own copy" in each["text"] for each in alarms] == [True]


def test_a_commit_that_was_asked_for_by_its_id_is_lent_under_a_branch_too(bed: Bed) -> None:
    silent(bed, wanted=bed.sha)
    bed.play(bed.all)
    assert bed.repository.lent == [(bed.sha, "castle")]


def test_when_the_host_answers_again_a_raise_turns_flux_back(bed: Bed) -> None:
    resolve = bed.repository.resolve
    silent(bed)
    bed.play(bed.all)
    bed.repository.resolve = resolve  # type: ignore[method-assign]
    assert bed.play(lambda: bed.driver.settled(bed.ctx)) == "the repository answers again"
    bed.known.clear()
    bed.play(bed.all)
    spec = bed.api.objects[SOURCE]["spec"]
    assert (spec["url"], spec["secretRef"]) == (URL, {"name": "flux-system"})


def test_nothing_is_lent_while_the_host_answers(bed: Bed) -> None:
    bed.play(bed.all)
    assert bed.repository.lent == []

    async def look() -> State:
        return (await bed.driver.observe(bed.the("root"), bed.ctx)).state

    assert bed.play(look) is State.NOT_REACHED  # it is loose already: held at the commit only while it is raised
