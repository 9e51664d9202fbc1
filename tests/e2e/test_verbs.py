"""Every verb by hand, on one castle, in the order of a day's work."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.castles import TestCastle
from tests.e2e.secrets_of import all_secrets
from tests.systems import CASTLE

pytestmark = [pytest.mark.machines, pytest.mark.evidence("real", *CASTLE)]

ROWS = 40


@pytest.fixture(scope="module")
def castle() -> Iterator[TestCastle]:
    made = TestCastle(Path(tempfile.mkdtemp(prefix="castle-verbs-", dir="/var/tmp")), max_age="24h")
    text = made.file.read_text().replace("shared_buffers: 64MiB", "shared_buffers: 64MiB\n        retention_full: 2")
    made.file.write_text(text)
    try:
        made.raise_()
        made.sql(f"insert into ledger(id, body) select g, 'row' from generate_series(1, {ROWS}) g", life=1)
        yield made
    finally:
        made.down()


def rows(castle: TestCastle, life: int, where: str = "true") -> int:
    """How many rows the ledger of a life has."""
    return int(castle.sql(f"select count(*) from ledger where {where}", life=life))


def labels(castle: TestCastle, life: int) -> list[str]:
    """Backups in the treasury, oldest first."""
    machine = f"{castle.name}-{life}-431"
    command = ["podman", "exec", "database", "pgbackrest", "--config=/run/castle/pgbackrest.conf", "--stanza=castle"]
    said = castle.podman("exec", machine, *command, "--repo=1", "--output=json", "info")
    return [backup["label"] for backup in json.loads(said.stdout)[0]["backup"]]


def test_looking_changes_nothing(castle: TestCastle) -> None:
    status = castle.data("status")
    assert (status["state"], status["life"]) == ("up", 1)
    assert [machine["id"] for machine in status["machines"]] == [421, 431, 432]
    treasure = status["treasures"]["database"]
    assert treasure["archiving"]["healthy"] is True
    assert treasure["backup"]["age"] < 300
    assert treasure["rpo"]["seconds"] < 300
    plan = castle.data("plan")
    assert "database.fence" in json.dumps(plan["plan"])
    assert plan["survey"]["life"] == 1
    assert castle.run("plan").stdout.count("point of no return") >= 1
    checks = {check["title"]: check for check in castle.data("doctor")["checks"]}
    for title in ("a second create is refused (If-None-Match)", "a stale write is refused (If-Match)", "versions"):
        assert checks[title]["ok"] is True, checks[title]
    assert checks["of 16 clients one wins"]["data"]["winners"] == [1, 1]
    assert checks["accounts"]["ok"] is True
    assert rows(castle, 1) == ROWS


def test_the_card_says_how_to_come_back_and_holds_no_secret(castle: TestCastle) -> None:
    for card in (castle.run("card").stdout, castle.run("card", "--json").stdout):
        assert f"s3://{castle.name}/{castle.name}" in card
        assert "castle raise" in card
        for name, secret in all_secrets(castle).items():
            assert secret not in card, f"the card shows {name}"


def test_backups_are_made_and_old_ones_go_by_the_keeper_alone(castle: TestCastle) -> None:
    castle.run("backup")
    assert labels(castle, 1)[-1].endswith("I")
    for _ in range(2):
        castle.run("backup", "--full")
    fulls = [label for label in labels(castle, 1) if label.endswith("F")]
    assert len(fulls) == 3
    machine = f"{castle.name}-1-431"
    command = ["podman", "exec", "database", "pgbackrest", "--config=/run/castle/pgbackrest.conf", "--stanza=castle"]
    refused = castle.podman("exec", machine, *command, "--repo=1", "--repo1-retention-full=1", "expire")
    assert refused.returncode != 0, "the machine's own identity could delete backups"
    assert [label for label in labels(castle, 1) if label.endswith("F")] == fulls
    castle.run("backup", "--expire")
    assert [label for label in labels(castle, 1) if label.endswith("F")] == fulls[1:]
    text = castle.file.read_text()
    castle.file.write_text(text.replace("retention_full: 2", "retention_full: 2\n        full_every: 1ms"))
    castle.run("backup")
    castle.file.write_text(text)
    assert labels(castle, 1)[-1].endswith("F"), "the last full one was older than `full_every`"
    assert castle.data("status")["treasures"]["database"]["full"]["label"] == labels(castle, 1)[-1]
    assert rows(castle, 1) == ROWS


def test_a_copy_as_of_a_time_stands_beside_the_living_database(castle: TestCastle) -> None:
    def side(text: str) -> str:
        machine = f"{castle.name}-1-431"
        command = ["podman", "exec", "database", "psql", "-qAtX", "-h", "/tmp", "-p", "5433", "-U", "postgres"]
        said = castle.podman("exec", machine, *command, "-d", "app", "-c", text)
        assert said.returncode == 0, said.stderr
        return said.stdout.strip()

    time.sleep(1.1)
    then = castle.sql("select clock_timestamp()", life=1).replace(" ", "T") + ":00"
    time.sleep(1.1)
    castle.sql("delete from ledger where id > 10", life=1)
    castle.run("restore", "--to", then, "--side")
    assert side("select count(*) from ledger") == str(ROWS)
    assert rows(castle, 1) == 10
    # Without a time it is the newest state, and it takes the place of the first copy.
    castle.sql("delete from ledger where id > 5", life=1)
    castle.run("restore", "--side")
    assert side("select count(*) from ledger") == "5"
    assert rows(castle, 1) == 5
    missing = castle.run("restore", "--to", "2001-01-01T00:00:00+00:00", "--side", ok=False)
    assert missing.returncode == 9
    assert "no backup" in missing.stderr
    assert "not touched" in missing.stderr


def test_a_restore_in_place_goes_back_and_the_state_before_it_stays_within_reach(castle: TestCastle) -> None:
    def now() -> str:
        time.sleep(1.1)  # the heartbeat commits every second: the moment lies between two commits
        found = castle.sql("select clock_timestamp()", life=1).replace(" ", "T") + ":00"
        time.sleep(1.1)
        return found

    castle.sql("alter database app connection limit 77", life=1)
    castle.sql("truncate ledger; insert into ledger(id, body) values (1, 'good')", life=1)
    good = now()
    castle.sql("truncate ledger; insert into ledger(id, body) values (2, 'bad'), (3, 'worse')", life=1)
    bad = now()
    unconfirmed = castle.run("restore", "--to", good, ok=False)
    assert unconfirmed.returncode == 7
    done = castle.run("restore", "--to", good, "--confirm", castle.name)
    assert castle.sql("select string_agg(body, ' ') from ledger", life=1) == "good"
    assert castle.sql("select datconnlimit from pg_database where datname = 'app'", life=1) == "77"
    report = castle.data("report")
    assert (report["verb"], report["status"]) == ("restore", "done")
    ledger = report["tables"]["app.public.ledger"]
    assert (ledger["before"], ledger["after"]) == (2, 1)
    assert "castle restore --to" in done.stdout + done.stderr
    assert castle.data("status")["state"] == "up"
    # What was replaced is on the former timeline.
    castle.sql("insert into ledger(id, body) values (4, 'newer')", life=1)
    castle.run("restore", "--to", bad, "--confirm", castle.name)
    assert castle.sql("select string_agg(body, ' ' order by id) from ledger", life=1) == "bad worse"
    castle.sql("insert into ledger(id, body) values (5, 'goes on')", life=1)
    castle.sql("alter database app connection limit -1", life=1)
    castle.rebirth()
    assert castle.sql("select string_agg(body, ' ' order by id) from ledger", life=2) == "bad worse goes on"


def test_a_sealed_castle_says_so_and_opens_again(castle: TestCastle) -> None:
    castle.run("seal")
    status = castle.run("status", ok=False)
    assert status.returncode == 8
    assert f"castle {castle.name} is sealed" in status.stdout
    assert "`castle raise`" in status.stdout
    castle.run("raise")
    status_now = castle.data("status")
    assert (status_now["state"], status_now["life"]) == ("up", 2)
    assert castle.sql("show autovacuum", life=2) == "on"
    beat = "select at from castle.heartbeat"
    first = castle.sql(beat, life=2, database="postgres")
    time.sleep(2.5)
    assert castle.sql(beat, life=2, database="postgres") > first
    castle.sql("insert into ledger(id, body) values (6, 'after the seal')", life=2)


def test_a_seal_that_was_opened_does_not_bound_a_later_return(castle: TestCastle) -> None:
    """The record kept the seal, and a dead castle came back as of the seal: what was written later was lost."""
    castle.sql("select pg_switch_wal()", life=2)
    time.sleep(2)
    castle.podman("rm", "-f", "-t", "0", "--all")
    castle.podman("volume", "rm", "--all", "-f")
    castle.rebirth()
    assert rows(castle, 3, "body = 'after the seal'") == 1


def test_a_wiped_castle_comes_back_with_every_row(castle: TestCastle) -> None:
    before = rows(castle, 3)
    castle.run("wipe", "--confirm", castle.name)
    assert castle.podman("ps", "-aq").stdout == ""
    assert castle.podman("volume", "ls", "-q").stdout == ""
    status = castle.run("status", ok=False)
    assert "is down" in status.stdout
    assert "castle raise" in status.stdout
    castle.run("raise")
    assert rows(castle, 4) == before
    report = castle.data("report")
    assert report["verified"] is True
    assert report["tables"]["app.public.ledger"]["same"] is True


def test_runs_logs_report_watch_and_their_refusals(castle: TestCastle) -> None:
    runs = castle.data("runs")["runs"]
    assert {"raise", "backup", "restore", "rebirth", "seal", "wipe"} <= {run["verb"] for run in runs}
    last = runs[0]["id"]
    events = [json.loads(line) for line in castle.run("logs", last, "--json").stdout.splitlines()]
    assert events[-1]["kind"] == "run.finished"
    assert castle.data("watch", last)["kind"] == "report"
    assert castle.data("report", last)["run"] == last
    for verb, code in (("resume", 2), ("cancel", 10)):
        refused = castle.run(verb, last, "--json", ok=False)
        assert refused.returncode == code, refused.stderr
        assert json.loads(refused.stderr)["hints"]
    assert castle.run("report", "nonsense", ok=False).returncode == 10


def test_what_init_writes_is_raised_as_it_stands() -> None:
    made = TestCastle(Path(tempfile.mkdtemp(prefix="castle-init-", dir="/var/tmp")))
    keys: list[Path] = []

    def castle(*words: str) -> subprocess.CompletedProcess[str]:
        command = [str(Path(sys.executable).with_name("castle")), *words]
        env = {name: value for name, value in made.here.env().items() if name != "CASTLE_FILE"}
        return subprocess.run(command, cwd=made.base, env=env, capture_output=True, text=True, check=False)

    flags = ["init", "--name", made.name, "--memory", "1GiB", "--database", "shop", "--user", "clerk", "--json"]
    try:
        assert "is there already" in castle(*flags).stderr
        made.file.unlink()
        done = castle(*flags)
        assert done.returncode == 0, done.stderr
        answer = json.loads(done.stdout)
        keys = [Path(file) for file in answer["files"] if file.endswith(".key")]
        assert len(keys) == 1
        assert keys[0].stat().st_mode & 0o777 == 0o600
        assert "[Timer]" in answer["timer"]
        assert f"status -f {made.file}" in answer["timer"]
        raised = castle("raise", "--new")
        assert raised.returncode == 0, raised.stderr
        assert made.sql("select current_user || ' ' || current_database()", life=1, database="shop") == "postgres shop"
    finally:
        castle("down", "--confirm", made.name)
        made.down()
        for key in keys:
            key.unlink(missing_ok=True)
