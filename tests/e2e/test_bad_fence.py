"""Clients that will not be fenced out, and a treasure that cannot be sealed."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ephemeral_castle.postgres import sql
from tests.e2e.castles import TestCastle
from tests.e2e.days import LIMITS, REFUSED, says, serving
from tests.e2e.writers import TESTBED, Writer
from tests.systems import CASTLE

pytestmark = [pytest.mark.machines, pytest.mark.evidence("real", *CASTLE)]
GREEDY = "application_name = 'greedy'"
HERE = "-h /tmp -U postgres -d app"


@pytest.fixture(scope="module")
def castle() -> Iterator[TestCastle]:
    """Clients keep their server connection for as long as they like: the hardest case for a fence."""
    made = TestCastle(Path(tempfile.mkdtemp(prefix="castle-e2e-", dir="/var/tmp")))
    made.file.write_text(made.file.read_text().replace("pooler: edge", "pooler: edge\n        pool_mode: session"))
    try:
        made.raise_()
        made.sql("alter database app connection limit 37", life=1)
        yield made
    finally:
        made.down()


def inside(castle: TestCastle, life: int, script: str, *, detach: bool = False) -> None:
    """A shell script beside the database of a life."""
    machine = f"{castle.name}-{life}-431"
    option = ["-d"] if detach else []
    result = castle.podman("exec", *option, machine, "podman", "exec", "database", "sh", "-c", script)
    assert result.returncode == 0, result.stderr


@contextlib.contextmanager
def superuser(castle: TestCastle, life: int) -> Iterator[None]:
    """An application that connects as superuser, and comes back whenever it is thrown out."""
    again = f"PGAPPNAME=greedy psql -qAtX {HERE} -c 'select pg_sleep(60)'"
    inside(castle, life, f"touch /tmp/go; while [ -e /tmp/go ]; do {again}; done", detach=True)
    time.sleep(0.5)
    try:
        yield
    finally:
        inside(castle, life, "rm /tmp/go")
        castle.sql(f"select pg_terminate_backend(pid) from pg_stat_activity where {GREEDY}", life=life)


@contextlib.contextmanager
def open_transaction(castle: TestCastle) -> Iterator[None]:
    """A client that wrote a row through PgBouncer, and then neither commits nor leaves."""
    host, _, port = castle.data("status")["addresses"]["database"].rpartition(":")
    command = [sys.executable, str(TESTBED / "with_password.py"), "-f", str(castle.file), "--secret"]
    command += ["database/user/app", "--", "psql", "-qAtX", "-h", host, "-p", port, "-U", "app", "-d", "app"]
    client = subprocess.Popen(command, env=castle.here.env(), stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert client.stdin is not None
    assert client.stdout is not None
    client.stdin.write(b"begin; insert into ledger(id, body) values (-5, 'never committed') returning id;\n")
    client.stdin.flush()
    assert client.stdout.readline() == b"-5\n"
    try:
        yield
    finally:
        client.kill()
        client.communicate()


def test_a_superuser_that_comes_back_through_the_fence_is_refused_by_name(castle: TestCastle) -> None:
    life = castle.life()
    with serving(castle, life), superuser(castle, life):
        result = castle.rebirth(ok=False)
        says(result, REFUSED, "postgres@app (greedy)", "nothing was destroyed", "user of its own", "castle rebirth")
    assert "app|37|t" in castle.sql(LIMITS, life=life)
    assert castle.life() == life


def test_a_prepared_transaction_is_refused_by_name(castle: TestCastle) -> None:
    """It could be committed at any time, also behind the fence."""
    life = castle.life()
    castle.sql("alter system set max_prepared_transactions = 3", life=life)
    castle.podman("exec", f"{castle.name}-{life}-431", "podman", "restart", "-t", "20", "database")
    with serving(castle, life):
        inside(castle, life, f"psql -qX {HERE} -c \"begin; insert into ledger(id, body) values (-6, 'x'); "
               "prepare transaction 'half'\"")  # fmt: skip
        result = castle.rebirth(ok=False)
        says(result, REFUSED, "'half' in app", "nothing was destroyed", "pg_prepared_xacts", "castle rebirth")
        castle.sql("rollback prepared 'half'", life=life)
    assert castle.life() == life


def test_a_transaction_that_never_ends_is_ended_at_the_fence(castle: TestCastle) -> None:
    """PgBouncer would wait for it for ever. What was never committed does not come back, all the rest does."""
    life = castle.life()
    with Writer(castle) as writer, open_transaction(castle):
        writer.wait_for(writer.count() + 5)
        castle.rebirth()
        writer.wait_for(writer.count() + 5)
    assert castle.life() == life + 1
    assert writer.missing(life + 1) == set()
    assert castle.sql("select count(*) from ledger where id = -5", life=life + 1) == "0"
    assert "app|37|t" in castle.sql(LIMITS, life=life + 1)


def test_the_query_of_a_runner_that_died_ends_with_it(castle: TestCastle) -> None:
    """A digest of hours went on in the database when its runner was killed, beside that of the resumed run."""
    life = castle.life()
    asked = [*sql.SESSION.splitlines(), "select pg_sleep(300)", ";"]
    lines = "\n".join(["open s1 app", *(f"say s1 {line}" for line in asked)])
    # The runner's end is the end of what it writes: all processes between it and the server see nothing else of it.
    script = f"(cat <<'END'\n{lines}\nEND\nsleep 4) | perl /usr/local/bin/castle-sessions"
    inside(castle, life, script, detach=True)
    working = "select count(*) from pg_stat_activity where query like '%sleep(300)%' and pid <> pg_backend_pid()"
    wait_until(castle, life, working, "1")
    time.sleep(4)
    wait_until(castle, life, working, "0", seconds=15)


def wait_until(castle: TestCastle, life: int, query: str, answer: str, seconds: float = 30) -> None:
    """Until a query gives an answer."""
    deadline = time.monotonic() + seconds
    while castle.sql(query, life=life) != answer:
        assert time.monotonic() < deadline, f"{query}: not {answer} within {seconds} s"
        time.sleep(0.3)


def test_a_treasure_that_cannot_be_sealed_is_given_up_by_word_only(castle: TestCastle) -> None:
    """Nothing reaches the treasury any more: refused; --abandon-data gives up what was written since."""
    life = castle.life()
    castle.sql("insert into ledger(id, body) values (-7, 'archived')", life=life)
    castle.run("backup")
    conf = "/run/castle/database/pgbackrest.conf"
    change = "s/^repo1-s3-key=.*/repo1-s3-key=revoked/; s/^archive-timeout=.*/archive-timeout=3/"
    machine = f"{castle.name}-{life}-431"
    assert castle.podman("exec", machine, "sed", "-i", change, conf).returncode == 0
    with serving(castle, life):
        castle.sql("insert into ledger(id, body) values (-8, 'never archived')", life=life)
        castle.sql("select pg_switch_wal()", life=life)
        wait_for_failure(castle, life)
        result = castle.rebirth(ok=False)
        says(result, REFUSED, "cannot be sealed", "could not be archived", "nothing was changed", "--abandon-data")
    result = castle.rebirth("--abandon-data")
    assert castle.life() == life + 1
    rows = castle.sql("select id from ledger where id in (-7, -8)", life=life + 1)
    assert rows == "-7"
    assert "loss database" in result.stdout
    assert castle.data("report")["loss"]["database"]["bound"] is True


def wait_for_failure(castle: TestCastle, life: int) -> None:
    """Until the archiver has given up on a segment once."""
    query = "select coalesce(last_failed_time > last_archived_time, false) from pg_stat_archiver"
    deadline = time.monotonic() + 90
    while castle.sql(query, life=life) != "t":
        assert time.monotonic() < deadline, "archiving goes on without rights"
        time.sleep(1)
