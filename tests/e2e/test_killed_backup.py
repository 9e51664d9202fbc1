"""pgBackRest dies in the middle of a backup: the next one is not refused by what it left."""

from __future__ import annotations

import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from ephemeral_castle.postgres.leftovers import COPY, aborted
from tests.e2e.castles import TestCastle
from tests.e2e.objects import names
from tests.systems import CASTLE

pytestmark = [pytest.mark.machines, pytest.mark.evidence("real", *CASTLE)]
KILL = """
for each in /proc/[0-9]*; do
  tr '\\0' ' ' <$each/cmdline 2>/dev/null | grep -q '^pgbackrest.* backup' && kill -9 ${each#/proc/} && echo killed
done
true
"""
BACKUPS = "pgbackrest/database/backup/castle"
ROWS = "insert into ledger(id, body) select g, repeat(md5(random()::text), 60) from generate_series(1, 60000) g"


@pytest.fixture
def castle() -> Iterator[TestCastle]:
    made = TestCastle(Path(tempfile.mkdtemp(prefix="castle-e2e-", dir="/var/tmp")))
    try:
        made.raise_()
        yield made
    finally:
        made.down()


def test_a_backup_after_a_killed_one_was_refused_by_the_treasury(castle: TestCastle) -> None:
    castle.sql(ROWS, life=1)
    state = castle.here.base / "state" / f"{castle.name}.treasury"
    folder = state / "store" / castle.name / castle.name / BACKUPS
    before = set(folder.glob(f"*/{COPY}"))
    assert before
    ended: list[CompletedProcess[str]] = []
    asking = threading.Thread(target=lambda: ended.append(castle.run("backup", ok=False)))
    asking.start()
    until = time.monotonic() + 60
    while not set(folder.glob(f"*/{COPY}")) - before:
        assert time.monotonic() < until
        time.sleep(0.002)
    said = castle.podman("exec", f"{castle.name}-1-431", "sh", "-c", KILL)
    assert "killed" in said.stdout, said
    asking.join()
    castle.run("backup")
    assert aborted(names(castle, BACKUPS)) == []
