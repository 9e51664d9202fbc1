"""A database in a cluster that dies with it and returns: no operator, nothing played, an outside log as the judge."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterator

import pytest

from ephemeral_castle.drivers.postgres.pods import deleted
from ephemeral_castle.model.events import Kind
from tests.e2e.accidents import BrokenRun, Moment
from tests.e2e.days import REFUSED, kill_machines, says
from tests.e2e.writers import Writer
from tests.kubernetes.castles import parts
from tests.kubernetes.databases import DatabaseCastle, standing
from tests.systems import CLUSTER

pytestmark = [
    pytest.mark.kubernetes,
    pytest.mark.machines,
    pytest.mark.timeout(1200),
    pytest.mark.evidence("real", *CLUSTER, "kubernetes", "postgresql", "pgbackrest", "pgbouncer"),
]
MOMENT = "select to_char(clock_timestamp() - interval '1 s', 'YYYY-MM-DD\"T\"HH24:MI:SS.MSOF')"
ORDER = "{.spec.template.spec.initContainers[0].command}"


@pytest.fixture(scope="module")
def castle() -> Iterator[DatabaseCastle]:
    with parts() as given, standing(given) as made:
        yield made


def until_served(castle: DatabaseCastle, life: int, rows: str, seconds: float = 90) -> None:
    """The pod came back by itself, with all rows."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            found = castle.sql("select count(*) from ledger", life=life)
        except AssertionError:
            found = ""
        if found == rows:
            return
        assert time.monotonic() < deadline, f"{found!r} instead of {rows} rows"
        time.sleep(1)


def order(castle: DatabaseCastle) -> str:
    """What the next pod would do first."""
    return castle.kubectl("get", "statefulset", "-n", "data", "database", "-o", f"jsonpath={ORDER}")


def test_planned_rebirth_under_a_writer_loses_no_acknowledged_row(castle: DatabaseCastle) -> None:
    life = castle.life()
    with Writer(castle) as writer:
        writer.wait_for(20)
        castle.rebirth()
        writer.wait_for(writer.count() + 5)
    assert castle.life() == life + 1
    assert writer.missing(life + 1) == set()
    castle.run("raise")  # right behind a rebirth something of the cluster may still be on its way
    assert "nothing was changed" in castle.run("raise").stdout


def test_a_pod_that_is_deleted_comes_back_and_is_not_restored(castle: DatabaseCastle) -> None:
    """The order of its birth stayed in the StatefulSet: a lost volume would have been born again, empty."""
    life = castle.life()
    assert "serve" in order(castle)
    assert "restore" not in order(castle)
    rows = castle.sql("select count(*) from ledger", life=life)
    castle.kubectl("delete", "pod", "-n", "data", "database-0")
    until_served(castle, life, rows)


def test_a_reboot_of_its_node_keeps_the_database(castle: DatabaseCastle) -> None:
    life = castle.life()
    rows = castle.sql("select count(*) from ledger", life=life)
    node = f"{castle.name}-{life}-431"
    assert castle.podman("stop", "-t", "0", node).returncode == 0
    assert castle.podman("start", node).returncode == 0
    until_served(castle, life, rows)
    castle.run("raise")
    with Writer(castle) as writer:
        writer.wait_for(writer.count() + 5)


def test_a_sealed_database_is_woken_by_nobody_but_castle(castle: DatabaseCastle) -> None:
    """A controller, or a reboot, that brought its pod back would write behind the seal."""
    life = castle.life()
    rows = castle.sql("select count(*) from ledger", life=life)
    castle.run("seal")
    node = f"{castle.name}-{life}-431"
    assert castle.podman("stop", "-t", "0", node).returncode == 0
    assert castle.podman("start", node).returncode == 0
    for _ in range(10):  # its node may have died before it could say that the sealed pod had ended
        assert [each for each in castle.objects("pods", "-n", "data") if not deleted(each)] == []
        time.sleep(0.5)
    assert castle.data("status")["state"] == "sealed"
    says(castle.run("backup", ok=False), REFUSED, "the castle is sealed")
    castle.run("raise")
    assert castle.sql("select count(*) from ledger", life=life) == rows


