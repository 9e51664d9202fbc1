"""Castle's own tables: markers that must come back, lives, the heartbeat and the record of a fence.

They live in the schema `castle` of one database, travel with every backup, and are left out of the digest.
"""

from __future__ import annotations

from collections.abc import Iterable

from ephemeral_castle.postgres.sql import quote_literal

SCHEMA = "castle"

# Whether the schema is free or castle's own: an application may have one of this name.
SCHEMA_STATE = """\
SELECT jsonb_build_object(
  'schema', to_regnamespace('castle') IS NOT NULL,
  'owned_by_superuser', coalesce((SELECT r.rolsuper FROM pg_namespace AS n JOIN pg_roles AS r ON r.oid = n.nspowner
    WHERE n.nspname = 'castle'), false),
  'marked', to_regclass('castle.marker') IS NOT NULL,
  'tables', coalesce((SELECT jsonb_agg(relname ORDER BY relname) FROM pg_class
    WHERE relnamespace = to_regnamespace('castle') AND relkind IN ('r', 'p', 'v', 'm', 'f')), '[]'));"""

# One transaction; may be repeated.
CREATE = """\
BEGIN;
CREATE SCHEMA IF NOT EXISTS castle;
REVOKE ALL ON SCHEMA castle FROM PUBLIC;
CREATE TABLE IF NOT EXISTS castle.marker (
  nonce text PRIMARY KEY,
  run text NOT NULL,
  life integer NOT NULL,
  at timestamptz NOT NULL DEFAULT clock_timestamp());
CREATE TABLE IF NOT EXISTS castle.life (
  life integer PRIMARY KEY,
  castle_id text NOT NULL,
  born timestamptz NOT NULL DEFAULT clock_timestamp());
CREATE TABLE IF NOT EXISTS castle.heartbeat (
  singleton boolean PRIMARY KEY DEFAULT true CHECK (singleton),
  at timestamptz NOT NULL,
  lsn pg_lsn NOT NULL);
CREATE TABLE IF NOT EXISTS castle.fence (
  datname name PRIMARY KEY,
  connection_limit integer NOT NULL,
  read_only text,
  run text NOT NULL,
  at timestamptz NOT NULL DEFAULT clock_timestamp());
COMMIT;"""


def insert_marker(nonce: str, run: str, life: int) -> str:
    """Writes a marker in a transaction of its own; a second time it changes nothing."""
    values = f"{quote_literal(nonce)}, {quote_literal(run)}, {int(life)}"
    return f"INSERT INTO castle.marker (nonce, run, life) VALUES ({values}) ON CONFLICT (nonce) DO NOTHING;"


def find_markers(nonces: Iterable[str]) -> str:
    """Query: the list of those nonces that are there."""
    array = ", ".join(quote_literal(nonce) for nonce in nonces)
    return (
        "SELECT coalesce(jsonb_agg(nonce ORDER BY nonce), '[]') FROM castle.marker "
        f"WHERE nonce = ANY (ARRAY[{array}]::text[]);"
    )


def insert_life(life: int, castle_id: str) -> str:
    """Notes that this life began; a second time it changes nothing."""
    return (
        f"INSERT INTO castle.life (life, castle_id) VALUES ({int(life)}, {quote_literal(castle_id)}) "
        "ON CONFLICT (life) DO NOTHING;"
    )


# `{"life", "castle_id", "born"}` of the newest life, or null.
NEWEST_LIFE = """\
SELECT coalesce((SELECT jsonb_build_object('life', life, 'castle_id', castle_id, 'born', extract(epoch FROM born))
FROM castle.life ORDER BY life DESC LIMIT 1), 'null');"""

# One row, replaced every few seconds; its commit keeps even an idle database from seeming to lose hours.
BEAT = """\
INSERT INTO castle.heartbeat (singleton, at, lsn) VALUES (true, clock_timestamp(), pg_current_wal_insert_lsn())
ON CONFLICT (singleton) DO UPDATE SET at = excluded.at, lsn = excluded.lsn;"""

# The same from a session whose transactions see one state: it would be refused beside the heartbeat's own.
BEAT_BESIDE = f"BEGIN ISOLATION LEVEL READ COMMITTED;\n{BEAT}\nCOMMIT;"

# `{"at", "lsn"}` (Unix seconds, text) of the last beat, or null.
LAST_BEAT = """\
SELECT coalesce((SELECT jsonb_build_object('at', extract(epoch FROM at), 'lsn', lsn::text) FROM castle.heartbeat),
'null');"""
