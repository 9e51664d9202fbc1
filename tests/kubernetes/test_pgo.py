"""A database that an operator runs dies with its cluster and returns; an outside log is the judge.

The operator is a stand-in; PostgreSQL, pgBackRest, PgBouncer, the API server and the lock before the database are real.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator

import pytest

from ephemeral_castle.model.events import Kind
from tests.e2e.accidents import BrokenRun, Moment
from tests.e2e.days import FAILED, REFUSED, kill_machines, says
from tests.e2e.writers import Writer
from tests.kubernetes.castles import parts
from tests.kubernetes.operated import OperatedCastle, installed, installed_in_room, standing
from tests.systems import CLUSTER

pytestmark = [
    pytest.mark.kubernetes,
    pytest.mark.machines,
    pytest.mark.timeout(1500),
    pytest.mark.evidence("real", *CLUSTER, "postgresql", "pgbackrest", "pgbouncer"),
    pytest.mark.evidence("stand-in", "pgo"),
]


@pytest.fixture(scope="module")
def castle() -> Iterator[OperatedCastle]:
    with parts() as given, standing(given) as made:
        yield made


def test_planned_rebirth_under_a_writer_loses_no_acknowledged_row(castle: OperatedCastle) -> None:
    life = castle.life()
    with Writer(castle) as writer:
        writer.wait_for(20)
        with installed(castle, life + 1):
            castle.rebirth()
        writer.wait_for(writer.count() + 5)
    assert castle.life() == life + 1
    assert writer.missing(life + 1) == set()
    source = castle.cluster()["spec"]["dataSource"]["pgbackrest"]
    assert [each.split("=")[0] for each in source["options"]] == ["--set", "--target-timeline", "--type", "--target"]
    assert "nothing was changed" in castle.run("raise").stdout


SOURCE = {"stanza": "db", "repo": {"name": "repo1", "s3": {"bucket": "b", "endpoint": "e", "region": "r"}}}


def test_a_living_database_is_not_harmed_by_hand(castle: OperatedCastle) -> None:
    """Each of these would cost its data: who tries is told so, and nothing happens."""
    life, uid = castle.life(), castle.cluster()["metadata"]["uid"]
    postgrescluster = ("-n", "data", "patch", "postgrescluster", "db", "--type=merge", "-p")
    castle.kubectl(*postgrescluster, json.dumps({"spec": {"dataSource": None}}))  # as born new: taken away, it may be
    added = castle.inside(life, *postgrescluster, json.dumps({"spec": {"dataSource": {"pgbackrest": SOURCE}}}))
    assert "restore over its data" in added.stderr
    removed = castle.inside(life, *postgrescluster, json.dumps({"spec": {"backups": None}}))
    assert "`backups` cannot be taken out" in removed.stderr
    for what in ("db", "--all"):
        deleted = castle.inside(life, "-n", "data", "delete", "postgrescluster", what, "--timeout=10s")
        assert "use castle wipe" in deleted.stderr
    assert castle.cluster()["metadata"]["uid"] == uid
    assert "nothing was changed" in castle.run("raise").stdout


def test_a_sealed_database_is_woken_by_nobody_but_castle(castle: OperatedCastle) -> None:
    """The operator, or a new pod of it, that started the server again would write behind the seal."""
    life = castle.life()
    castle.sql("insert into ledger(id, body) values (-1, 'sealed')", life=life)
    castle.run("seal")
    castle.kubectl("-n", "postgres-operator", "delete", "pods", "--all", "--wait=true")
    castle.kubectl("-n", "postgres-operator", "rollout", "status", "deployment/pgo", "--timeout=120s", timeout=150)
    assert castle.objects("pods", "-n", "data", "-l", "postgres-operator.crunchydata.com/instance") == []
    assert castle.data("status")["state"] == "sealed"
    says(castle.run("backup", ok=False), REFUSED, "the castle is sealed")
    castle.run("raise")
    assert castle.sql("select body from ledger where id = -1", life=life) == "sealed"


def test_it_beats_and_doctor_finds_nothing_to_mend(castle: OperatedCastle) -> None:
    """Without a row every few seconds an idle database would seem to have lost hours."""
    beat = "select extract(epoch from clock_timestamp() - at) from castle.heartbeat"
    assert float(castle.sql(beat, life=castle.life(), database="postgres")) < 60
    checks = json.loads(castle.run("doctor", "--json", ok=False).stdout)["checks"]
    found = {each["title"]: each for each in checks if each["section"] == "database"}
    assert {"operator", "lock", "credentials", "users", "repository", "heartbeat", "one writer"} <= set(found)
    assert [each for each in found.values() if each["ok"] is False] == []


def test_an_older_state_is_brought_up_beside_and_then_in_place(castle: OperatedCastle) -> None:
    life, uid = castle.life(), castle.cluster()["metadata"]["uid"]
    castle.sql("insert into ledger(id, body) values (-4, 'kept')", life=life)
    before = castle.sql("select count(*) from ledger", life=life)
    castle.run("backup")
    time.sleep(2.5)
    moment = castle.sql(
        "select to_char(clock_timestamp() - interval '1 s', 'YYYY-MM-DD\"T\"HH24:MI:SS.MSOF')", life=life
    )
    castle.sql("delete from ledger", life=life)
    beside = castle.run("restore", "--to", moment, "--side", timeout=900)
    assert "kubectl -n data delete postgrescluster db-side" in beside.stdout + beside.stderr
    copy = castle.objects("postgrescluster", "-n", "data", "-l", "castle.part=side")[0]
    assert [sorted(each) for each in copy["spec"]["backups"]["pgbackrest"]["repos"]] == [["name", "volume"]]
    assert castle.sql("select count(*) from ledger", life=life, cluster="db-side") == before
    assert castle.sql("select count(*) from ledger", life=life) == "0"
    assert castle.data("status")["treasures"]["database"]["archiving"]["healthy"]
    castle.kubectl("-n", "data", "delete", "postgrescluster", "db-side", "--timeout=100s", timeout=120)
    castle.run("restore", "--to", moment, "--confirm", castle.name, timeout=1200)
    assert castle.sql("select count(*) from ledger", life=life) == before
    assert castle.life() == life
    born = castle.cluster()
    assert born["metadata"]["uid"] != uid
    assert [each.split("=")[0] for each in born["spec"]["dataSource"]["pgbackrest"]["options"]][-1] == "--target"
    castle.run("raise")
    assert castle.objects("postgrescluster", "-n", "data", "-l", "castle.part=side") == []


def test_an_empty_cluster_beside_a_full_repository_stops_the_rebirth(castle: OperatedCastle) -> None:
    """The seed incident: somebody, or a tree in Git, applies a cluster without `dataSource` before castle has decided.

    It is never taken for the database, and the run goes on when it is gone.
    """
    life = castle.life()
    castle.sql("insert into ledger(id, body) values (-2, 'kept')", life=life)
    empty = castle.cluster()
    empty["metadata"] = {"name": "db", "namespace": "data"}
    del empty["status"], empty["spec"]["backups"]
    empty["spec"].pop("dataSource", None)
    with BrokenRun(castle) as run:
        run.kill_at(Moment("cluster.init"), seconds=300)
        with installed(castle, life + 1, more=[json.dumps(empty)]):
            castle.until(life + 1, "-n", "data", "get", "postgrescluster", "db")
            says(castle.run("resume", run.id, ok=False, timeout=900), FAILED,
                 "stands where database `database` is to be brought home", "born empty")  # fmt: skip
        gone = castle.inside(life + 1, "-n", "data", "delete", "postgrescluster", "db")
        assert gone.returncode == 0, gone.stderr
        castle.run("resume", run.id, timeout=900)
    assert castle.sql("select body from ledger where id = -2", life=life + 1) == "kept"


def test_a_drill_brings_it_back_in_a_room_of_its_own(castle: OperatedCastle) -> None:
    """The living one, and what lies in the treasury, are as they were."""
    life = castle.life()
    before = castle.cluster()["metadata"]["generation"]
    with Writer(castle) as writer:
        writer.wait_for(writer.count() + 5)
        with installed_in_room(castle):
            castle.run("drill", timeout=900)
        writer.wait_for(writer.count() + 5)
    assert castle.life() == life
    assert castle.cluster()["metadata"]["generation"] == before
    found = castle.data("status")["treasures"]["database"]
    assert found["proof"]["label"]
    assert found["archiving"]["healthy"]


def test_dead_machines_come_back_by_the_same_command(castle: OperatedCastle) -> None:
    life = castle.life()
    castle.sql("insert into ledger(id, body) values (-3, 'archived')", life=life)
    castle.run("backup")
    kill_machines(castle)
    with installed(castle, life + 1):
        castle.rebirth()
    assert castle.sql("select body from ledger where id = -3", life=life + 1) == "archived"


MOMENTS = [
    Moment("database.fence"),
    Moment("database.stop", Kind.STEP_INTENT, later=0.5),
    Moment("database.lock"),
    Moment("database.home", Kind.STEP_INTENT, what="restore", later=8.0),
    Moment("database.roles"),
]


def test_killed_at_every_act_and_resumed_nothing_is_lost(castle: OperatedCastle) -> None:
    life = castle.life()
    timeline = "select timeline_id from pg_control_checkpoint()"
    before = int(castle.sql(timeline, life=life))
    with Writer(castle) as writer:
        writer.wait_for(writer.count() + 5)
        with BrokenRun(castle) as run, installed(castle, life + 1):
            for moment in MOMENTS:
                if moment is not MOMENTS[0]:
                    run.resume()
                run.kill_at(moment, seconds=300)
            castle.run("resume", run.id, timeout=900)
        writer.wait_for(writer.count() + 5)
    assert castle.life() == life + 1
    assert writer.missing(life + 1) == set()
    assert int(castle.sql(timeline, life=life + 1)) == before + 1


def test_a_wiped_castle_is_raised_from_its_treasury(castle: OperatedCastle) -> None:
    life = castle.life()
    rows = castle.sql("select count(*) from ledger", life=life)
    castle.run("wipe", "--confirm", castle.name)
    with installed(castle, life + 1):
        castle.run("raise", timeout=900)
    assert castle.sql("select count(*) from ledger", life=life + 1) == rows
