"""Quoting, session settings and the short statements of a seal and a return.

All texts are meant for one kept `psql -XAtq` that reads standard input. Each ends with a semicolon. A text called a
query gives exactly one line: JSON unless said otherwise, so no name or message can break the line protocol. Needs
PostgreSQL 14 or newer.
"""

from __future__ import annotations

import re

from ephemeral_castle.postgres.lsn import Lsn

# NAMEDATALEN - 1 and MAXFNAMELEN - 1 (src/include/pg_config_manual.h, xlog_internal.h)
_LONGEST_IDENTIFIER = 63
_LONGEST_RESTORE_POINT = 63


def quote_ident(name: str) -> str:
    """An identifier in double quotes.

    Raises:
        ValueError: empty, with NUL, or longer than the 63 bytes behind which PostgreSQL silently cuts.
    """
    if not name or "\0" in name:
        raise ValueError("an identifier must not be empty or hold a NUL character")
    if len(name.encode("utf-8")) > _LONGEST_IDENTIFIER:
        raise ValueError(f"the identifier {name!r} is longer than {_LONGEST_IDENTIFIER} bytes")
    return '"' + name.replace('"', '""') + '"'


def quote_literal(text: str) -> str:
    """A string constant that means the same with every setting of `standard_conforming_strings`.

    Raises:
        ValueError: it holds NUL.
    """
    if "\0" in text:
        raise ValueError("a string constant must not hold a NUL character")
    quoted = "'" + text.replace("'", "''") + "'"
    return " E" + quoted.replace("\\", "\\\\") if "\\" in text else quoted


def qualified(schema: str, name: str) -> str:
    """`"schema"."name"`."""
    return f"{quote_ident(schema)}.{quote_ident(name)}"


# A fence, a replica's settings or a user's defaults must not decide how castle's own sessions behave. `local` keeps a
# commit from waiting for a synchronous standby of the former life. The check ends what a runner that died was asking:
# else a server notices only when it has the answer.
SESSION = """\
SET search_path = pg_catalog;
SET default_transaction_read_only = off;
SET statement_timeout = 0;
SET lock_timeout = 0;
SET idle_session_timeout = 0;
SET idle_in_transaction_session_timeout = 0;
SET client_connection_check_interval = '1s';
SET synchronous_commit = local;
SET client_min_messages = warning;
SET client_encoding = 'UTF8';
SET row_security = off;
"""

RESTORE_POINT_PREFIX = "castle-"


def restore_point_name(run: str, when: float) -> str:
    """Name of a restore point: a restore by name ends at the first of that name, so each try has one of its own.

    Args:
        run: id of the run.
        when: it is made, Unix seconds.

    Raises:
        ValueError: characters other than letters, digits, `_`, `.`, `-`, or too long for PostgreSQL (63 bytes).
    """
    name = f"{RESTORE_POINT_PREFIX}{run}-{int(when * 1000):x}"
    if not re.fullmatch(r"[A-Za-z0-9_.-]+", run) or len(name) > _LONGEST_RESTORE_POINT:
        raise ValueError(f"no restore point can be named after the run {run!r}")
    return name


def create_restore_point(name: str) -> str:
    """Query: writes a named point into the WAL, which also makes the switch behind it real; gives its LSN (text)."""
    return f"SELECT pg_catalog.pg_create_restore_point({quote_literal(name)});"


# The only statement of its transaction: in one transaction with a write the commit would land in the next segment.
# The timeline comes from the segment being written, because pg_control lags behind a promotion.
SWITCH_WAL = """\
SELECT jsonb_build_object(
  'lsn', s::text,
  'timeline', ('x' || substr(pg_walfile_name(pg_current_wal_insert_lsn()), 1, 8))::bit(32)::int,
  'segment_size', pg_size_bytes(current_setting('wal_segment_size')))
FROM pg_switch_wal() AS s;"""

# pg_snapshot_xmax is the next transaction id once nothing runs behind the fence. `server` tells one start of the
# server from another: what was proven about one does not hold for the next.
MARK = """\
SELECT jsonb_build_object(
  'lsn', pg_current_wal_insert_lsn()::text,
  'timeline', ('x' || substr(pg_walfile_name(pg_current_wal_insert_lsn()), 1, 8))::bit(32)::int,
  'segment_size', pg_size_bytes(current_setting('wal_segment_size')),
  'system_id', (SELECT system_identifier::text FROM pg_control_system()),
  'next_xid', pg_snapshot_xmax(pg_current_snapshot())::text,
  'server', pg_postmaster_start_time()::text,
  'at', extract(epoch FROM clock_timestamp()));"""

LAST_ARCHIVED = "SELECT coalesce(last_archived_wal, '') FROM pg_stat_archiver;"

CHECKPOINT = "CHECKPOINT;"


