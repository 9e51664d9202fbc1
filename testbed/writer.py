"""Writes rows through PgBouncer and logs every acknowledged one: the outside judge of "nothing lost".

Runs until the stop file appears. One psql stays open; each insert is a line to it, and its answer must come within
the deadline, since a machine that vanishes sends no RST and would be waited for for ever. After any trouble the writer
reads the address again and opens a new session. An insert whose answer never came is not logged: the row may be there
or not, both are right. Log lines: `ID UNIX_SECONDS`, where the time is that of the acknowledgement.
"""

from __future__ import annotations

import argparse
import select
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

import psql

if TYPE_CHECKING:
    from collections.abc import Iterator

ANSWER_WITHIN = 1.0  # seconds for one insert
CONNECT_WITHIN = 0.2  # seconds; an address without a machine answers nothing for 3 s
OPEN_WITHIN = 0.5  # seconds for the first answer of a session, log-in included
PAUSE = 0.02  # seconds between two sessions


class Session:
    """One psql that speaks lines."""

    def __init__(self, target: psql.Target) -> None:
        self._process = subprocess.Popen(
            target.command(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            bufsize=1,
        )

    def ask(self, statement: str, within: float) -> str | None:
        """Sends one statement; gives its one line, or None when the session is of no use any more."""
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        try:
            stdin.write(statement + ";\n")
        except OSError:
            return None
        if not select.select([stdout], [], [], within)[0]:
            return None
        return stdout.readline().strip() or None

    def close(self) -> None:
        """Ends it at once; what was not acknowledged is not waited for."""
        self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            try:
                if stream:
                    stream.close()
            except OSError:  # the last line could not be flushed into the dead session
                pass


@contextmanager
def session(target: psql.Target) -> Iterator[Session]:
    """A session that is ended whatever happens."""
    opened = Session(target)
    try:
        yield opened
    finally:
        opened.close()


def listening(address: str) -> bool:
    """Whether something accepts connections there."""
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host, int(port)), CONNECT_WITHIN).close()
    except OSError:
        return False
    return True


class Writer:
    """Inserts rows with growing ids at a steady rate."""

    def __init__(self, args: argparse.Namespace, log: TextIO) -> None:
        self._args = args
        self._log = log
        self._period = 1.0 / args.rate
        # Milliseconds grow faster than ids at any rate below 1000/s: a writer started again begins above its past.
        self._next_id = int(time.time() * 1000)
        self.acknowledged = 0

    def stopped(self) -> bool:
        """Whether the stop file is there."""
        return Path(self._args.stop_file).exists()

    def run(self) -> None:
        """Writes until stopped, through as many sessions as it takes."""
        while not self.stopped():
            try:
                target = psql.target(self._args)
            except OSError:  # the address is being replaced
                time.sleep(PAUSE)
                continue
            if listening(target.address):
                with session(target) as open_session:
                    self._write(open_session)
            time.sleep(PAUSE)

    def _write(self, open_session: Session) -> None:
        if open_session.ask("select 1", OPEN_WITHIN) != "1":
            return
        due = time.monotonic()
        while not self.stopped():
            self._next_id += 1
            row = f"insert into {self._args.table} (id, body) values ({self._next_id}, 'row') returning id"
            if open_session.ask(row, ANSWER_WITHIN) != str(self._next_id):
                return
            self._log.write(f"{self._next_id} {time.time():.3f}\n")
            self.acknowledged += 1
            due = max(due + self._period, time.monotonic() - self._period)  # late ones are not made up for
            time.sleep(max(0.0, due - time.monotonic()))


def main() -> int:
    """Parses the command line and writes."""
    parser = argparse.ArgumentParser(description="writes rows and logs the acknowledged ones; password in PGPASSWORD")
    psql.add_arguments(parser)
    parser.add_argument("--table", default="ledger", help="has the columns id bigint and body text")
    parser.add_argument("--log", required=True, help="file of acknowledged ids, appended to")
    parser.add_argument("--stop-file", required=True, help="the writer ends when this file appears")
    parser.add_argument("--rate", type=float, default=200.0, help="rows per second")
    args = parser.parse_args()
    if not 0 < args.rate < 1000:
        parser.error("--rate must lie between 0 and 1000 rows per second")
    with Path(args.log).open("a", encoding="utf-8", buffering=1) as log:
        writer = Writer(args, log)
        writer.run()
    print(f"writer: {writer.acknowledged} rows acknowledged")
    return 0


if __name__ == "__main__":
    sys.exit(main())
