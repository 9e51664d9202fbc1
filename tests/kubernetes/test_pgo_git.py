"""A PostgresCluster that Flux applies dies with its cluster, and Flux applies it again as castle has decided.

Flux' kustomize-controller, its API server, PostgreSQL and pgBackRest are real; source-controller and PGO are stand-ins.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator

import pytest

from tests.e2e.writers import Writer
from tests.kubernetes.castles import parts
from tests.kubernetes.grown import WORD, GrownCastle, born, grown
from tests.systems import CLUSTER

pytestmark = [
    pytest.mark.kubernetes,
    pytest.mark.machines,
    pytest.mark.timeout(1800),
    pytest.mark.evidence("real", *CLUSTER, "kustomize-controller", "git", "postgresql", "pgbackrest", "pgbouncer"),
    pytest.mark.evidence("stand-in", "source-controller", "pgo"),
]


@pytest.fixture(scope="module")
def castle() -> Iterator[GrownCastle]:
    with parts() as given, grown(given, database=True) as made:
        made.push(born(second=True), postBuild=WORD)
        made.run("raise", "--new", timeout=900)
        yield made


def word(castle: GrownCastle) -> dict[str, str]:
    """What castle has told the tree."""
    found = castle.kubectl("-n", "flux-system", "get", "configmap", "castle-life", "-o", "json")
    data: dict[str, str] = json.loads(found)["data"]
    return data


def test_flux_applies_what_castle_decided(castle: GrownCastle) -> None:
    assert word(castle)["database_birth_key"] == "shutdown"  # a new database
    assert castle.cluster()["metadata"]["labels"]["kustomize.toolkit.fluxcd.io/name"] == "data"
    assert "dataSource" not in castle.cluster()["spec"]


def test_a_rebirth_under_a_writer_loses_no_acknowledged_row(castle: GrownCastle) -> None:
    life = castle.life()
    with Writer(castle) as writer:
        writer.wait_for(20)
        castle.rebirth()
        writer.wait_for(writer.count() + 5)
    assert castle.life() == life + 1
    assert writer.missing(life + 1) == set()
    source = castle.cluster()["spec"]["dataSource"]
    assert json.loads(word(castle)["database_birth_value"]) == source
    assert [each.split("=")[0] for each in source["pgbackrest"]["options"]][-1] == "--target"
    assert "nothing was changed" in castle.run("raise").stdout


def test_a_second_repository_is_named_and_never_turned_to(castle: GrownCastle) -> None:
    """It died with its volume, and the one of this life holds nothing of the former ones."""
    found = castle.cluster()["spec"]
    assert found["dataSource"]["pgbackrest"]["repo"]["name"] == "repo1"
    assert [each["name"] for each in found["backups"]["pgbackrest"]["repos"]] == ["repo1", "repo2"]
    checks = json.loads(castle.run("doctor", "--json", ok=False).stdout)["checks"]
    named = [each for each in checks if each["title"] == "other repositories"]
    assert "repo2 (a volume, which goes with the cluster)" in named[0]["fact"]
    assert [each for each in checks if each["section"] == "database" and each["ok"] is False] == []


def test_a_tree_that_answers_for_itself_is_refused_before_the_cut(castle: GrownCastle) -> None:
    """The PostgresCluster of the posts: no `dataSource`. In the next life it would begin empty beside the backups."""
    life, spec, uid = castle.life(), castle.cluster()["spec"], castle.cluster()["metadata"]["uid"]
    empty = {"apiVersion": castle.cluster()["apiVersion"], "kind": "PostgresCluster",
             "metadata": {"name": "db", "namespace": "data"},
             "spec": {key: value for key, value in spec.items() if key != "dataSource"}}  # fmt: skip
    castle.push(json.dumps(empty))
    until_unit(castle, reads=False)
    refused = castle.rebirth(ok=False)
    assert refused.returncode == 9, refused.stdout + refused.stderr
    assert "would not bring database `database` back" in refused.stdout + refused.stderr
    castle.push(born(second=True), postBuild=WORD)
    until_unit(castle, reads=True)
    assert (castle.life(), castle.cluster()["metadata"]["uid"]) == (life, uid)


def until_unit(castle: GrownCastle, *, reads: bool) -> None:
    """Flux has heard of the tree: the unit reads castle's word, or does not."""
    end = time.monotonic() + 120
    unit = ("--field-selector=metadata.name=data", "-n", "flux-system")
    while bool(castle.objects("kustomizations", *unit)[0]["spec"].get("postBuild")) is not reads:
        told = castle.kubectl("-n", "flux-system", "get", "gitrepositories,kustomizations", "-o", "wide", ok=False)
        assert time.monotonic() < end, told
        time.sleep(1)


def test_in_place_the_word_goes_and_comes_back(castle: GrownCastle) -> None:
    life, uid = castle.life(), castle.cluster()["metadata"]["uid"]
    castle.sql("insert into ledger(id, body) values (-1, 'kept')", life=life)
    before = castle.sql("select count(*) from ledger", life=life)
    castle.run("restore", "--confirm", castle.name, timeout=1200)
    assert castle.life() == life
    assert castle.sql("select count(*) from ledger", life=life) == before
    found = castle.cluster()
    assert found["metadata"]["uid"] != uid
    assert json.loads(word(castle)["database_birth_value"]) == found["spec"]["dataSource"]
