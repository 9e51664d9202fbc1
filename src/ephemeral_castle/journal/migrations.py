"""The journal's tables, and how an older file is brought up to date.

`PRAGMA user_version` counts the migrations a file has seen. A file that has seen more than this version knows is
refused: an older castle must not write into a newer one's journal.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path

from ephemeral_castle.errors import Permanent

# Each migration is a list of statements, run in one transaction. Never change one that was released; add another.
MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (
        """create table run (
            id text primary key,
            castle text not null,
            site text not null,
            verb text not null,
            command text not null,
            plan_digest text not null,
            plan text not null,
            status text not null,
            created_at real not null,
            finished_at real
        ) strict""",
        """create table event (
            seq integer primary key autoincrement,
            run_id text not null references run(id),
            epoch integer not null,
            v integer not null,
            at real not null,
            kind text not null,
            step_id text not null,
            attempt integer not null,
            body text not null
        ) strict""",
        # A step's attempt ends once. A retry, and a resume after kill -9, are new attempts.
        """create unique index one_finish on event(run_id, step_id, attempt) where kind = 'step.finished'""",
        """create index by_run on event(run_id, seq)""",
        # One row: the runner that may append. A runner that takes over raises the epoch and so shuts out the last one.
        """create table runner (
            one integer primary key check (one = 1),
            epoch integer not null,
            run_id text not null
        ) strict""",
        """insert into runner values (1, 0, '')""",
        """create table cancel (
            run_id text not null references run(id),
            by text not null,
            at real not null,
            after_seq integer not null
        ) strict""",
    ),
    (
        # What a run began with. Runs of before have no row: their resume takes the definition as it is.
        """create table begun (
            run_id text primary key references run(id),
            path text not null,
            digest text not null,
            body text not null
        ) strict""",
    ),
)
VERSION = len(MIGRATIONS)


def version_of(connection: sqlite3.Connection) -> int:
    """How many migrations the file has seen; 0 for a new one."""
    return int(connection.execute("pragma user_version").fetchone()[0])


def refuse_newer(connection: sqlite3.Connection, path: Path) -> None:
    """Raises Permanent when a newer castle wrote the file."""
    found = version_of(connection)
    if found > VERSION:
        raise Permanent(
            "the journal was written by a newer castle",
            where=str(path),
            why=f"its schema has version {found}, this castle knows versions up to {VERSION}",
            state="the journal was not touched",
            hints=["install the newer castle again", "castle --version"],
        )


def migrate(connection: sqlite3.Connection, path: Path) -> None:
    """Brings the file up to date, all or nothing. The connection must be in autocommit mode."""
    refuse_newer(connection, path)
    if version_of(connection) == VERSION:
        return
    connection.execute("begin immediate")
    try:
        refuse_newer(connection, path)  # another process may have been faster
        for number in range(version_of(connection), VERSION):
            for statement in MIGRATIONS[number]:
                connection.execute(statement)
        connection.execute(f"pragma user_version = {VERSION}")
        connection.execute("commit")
    except BaseException:
        connection.execute("rollback")
        raise
