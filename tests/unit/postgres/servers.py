"""A real PostgreSQL server for tests of SQL texts, with programs from wherever they are."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PATH = "/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
HOMES = Path("/tmp")


@dataclass(frozen=True)
class Programs:
    """Where a server's programs are.

    Attributes:
        folder: with `initdb` and its like, as a command behind `prefix` sees it.
        prefix: begins each command: who runs it, and in which root directory.
        owner: the user that runs it, by number; None for who runs the tests.
    """

    folder: Path
    prefix: tuple[str, ...] = ()
    owner: int | None = None


class Server:
    """A server of its own in one directory, which is the same for its programs and for a test."""

    def __init__(self, home: Path, programs: Programs) -> None:
        self.home = home
        self.data = home / "data"
        self.bin = programs.folder
        self.prefix = programs.prefix
        self.sessions: list[Session] = []

    def run(self, *argv: str) -> str:
        done = subprocess.run(
            [*self.prefix, *argv], stdin=subprocess.DEVNULL, capture_output=True, text=True,
            env={"LC_ALL": "C", "PATH": PATH}, check=False, cwd="/",
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout

    def start(self) -> None:
        log = str(self.home / "log")
        subprocess.run(
            [*self.prefix, str(self.bin / "pg_ctl"), "-D", str(self.data), "-w", "-l", log, "start"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, check=True, cwd="/",
        )  # fmt: skip

    def stop(self) -> None:
        self.run(str(self.bin / "pg_ctl"), "-D", str(self.data), "-w", "-m", "fast", "stop")

    def psql(self, database: str = "postgres", user: str = "postgres") -> Session:
        self.sessions.append(Session(self, database, user))
        return self.sessions[-1]


class Session:
    """One kept psql, as a driver uses it."""

    def __init__(self, server: Server, database: str, user: str) -> None:
        argv = ["psql", "-XAtq", "-h", str(server.home), "-p", "5432", "-U", user, database]
        self.process = subprocess.Popen(
            [*server.prefix, *argv], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True, env={"PATH": PATH}, cwd="/",
        )  # fmt: skip
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.input, self.output = self.process.stdin, self.process.stdout

    def lines(self, text: str) -> list[str]:
        with contextlib.suppress(BrokenPipeError):  # psql gives up when its server has ended it
            self.input.write(text + "\n\\echo --end--\n")
            self.input.flush()
        found = []
        while (line := self.output.readline()) and line != "--end--\n":
            found.append(line.removesuffix("\n"))
        return found

    def do(self, text: str) -> None:
        assert self.lines(text) == []

    def ask(self, text: str) -> Any:
        (line,) = self.lines(text)
        return json.loads(line)

    def word(self, text: str) -> str:
        (line,) = self.lines(text)
        return line

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        with contextlib.suppress(BrokenPipeError):
            self.input.close()
        self.output.close()


@contextlib.contextmanager
def home_of(owner: int | None) -> Iterator[Path]:
    """A directory of a server."""
    home = Path(tempfile.mkdtemp(prefix="pg-", dir=HOMES))
    if owner is not None:
        os.chown(home, owner, owner)
    try:
        yield home
    finally:
        shutil.rmtree(home)


@contextlib.contextmanager
def serving(home: Path, programs: Programs) -> Iterator[Server]:
    """A cluster fresh from initdb that runs."""
    made = Server(home, programs)
    made.run(str(made.bin / "initdb"), "-D", str(made.data), "-U", "postgres", "-k", "-N", "--auth=trust")
    with (made.data / "postgresql.conf").open("a") as conf:
        conf.write(f"listen_addresses=''\nunix_socket_directories='{home}'\nport=5432\nfsync=off\n")
        conf.write("archive_mode=on\narchive_command='true'\nmax_prepared_transactions=5\nshared_buffers='16MB'\n")
    made.start()
    try:
        yield made
    finally:
        for session in made.sessions:
            session.close()
        made.stop()
