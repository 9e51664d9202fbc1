"""A whole castle on real parts dies and comes back; an outside log of acknowledged rows is the judge."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.castles import TestCastle
from tests.e2e.writers import Writer
from tests.systems import CASTLE

pytestmark = [pytest.mark.machines, pytest.mark.evidence("real", *CASTLE)]


@pytest.fixture
def castle() -> Iterator[TestCastle]:
    made = TestCastle(Path(tempfile.mkdtemp(prefix="castle-e2e-", dir="/var/tmp")))
    yield made
    made.down()


def test_planned_rebirth_under_a_writer_loses_no_acknowledged_row(castle: TestCastle) -> None:
    """Two rebirths in a row; the second starts from the first one's result. Then nothing is left of the castle."""
    castle.raise_()
    for life in (2, 3):
        with Writer(castle) as writer:
            writer.wait_for(20)
            castle.rebirth()
            writer.wait_for(writer.count() + 5)
        assert castle.life() == life
        assert writer.missing(life) == set()
        report = castle.data("report")
        ledger = report["treasures"]["database"]["tables"]["app.public.ledger"] if "treasures" in report else None
        assert ledger is None or ledger["same"]
    again = castle.run("raise")
    assert "rebirth" not in again.stdout


def test_dead_machines_and_volumes_come_back_by_the_same_command(castle: TestCastle) -> None:
    castle.raise_()
    castle.sql("insert into ledger(id, body) values (1, 'x')", life=1)
    castle.sql("select pg_switch_wal()", life=1)
    castle.run("backup", "--prove")
    assert castle.data("status")["treasures"]["database"]["proof"]["label"].endswith("I")
    castle.podman("rm", "-f", "-t", "0", "--all")
    castle.podman("volume", "rm", "--all", "-f")
    result = castle.rebirth()
    assert "proven absent" in result.stderr + result.stdout or "neither its machines" in result.stderr
    assert castle.sql("select count(*) from ledger", life=2) == "1"