def archive_status(segment: str) -> str:
    """Query: `{"done", "ready", "present", "archived_count", "failed_count", "last_failed", "last_failed_at"}`.

    `done` and `ready`: the archiver's status files; `present`: whether the segment still lies in pg_wal. The view
    pg_stat_archiver alone is no proof: its last name may sort below a segment that is already archived.

    Args:
        segment: 24 hexadecimal digits.
    """
    name = quote_literal(_checked_segment(segment))
    done, ready = (quote_literal(f"{segment}.{kind}") for kind in ("done", "ready"))
    return f"""\
SELECT jsonb_build_object(
  'done', EXISTS (SELECT FROM pg_ls_archive_statusdir() WHERE name = {done}),
  'ready', EXISTS (SELECT FROM pg_ls_archive_statusdir() WHERE name = {ready}),
  'present', EXISTS (SELECT FROM pg_ls_waldir() WHERE name = {name}),
  'archived_count', archived_count, 'failed_count', failed_count, 'last_failed', last_failed_wal,
  'last_failed_at', extract(epoch FROM last_failed_time))
FROM pg_stat_archiver;"""


def history_status(timeline: int) -> str:
    """Query: whether the history file of a timeline was archived: `{"done", "ready"}`."""
    base = f"{timeline:08X}.history"
    return f"""\
SELECT jsonb_build_object(
  'done', EXISTS (SELECT FROM pg_ls_archive_statusdir() WHERE name = {quote_literal(base + ".done")}),
  'ready', EXISTS (SELECT FROM pg_ls_archive_statusdir() WHERE name = {quote_literal(base + ".ready")}));"""


def _checked_segment(segment: str) -> str:
    if not re.fullmatch(r"[0-9A-F]{24}", segment):
        raise ValueError(f"not the name of a WAL segment: {segment!r}")
    return segment


REPLAY = """\
SELECT jsonb_build_object(
  'in_recovery', pg_is_in_recovery(),
  'replayed', pg_last_wal_replay_lsn()::text,
  'paused', CASE WHEN pg_is_in_recovery() THEN pg_get_wal_replay_pause_state() ELSE 'not paused' END,
  'last_commit_at', extract(epoch FROM pg_last_xact_replay_timestamp()));"""


def promote(seconds: int = 60) -> str:
    """Query: ends recovery and waits for it; "t" when the server accepts writes, "f" after `seconds`."""
    return f"SELECT pg_catalog.pg_promote(true, {int(seconds)});"


# Gives the timeline being written; only outside recovery.
TIMELINE = "SELECT ('x' || substr(pg_walfile_name(pg_current_wal_insert_lsn()), 1, 8))::bit(32)::int;"

SYSTEM_ID = "SELECT system_identifier::text FROM pg_control_system();"


def reached(replayed: str | None, mark: Lsn) -> bool:
    """Whether replay has come to the mark. None (nothing replayed yet) has not.

    Args:
        replayed: the LSN of the replay query.
        mark: what must come back.
    """
    return replayed is not None and Lsn.parse(replayed) >= mark


# Names of synchronous standbys come back with the data; until somebody plays them, commits of users hang.
SYNCHRONOUS_STANDBYS = "SELECT to_jsonb(current_setting('synchronous_standby_names'));"
CLEAR_SYNCHRONOUS_STANDBYS = """\
ALTER SYSTEM SET synchronous_standby_names = '';
SELECT pg_reload_conf();"""

# Empty pages of JSON lists are "[]", never an empty line. Databases that a person can connect to.
DATABASES = """\
SELECT coalesce(jsonb_agg(datname ORDER BY datname), '[]') FROM pg_database
WHERE datallowconn AND NOT datistemplate;"""


def collation_mismatches(major: int) -> str:
    """Query: collations whose library changed its order since the indexes were built; those need REINDEX.

    A list of `{"kind", "name", "recorded", "actual"}` for the current database; `kind` is "database" or "collation".

    Args:
        major: major version of PostgreSQL; the default collation of a database is tracked from 15 on.
    """
    database = (
        """\
  UNION ALL
  SELECT 'database', datname, datcollversion, pg_database_collation_actual_version(oid) FROM pg_database
  WHERE datname = current_database()
"""
        if major >= 15
        else ""
    )
    return f"""\
WITH versions (kind, name, recorded, actual) AS (
  SELECT 'collation', quote_ident(n.nspname) || '.' || quote_ident(c.collname), c.collversion,
    pg_collation_actual_version(c.oid)
  FROM pg_collation AS c JOIN pg_namespace AS n ON n.oid = c.collnamespace
  WHERE c.collprovider <> 'd' AND c.collencoding IN (-1, (SELECT encoding FROM pg_database
    WHERE datname = current_database()))
{database})
SELECT coalesce(jsonb_agg(to_jsonb(v) ORDER BY kind, name), '[]') FROM versions AS v
WHERE recorded IS NOT NULL AND recorded IS DISTINCT FROM actual;"""