def test_an_older_state_is_brought_up_beside_and_then_in_place(castle: DatabaseCastle) -> None:
    life = castle.life()
    castle.sql("insert into ledger(id, body) values (-1, 'kept')", life=life)
    before = castle.sql("select count(*) from ledger", life=life)
    castle.run("backup")
    time.sleep(2.5)
    moment = castle.sql(
        "select to_char(clock_timestamp() - interval '1 s', 'YYYY-MM-DD\"T\"HH24:MI:SS.MSOF')", life=life
    )
    castle.sql("delete from ledger", life=life)
    beside = castle.run("restore", "--to", moment, "--side")
    assert "kubectl exec -it -n data database-0" in beside.stdout + beside.stderr
    assert castle.sql("select count(*) from ledger", life=life) == "0"
    castle.run("restore", "--to", moment, "--confirm", castle.name)
    assert castle.sql("select count(*) from ledger", life=life) == before
    assert [pod["metadata"]["name"] for pod in castle.objects("pods", "-n", "data") if "rewind" in str(pod)] == []


def test_a_lost_claim_is_not_taken_for_an_absent_database(castle: DatabaseCastle) -> None:
    """Its data lay on the node still; a rebirth would have destroyed them unsealed."""
    life = castle.life()
    castle.sql("insert into ledger(id, body) values (-3, 'kept')", life=life)
    castle.run("seal")
    castle.kubectl("delete", "pvc", "-n", "data", "database-data")
    castle.run("raise")
    assert castle.sql("select body from ledger where id = -3", life=life) == "kept"


def test_dead_machines_come_back_by_the_same_command(castle: DatabaseCastle) -> None:
    life = castle.life()
    castle.sql("insert into ledger(id, body) values (-2, 'archived')", life=life)
    castle.run("backup")
    kill_machines(castle)
    castle.rebirth()
    assert castle.sql("select body from ledger where id = -2", life=life + 1) == "archived"


RESTORE = Moment("database.home", Kind.STEP_INTENT, what="restore", later=0.2)
LATER = dataclasses.replace(RESTORE, later=4.0)
# Neighbours are in different rebirths: a runner may be past the next moment before it dies.
TURNS = [
    [Moment("database.fence"), Moment("database.stop", Kind.STEP_INTENT, later=0.2), RESTORE, Moment("database.roles")],
    [
        Moment("database.stop"),
        dataclasses.replace(RESTORE, later=4.0),
        Moment("database.home"),
        Moment("database.lift"),
    ],
]


@pytest.mark.parametrize("moments", TURNS)
def test_killed_at_every_act_and_resumed_nothing_is_lost_or_done_twice(
    castle: DatabaseCastle, moments: list[Moment]
) -> None:
    old = castle.life()
    timeline = "select timeline_id from pg_control_checkpoint()"
    before = int(castle.sql(timeline, life=old))
    with Writer(castle) as writer:
        writer.wait_for(writer.count() + 5)
        with BrokenRun(castle) as run:
            for moment in moments:
                if moment is not moments[0]:
                    run.resume()
                run.kill_at(moment, seconds=180)
            castle.run("resume", run.id)
        writer.wait_for(writer.count() + 5)
    assert castle.life() == old + 1
    assert writer.missing(old + 1) == set()
    assert int(castle.sql(timeline, life=old + 1)) == before + 1
    assert {step: times for step, times in run.acted().items() if times > 1} == {}


def test_a_drill_brings_it_back_in_a_room_of_its_own(castle: DatabaseCastle) -> None:
    life = castle.life()
    with Writer(castle) as writer:
        writer.wait_for(writer.count() + 5)
        castle.run("drill", timeout=600)
        writer.wait_for(writer.count() + 5)
    assert castle.life() == life
    assert castle.data("status")["treasures"]["database"]["proof"]["label"]


def test_a_wiped_castle_is_raised_from_its_treasury(castle: DatabaseCastle) -> None:
    life = castle.life()
    rows = castle.sql("select count(*) from ledger", life=life)
    castle.run("wipe", "--confirm", castle.name)
    castle.run("raise")
    assert castle.sql("select count(*) from ledger", life=life + 1) == rows
