"""A writer outside the castle that logs what was acknowledged."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.e2e.castles import TestCastle

TESTBED = Path(__file__).parents[2] / "testbed"


class Writer:
    """Runs testbed/writer.py through the loopback door of the castle until the block ends."""

    def __init__(self, castle: TestCastle) -> None:
        self.castle = castle
        self.log = castle.base / "acknowledged"
        self.stop = castle.base / "stop"
        self.process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.stop.unlink(missing_ok=True)
        address = self.castle.base / "address"
        address.write_text(self.castle.data("status")["addresses"]["database"])
        command = [sys.executable, str(TESTBED / "with_password.py"), "-f", str(self.castle.file)]
        command += ["--secret", "database/user/app", "--", sys.executable, str(TESTBED / "writer.py")]
        command += ["--address", f"@{address}", "--log", str(self.log), "--stop-file", str(self.stop)]
        self.process = subprocess.Popen(command, env=self.castle.here.env())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop.touch()
        assert self.process is not None
        self.process.wait(timeout=30)

    def acknowledged(self) -> set[int]:
        """Ids that the database has acknowledged."""
        if not self.log.exists():
            return set()
        return {int(line.split()[0]) for line in self.log.read_text().splitlines() if line.strip()}

    def count(self) -> int:
        """How many."""
        return len(self.acknowledged())

    def wait_for(self, rows: int, seconds: float = 60) -> None:
        """Until so many rows are acknowledged."""
        deadline = time.monotonic() + seconds
        while self.count() < rows:
            assert time.monotonic() < deadline, f"only {self.count()} of {rows} rows were acknowledged"
            time.sleep(0.05)

    def missing(self, life: int) -> set[int]:
        """Acknowledged ids that the table of a life does not have."""
        there = {int(line) for line in self.castle.sql("select id from ledger", life=life).split()}
        return self.acknowledged() - there
