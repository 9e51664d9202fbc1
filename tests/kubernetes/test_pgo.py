"""A database that an operator runs dies with its cluster and returns; an outside log is the judge.

The operator is a stand-in; PostgreSQL, pgBackRest, PgBouncer, the API server and the lock before the database are real.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.e2e.writers import Writer
from tests.kubernetes.castles import parts
from tests.kubernetes.operated import OperatedCastle, installed, standing
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
