"""A castle is raised on another computer: with the treasury, the definition and the key file, and nothing else."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.e2e.accidents import reboot
from tests.e2e.castles import Computer, TestCastle
from tests.e2e.treasuries import Treasury, standing_beside
from tests.systems import CASTLE

pytestmark = [pytest.mark.machines, pytest.mark.evidence("real", *CASTLE, "s3")]

ROWS = 50


@dataclass
class Two:
    """A castle whose first life stands on one computer, and a second computer."""

    treasury: Treasury
    castle: TestCastle
    there: Computer


@pytest.fixture(scope="module")
def two() -> Iterator[Two]:
    with standing_beside() as (treasury, castle):
        castle.sql(f"insert into ledger(id, body) select g, 'row' from generate_series(1, {ROWS}) g", life=1)
        castle.sql("select pg_switch_wal()", life=1)
        castle.run("backup")
        yield Two(treasury, castle, Computer(castle.base / "there"))


def test_with_its_disk_not_mounted_the_computer_is_another_and_calls_nothing_gone(two: Two) -> None:
    """By the machine id alone it was the right one: it found no data, and brought an older state back, unsealed."""
    home, aside = two.castle.here.base / "state", two.castle.here.base / "aside"
    reboot(two.castle)
    home.rename(aside)
    refused = two.castle.rebirth(ok=False)
    assert refused.returncode == 9, refused.stderr
    assert "the disk with its state directory is not mounted" in refused.stderr
    two.castle.run("down", "--confirm", two.castle.name)  # what the attempt made in the empty place
    shutil.rmtree(home)
    aside.rename(home)
    two.castle.run("raise")
    two.castle.run("backup")  # what the record knows of is archived again
    assert two.castle.sql("select count(*) from ledger", life=1) == str(ROWS)


def test_another_computer_may_not_touch_the_castle_by_itself(two: Two) -> None:
    record = two.treasury.read(f"{two.castle.name}/castle.json")
    for verb in ("rebirth", "raise"):
        refused = two.castle.run(verb, "--confirm", two.castle.name, on=two.there, ok=False)
        assert refused.returncode == 9, refused.stderr
        assert "stands on another computer" in refused.stderr
        assert f"castle {verb} --source-lost --confirm {two.castle.name}" in refused.stderr
        assert "nothing was changed" in refused.stderr
    assert two.castle.podman("ps", "-aq", on=two.there).stdout == ""
    assert two.treasury.read(f"{two.castle.name}/castle.json") == record


def test_with_source_lost_it_comes_back_and_the_old_writer_is_revoked_first(two: Two) -> None:
    two.castle.run("rebirth", "--source-lost", "--confirm", two.castle.name, on=two.there)
    assert two.castle.sql("select count(*) from ledger", life=2, on=two.there) == str(ROWS)
    events = [json.loads(line) for line in two.castle.run("logs", "--json", on=two.there).stdout.splitlines()]
    order = [(event.get("step"), event["kind"]) for event in events]
    assert order.index(("castle.revoke", "step.finished")) < order.index(("database.promote", "step.started"))
    status = two.castle.data("status", on=two.there)
    assert (status["life"], status["state"]) == (2, "up")


def test_the_old_life_can_never_archive_again(two: Two) -> None:
    archive = f"{two.castle.name}/pgbackrest/database/archive"
    before = [name for name in two.treasury.names(archive) if "/00000001" in name]
    two.castle.sql("insert into ledger(id, body) values (1000, 'written by a ghost')", life=1)
    segment = two.castle.sql("select pg_walfile_name(pg_switch_wal())", life=1)
    failed = "select failed_count from pg_stat_archiver"
    deadline = time.monotonic() + 60
    while int(two.castle.sql(failed, life=1)) == 0:
        assert time.monotonic() < deadline, f"archiving of {segment} neither failed nor succeeded"
        time.sleep(0.5)
    machine = f"{two.castle.name}-1-431"
    command = ["podman", "exec", "database", "pgbackrest", "--config=/run/castle/pgbackrest.conf", "--stanza=castle"]
    said = two.castle.podman("exec", machine, *command, "--repo=1", "repo-put", "archive/castle/x")
    assert said.returncode != 0
    assert "403" in said.stdout + said.stderr
    after = [name for name in two.treasury.names(archive) if "/00000001" in name]
    assert not [name for name in after if segment in name]
    assert set(before) <= set(after)


def test_the_old_computer_notices_and_refuses_everything(two: Two) -> None:
    status = two.castle.run("status", ok=False)
    assert status.returncode == 8
    assert "life 2 stands on another computer" in status.stdout
    assert f"castle down --confirm {two.castle.name}" in status.stdout
    name = two.castle.name
    verbs = [["backup"], ["seal"], ["wipe", "--confirm", name], ["rebirth", "--confirm", name], ["raise"]]
    for verb in [*verbs, ["restore", "--side"]]:
        refused = two.castle.run(*verb, ok=False)
        assert refused.returncode == 9, f"{verb}: {refused.stdout}{refused.stderr}"
        assert "life 2 of castle" in refused.stderr
    assert two.castle.sql("select count(*) from ledger where id = 1000", life=1) == "1"
    assert two.castle.sql("select count(*) from ledger where id = 1000", life=2, on=two.there) == "0"
    # It can still be taken away from the old computer, and that leaves the living one alone.
    two.castle.run("down", "--confirm", name)
    assert two.castle.sql("select count(*) from ledger", life=2, on=two.there) == str(ROWS)
