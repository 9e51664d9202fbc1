"""The runner is killed at every phase boundary of a real castle, and resumed; an outside log is the judge."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from ephemeral_castle.model.events import Kind, RunStatus
from tests.e2e.accidents import BrokenRun, Moment, belongings, of_life, timeline
from tests.e2e.castles import TestCastle, standing
from tests.e2e.writers import Writer
from tests.systems import CASTLE

pytestmark = [pytest.mark.machines, pytest.mark.evidence("real", *CASTLE)]

# In the order in which a rebirth comes by.
MOMENTS = [
    Moment("database.survey"),
    Moment("database.backup", Kind.STEP_INTENT, later=0.4),
    Moment("database.backup"),
    Moment("database.proof", Kind.STEP_PROGRESS, later=0.4),
    Moment("database.marker-b"),
    Moment("database.fence"),
    Moment("database.mark"),
    Moment("database.readback"),
    Moment("database.stop"),
    Moment("castle.record-seal"),
    Moment("machines.destroy", Kind.STEP_INTENT, what="destroy"),
    Moment("machines.destroy"),
    Moment("machines.create-data"),
    Moment("database.home", Kind.STEP_INTENT, what="restore", later=0.3),
    Moment("database.home"),
    Moment("database.promote"),
    Moment("database.data-proof"),
    Moment("database.roles"),
    Moment("database.lift"),
    Moment("answers.sql"),
    Moment("castle.record-life"),
    Moment("database.backup-after", Kind.STEP_INTENT, later=0.4),
]
REBIRTHS = 3  # neighbours are in different rebirths: a runner may be past the next moment before it dies


@pytest.fixture(scope="module")
def castle() -> Iterator[TestCastle]:
    with standing() as made:
        yield made


def test_cancel_without_a_runner_lifts_the_fence_that_a_killed_one_left(castle: TestCastle) -> None:
    life = castle.life()
    castle.sql("alter database app connection limit 17", life=life)
    castle.sql("alter role report connection limit 3", life=life)
    limits = "select datname, datconnlimit from pg_database union select rolname, rolconnlimit from pg_roles order by 1"
    before, machines = castle.sql(limits, life=life), castle.podman("ps", "-q").stdout.split()
    with Writer(castle) as writer:
        writer.wait_for(10)
        run = BrokenRun(castle)
        run.kill_at(Moment("database.mark"))
        assert castle.sql("select datconnlimit from pg_database where datname = 'app'", life=life) == "0"
        said = castle.run("cancel", run.id)
        assert "lifted" in said.stdout + said.stderr
        wait_for(run, RunStatus.CANCELLED)
        writer.wait_for(writer.count() + 10)
    assert castle.sql(limits, life=life) == before
    assert castle.podman("ps", "-q").stdout.split() == machines
    assert belongings(castle) == of_life(castle, life)
    assert beats(castle, life)
    assert castle.life() == life
    assert writer.missing(life) == set()


def test_marker_b_is_undone_with_a_fence_that_never_came(castle: TestCastle) -> None:
    """Heartbeat and vacuum rest from marker B on; cancelled before the fence began, they must go on."""
    life = castle.life()
    run = BrokenRun(castle)
    run.kill_at(Moment("database.marker-b", Kind.STEP_INTENT, later=0.15))
    castle.run("cancel", run.id)
    wait_for(run, RunStatus.CANCELLED)
    assert beats(castle, life)
    assert castle.sql("show autovacuum", life=life) == "on"


@pytest.mark.parametrize("turn", range(REBIRTHS))
def test_killed_at_every_boundary_and_resumed_nothing_is_lost_or_done_twice(castle: TestCastle, turn: int) -> None:
    old = castle.life()
    promotions = timeline(castle, old)
    with Writer(castle) as writer:
        writer.wait_for(writer.count() + 10)
        with BrokenRun(castle) as run:
            run.through(MOMENTS[turn::REBIRTHS])
        writer.wait_for(writer.count() + 10)
    life = castle.life()
    assert life == old + 1
    assert writer.missing(life) == set()
    assert timeline(castle, life) == promotions + 1
    assert {step: times for step, times in run.acted().items() if times > 1} == {}
    assert belongings(castle) == of_life(castle, life)
    assert beats(castle, life)


def wait_for(run: BrokenRun, status: RunStatus, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while run.status is not status:
        assert time.monotonic() < deadline, f"the run is {run.status.value}, not {status.value}"
        time.sleep(0.1)


def beats(castle: TestCastle, life: int) -> bool:
    """Whether the heartbeat row is written again (every second in these castles)."""
    query = "select at from castle.heartbeat"
    first = castle.sql(query, life=life, database="postgres")
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        if castle.sql(query, life=life, database="postgres") != first:
            return True
        time.sleep(0.3)
    return False
