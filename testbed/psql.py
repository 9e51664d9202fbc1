"""Talks to PostgreSQL through the `psql` program. The password stands in PGPASSWORD of our own environment only."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse

CONNECT_TIMEOUT = 5  # seconds; libpq takes nothing below 2


class PsqlError(Exception):
    """psql could not connect, or a statement failed; says nothing about rows."""


@dataclass(frozen=True)
class Target:
    """A database as a client sees it. `address`: "HOST:PORT"."""

    address: str
    user: str
    database: str

    def command(self) -> list[str]:
        """The psql command line: quiet, unaligned, tuples only, no start-up file, stops at the first error."""
        host, _, port = self.address.rpartition(":")
        base = ["psql", "-qAtX", "-v", "ON_ERROR_STOP=1", "-w"]
        return [*base, "-h", host, "-p", port, "-U", self.user, "-d", self.database]

    def run(self, script: str, *, timeout: float = 600.0) -> str:
        """Runs a psql script and gives what it printed.

        Args:
            script: SQL and psql commands.
            timeout: seconds for all of it.

        Raises:
            PsqlError: psql ended with an error; its last words are in the message.
        """
        env = {**os.environ, "PGCONNECT_TIMEOUT": str(CONNECT_TIMEOUT), "PGOPTIONS": ""}
        done = subprocess.run(
            self.command(), input=script, env=env, capture_output=True, text=True, timeout=timeout, check=False
        )
        if done.returncode != 0:
            raise PsqlError(f"psql to {self.address} failed: {done.stderr.strip()[-500:]}")
        return done.stdout.strip()


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments that name a database."""
    parser.add_argument("--address", required=True, help="HOST:PORT, or @FILE: a file that holds it")
    parser.add_argument("--user", default="app")
    parser.add_argument("--database", default="app")


def target(args: argparse.Namespace) -> Target:
    """The database that the arguments name; `@FILE` is read anew at each call."""
    address: str = args.address
    if address.startswith("@"):
        address = Path(address[1:]).read_text(encoding="utf-8").strip()
    return Target(address, args.user, args.database)
