"""An S3 server and a line that break, with the stock pgBackRest behind them: slow, overloaded, and lying."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.e2e.castles import TestCastle
from tests.e2e.faulty_s3 import Cuts, Door, Fault, LostEnds, Slow, SlowDown
from tests.e2e.treasuries import Treasury
from tests.systems import CASTLE

pytestmark = [pytest.mark.machines, pytest.mark.evidence("real", *CASTLE, "s3")]
# 20 MB of text that nothing compresses to less than a half: pgBackRest uploads it in several parts.
FILL = (
    "insert into ledger(id, body) select g, made.body from generate_series(1, 20) g, "
    "lateral (select string_agg(md5(g || '-' || n), '') as body from generate_series(1, 32768) n) made"
)


@dataclass
class Behind:
    """A castle whose treasury stands behind a door."""

    castle: TestCastle
    treasury: Treasury
    door: Door

    def digest(self) -> str:
        """Of every row."""
        return self.castle.sql("select md5(string_agg(id || body, ',' order by id)) from ledger", life=self.life())

    def life(self) -> int:
        return self.castle.life()


@pytest.fixture(scope="module")
def behind() -> Iterator[Behind]:
    base = Path(tempfile.mkdtemp(prefix="castle-e2e-", dir="/var/tmp"))
    treasury = Treasury(base)
    tls = treasury.place.state / "tls"
    with Door(treasury.port, str(tls / "server.pem"), str(tls / "server.key")).open() as door:
        castle = TestCastle(base)
        keys = treasury.key_file(base / "castle.key")
        castle.treasury = treasury.definition(castle.name, keys, port=door.port)
        castle.write()
        try:
            castle.raise_()
            castle.sql(FILL, life=1)
            yield Behind(castle, treasury, door)
        finally:
            treasury.stop()
            castle.down()


@pytest.mark.parametrize("fault", [Slow, SlowDown, LostEnds, Cuts], ids=lambda kind: kind.__name__)
def test_a_backup_and_its_proof_come_through(behind: Behind, fault: type[Fault]) -> None:
    """The whole way of the data: up by the writer of the life, down again by the reader, every table compared."""
    with behind.door.with_fault(fault()) as broken:
        behind.castle.run("backup", "--full", "--prove", timeout=600)
    assert broken.seen["PUT"] + broken.seen["POST"] > 0, "pgBackRest did not come this way"
    assert broken.seen["GET"] > 0
    assert broken.broken.total() > 0 or isinstance(broken, Slow), broken.seen


def test_a_rebirth_through_all_of_them_loses_nothing(behind: Behind) -> None:
    """Cuts in what is read and refusals of every tenth request, from the seal to the new life's first backup."""
    before, life = behind.digest(), behind.life()
    with behind.door.with_fault(SlowDown()) as broken:
        behind.castle.rebirth()
    assert broken.broken.total() > 0
    assert (behind.life(), behind.digest()) == (life + 1, before)
