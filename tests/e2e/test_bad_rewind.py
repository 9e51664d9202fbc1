"""A restore in place that is broken off, and clients that would not wait for its end."""

from __future__ import annotations

import contextlib
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ephemeral_castle.model.events import Kind
from tests.e2e.accidents import BrokenRun, Moment, reboot
from tests.e2e.castles import TestCastle
from tests.e2e.secrets_of import all_secrets
from tests.systems import CASTLE

pytestmark = [pytest.mark.machines, pytest.mark.evidence("real", *CASTLE)]
LIMIT = "select datconnlimit from pg_database where datname = 'app'"
INTRUDER = """\
while sleep 0.02; do
  psql -qAtX -h {address} -U app -d app -c "insert into ledger(id, body) values (\
(extract(epoch from clock_timestamp()) * 1000)::bigint, 'intruder')" 2>/dev/null
done
"""


@pytest.fixture(scope="module")
def castle() -> Iterator[TestCastle]:
    made = TestCastle(Path(tempfile.mkdtemp(prefix="castle-e2e-", dir="/var/tmp")), max_age="24h")
    try:
        made.raise_()
        made.sql("alter database app connection limit 37", life=1)
        yield made
    finally:
        made.down()


def spoilt(castle: TestCastle) -> str:
    """A good row, then a bad one in its place; gives a time between the two.

    The heartbeat commits every second: a restore to a time ends at a commit behind it.
    """
    castle.sql("truncate ledger; insert into ledger(id, body) values (1, 'good')", life=1)
    time.sleep(1.1)
    good = castle.sql("select clock_timestamp()", life=1).replace(" ", "T") + ":00"
    time.sleep(1.1)
    castle.sql("truncate ledger; insert into ledger(id, body) values (2, 'bad')", life=1)
    return good


def on(castle: TestCastle, machine: int, *argv: str) -> str:
    """What a command on a machine says."""
    done = castle.podman("exec", f"{castle.name}-1-{machine}", *argv)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@contextlib.contextmanager
def intruder(castle: TestCastle) -> Iterator[None]:
    """A client that goes round PgBouncer, straight to the database, again and again."""
    networks = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}"
    address = castle.podman("inspect", "-f", networks, f"{castle.name}-1-431").stdout.strip()
    image = on(castle, 432, "podman", "inspect", "-f", "{{.ImageName}}", "database-pooler")
    password = all_secrets(castle)["database/user/app"]
    command = ["podman", "run", "-d", "--name", "intruder", "--network", "host", "-e", f"PGPASSWORD={password}"]
    on(castle, 432, *command, image, "sh", "-c", INTRUDER.format(address=address))
    try:
        yield
    finally:
        on(castle, 432, "podman", "rm", "-f", "-t", "0", "intruder")


def volume(castle: TestCastle) -> Path:
    """The database's volume, as this computer sees it through the machine's own."""
    name = f"{castle.name}-1-431"
    machine = castle.podman("volume", "inspect", "-f", "{{.Mountpoint}}", name).stdout.strip()
    return Path(machine) / "storage/volumes/database/_data"


def restores(data: Path) -> int:
    """How often a restore in place was begun over the data."""
    log = data / "rewind.log"
    return log.read_text().count("restore begins") if log.exists() else 0


def span(run: BrokenRun) -> tuple[float, float]:
    """From the stop of the former state to the lift of the fence, in Unix seconds."""
    events = run.events()
    stopped = next(e.at for e in events if e.step == "database.stop" and e.kind is Kind.STEP_FINISHED)
    lifted = next(e.at for e in events if e.step == "database.lift" and e.kind is Kind.STEP_STARTED)
    return stopped, lifted


def test_nobody_writes_between_a_restore_in_place_and_the_lift(castle: TestCastle) -> None:
    """What came back carried no fence: who went round PgBouncer could write before the passwords were set."""
    good = spoilt(castle)
    with intruder(castle), BrokenRun(castle, "restore", "--to", good) as run:
        castle.run("watch", run.id)
        time.sleep(1)
    stopped, lifted = span(run)
    came = castle.sql("select extract(epoch from at) from ledger where body = 'intruder'", life=1).split()
    between = [at for at in came if stopped < float(at) < lifted]
    assert between == []
    assert came != [], "it never came in, and so it proves nothing"
    assert castle.sql("select body from ledger where id in (1, 2)", life=1) == "good"
    assert castle.sql(LIMIT, life=1) == "37"


def test_a_killed_restore_in_place_is_found_and_not_begun_again(castle: TestCastle) -> None:
    """The runner dies while pgBackRest works, once more behind it; then the computer is started anew."""
    good, data = spoilt(castle), volume(castle)
    begun = restores(data)
    with BrokenRun(castle, "restore", "--to", good) as run:
        run.kill_when(lambda: restores(data) == begun + 1)
        assert (data / "rewound").exists() is False or (data / "rewound").read_text().strip() != run.id
        run.resume()
        run.kill_at(Moment("database.rewind"))
        assert castle.sql(LIMIT, life=1) == "0", "what came back is not fenced"
        run.resume()
        run.kill_at(Moment("database.roles"))
        reboot(castle)
        castle.run("resume", run.id)
    assert restores(data) == begun + 1
    assert castle.sql("select body from ledger", life=1) == "good"
    assert castle.sql(LIMIT, life=1) == "37"
    assert castle.data("status")["state"] == "up"
