"""What Flux' tree writes to volumes that no layer keeps does not end without a word."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from ephemeral_castle.errors import Denied, NotFound, Refused, Unreachable
from ephemeral_castle.model.castle import Layer, Role, Site, Verb
from ephemeral_castle.model.step import Phase
from tests.unit.cluster_bed import ID
from tests.unit.drivers.flux.bed import DATABASE, LAYER, Bed

PGO = "postgres-operator.crunchydata.com"


def ending(verb: Verb = Verb.REBIRTH, **options: Any) -> Bed:
    bed = Bed(**options)
    bed.verb(verb)
    for name in ("git", "data"):
        bed.api.put({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    return bed


def claim(bed: Bed, name: str, space: str = "git", volume: str = "pvc-1", **labels: str) -> None:
    bed.api.put({
        "apiVersion": "v1", "kind": "PersistentVolumeClaim",
        "metadata": {"name": name, "namespace": space, "labels": labels}, "spec": {"volumeName": volume},
    })  # fmt: skip


@pytest.mark.parametrize("verb", [Verb.REBIRTH, Verb.WIPE])
def test_a_volume_that_no_layer_keeps_died_in_every_rebirth(verb: Verb) -> None:
    bed = ending(verb)
    claim(bed, "data-gitea-0")
    with pytest.raises(Refused, match="1 volume of the cluster would end, kept by no layer") as caught:
        bed.play(lambda: bed.step("kept"))
    assert caught.value.where == "git/data-gitea-0"
    assert any("`accept_loss: [git/data-gitea-0]` in layer `walls`" in hint for hint in caught.value.hints)


def test_what_may_be_lost_is_told_in_each_run() -> None:
    bed = ending(accept_loss=["git/cache"])
    claim(bed, "cache")
    assert bed.play(lambda: bed.step("kept")).facts["accepted"] == ["git/cache"]
    assert "warning: claim git/cache ends with this life; accepted by `accept_loss`" in bed.said


def test_what_a_layer_keeps_and_what_holds_nothing_is_no_obstacle() -> None:
    bed = ending()
    claim(bed, "database-data", "data", **{"castle.id": ID})
    claim(bed, "pending", volume="")
    bed.record = dataclasses.replace(bed.record, lineage={"database": {"cluster": "db", "namespace": "data"}})
    claim(bed, "db-a-x-pgdata", "data", **{f"{PGO}/cluster": "db"})
    meta = {"name": "born", "namespace": "data", "labels": {"castle.id": ID}}
    bed.api.put({"apiVersion": f"{PGO}/v1beta1", "kind": "PostgresCluster", "metadata": meta})
    claim(bed, "born-pgdata", "data", **{f"{PGO}/cluster": "born"})
    bed.play(lambda: bed.step("kept"))


@pytest.mark.parametrize("labels", [{"castle.id": "another"}, {f"{PGO}/cluster": "db"}])
def test_marks_of_others_keep_nothing(labels: dict[str, str]) -> None:
    bed = ending()
    claim(bed, "theirs", "data", **labels)
    with pytest.raises(Refused) as caught:
        bed.play(lambda: bed.step("kept"))
    assert caught.value.where == "data/theirs"


@pytest.mark.parametrize("error", [Unreachable("x", why="it is dead"), Denied("x", why="it is dead")])
def test_a_dead_api_server_is_told(error: Exception) -> None:
    bed = ending()

    async def dead(name: str, what: str) -> None:
        raise error

    bed.api.before = dead
    assert "it is dead" in bed.play(lambda: bed.step("kept")).waived
    assert any(each.startswith("warning: whether volumes are there") for each in bed.said)


def test_without_a_cluster_nothing_is_asked() -> None:
    bed = ending()
    bed.no_cluster = NotFound("no key of it is known")
    assert bed.play(lambda: bed.step("kept")).waived


def test_it_is_asked_before_flux_rests_and_only_where_machines_end() -> None:
    bed = ending()
    assert bed.the("kept").phase is Phase.PREPARE
    assert "walls.kept" in bed.the("rest").needs
    stays = Site("home", (Layer("cluster", Role.FOUNDATIONS, "kubeconfig"), DATABASE, LAYER))
    for verb, site in ((Verb.WIPE, stays), (Verb.SEAL, bed.request.site), (Verb.RAISE, bed.request.site)):
        bed.verb(verb, site=site)
        assert not [step for step in bed.steps() if step.action == "kept"]
