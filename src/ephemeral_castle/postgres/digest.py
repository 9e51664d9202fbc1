"""Counts and digests of everything a database holds, to be equal before the wipe and after the return.

Per table `count(*)` and the sum of one 64-bit hash per row: exact, independent of the order of rows, one pass. A row
whose text form exceeds 1 GB cannot be hashed by PostgreSQL and makes the query fail.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from ephemeral_castle.postgres.sql import qualified

# Every setting that the text form of some type depends on; regclass and its kin depend on the search path.
SESSION = """\
SET search_path = pg_catalog;
SET datestyle = 'ISO, YMD';
SET timezone = 'UTC';
SET intervalstyle = 'postgres';
SET extra_float_digits = 1;
SET bytea_output = 'hex';
SET lc_monetary = 'C';
SET xmlbinary = 'base64';
SET quote_all_identifiers = off;
SET row_security = off;
SET statement_timeout = 0;
SET lock_timeout = 0;
SET jit = off;
SET max_parallel_workers_per_gather = 1;
SET default_transaction_isolation = 'repeatable read';
"""

_USER_SCHEMAS = "n.nspname NOT IN ('pg_catalog', 'information_schema', 'castle') AND n.nspname !~ '^pg_(toast|temp)'"

# Tables whose own rows are counted: plain tables, leaves of partitions, filled materialized views. The largest first,
# so that parallel sessions end together. Parents are read with ONLY, so no row is counted twice.
TABLES = f"""\
SELECT coalesce(jsonb_agg(jsonb_build_object('schema', n.nspname, 'name', c.relname,
  'bytes', pg_table_size(c.oid)) ORDER BY pg_table_size(c.oid) DESC, n.nspname, c.relname), '[]')
FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'm') AND c.relpersistence = 'p' AND c.relispopulated AND {_USER_SCHEMAS};"""

# What no backup can bring back, or what lies elsewhere: `{"schema", "name", "why"}`, to be named in the report.
EXCLUDED = f"""\
SELECT coalesce(jsonb_agg(jsonb_build_object('schema', n.nspname, 'name', c.relname, 'why', CASE
  WHEN c.relkind = 'f' THEN 'foreign table: its rows lie on another server'
  WHEN c.relpersistence = 'u' THEN 'unlogged: empty after every restore'
  ELSE 'materialized view without data' END) ORDER BY n.nspname, c.relname), '[]')
FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE (c.relkind = 'f' OR (c.relkind IN ('r', 'm', 'p') AND c.relpersistence = 'u')
  OR (c.relkind = 'm' AND NOT c.relispopulated)) AND {_USER_SCHEMAS};"""

# How many tables belong to users; 0 in a cluster fresh from initdb.
USER_TABLES = f"""\
SELECT count(*) FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'm', 'f') AND {_USER_SCHEMAS};"""


def table_digest(schema: str, name: str) -> str:
    """Query: `{"rows", "sum"}` as decimal texts. `t.*` is the row also where a column is called t."""
    return (
        "SELECT jsonb_build_object('rows', count(*)::text, "
        "'sum', coalesce(sum(hashtextextended((t.*)::text COLLATE \"C\", 0)), 0)::text) "
        f"FROM ONLY {qualified(schema, name)} AS t;"
    )


# The same over the pages of large objects, with empty objects counted too.
LARGE_OBJECTS = """\
SELECT jsonb_build_object('rows', (SELECT count(*)::text FROM pg_largeobject_metadata), 'sum', (
  SELECT coalesce(sum(hashtextextended(loid::text || ':' || pageno::text || ':' || encode(data, 'hex'), 0)), 0)::text
  FROM pg_largeobject));"""

# `{"schema", "name", "last", "step", "cache"}`; last is null before the first use.
SEQUENCES = f"""\
SELECT coalesce(jsonb_agg(jsonb_build_object('schema', n.nspname, 'name', c.relname,
  'last', pg_sequence_last_value(c.oid), 'step', s.seqincrement, 'cache', s.seqcache, 'cycle', s.seqcycle)
  ORDER BY n.nspname, c.relname), '[]')
FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace JOIN pg_sequence AS s ON s.seqrelid = c.oid
WHERE c.relpersistence = 'p' AND {_USER_SCHEMAS};"""

# Attributes and memberships, never verifiers. One line per role, to be compared as text.
ROLES = """\
SELECT coalesce(jsonb_agg(to_jsonb(x) ORDER BY x.name), '[]') FROM (
  SELECT r.rolname AS name, r.rolsuper AS superuser, r.rolinherit AS inherit, r.rolcreaterole AS create_role,
    r.rolcreatedb AS create_database, r.rolcanlogin AS login, r.rolreplication AS replication,
    r.rolbypassrls AS bypass_rls, r.rolconnlimit AS connection_limit,
    extract(epoch FROM r.rolvaliduntil) AS valid_until,
    coalesce((SELECT jsonb_agg(g.rolname ORDER BY g.rolname) FROM pg_auth_members AS m
      JOIN pg_roles AS g ON g.oid = m.roleid WHERE m.member = r.oid), '[]') AS member_of
  FROM pg_roles AS r WHERE r.rolname !~ '^pg_') AS x;"""

# Name to version, in the current database.
EXTENSIONS = "SELECT coalesce(jsonb_object_agg(extname, extversion), '{}') FROM pg_extension;"


@dataclass(frozen=True)
class TableDigest:
    """Number of rows and the sum of their hashes. `total` fits no machine word."""

    rows: int
    total: int

    @classmethod
    def parse(cls, line: str) -> TableDigest:
        """The answer of `table_digest` or `LARGE_OBJECTS`."""
        data = json.loads(line)
        return cls(int(data["rows"]), int(data["sum"]))

    def to_json(self) -> list[str]:
        """For the journal: decimal texts, since JSON numbers of this size do not survive every reader."""
        return [str(self.rows), str(self.total)]


Digest = Mapping[str, TableDigest]
"""By `table_key`."""

LARGE_OBJECTS_NAME = "(large objects)"


def table_key(database: str, schema: str, name: str) -> str:
    """How a table is named in a digest; quoted only where a dot in a name would make it ambiguous."""
    parts = [f'"{part}"' if "." in part else part for part in (database, schema, name)]
    return ".".join(parts)


def large_objects_key(database: str) -> str:
    """How the large objects of a database are named in a digest."""
    return table_key(database, LARGE_OBJECTS_NAME, "*").removesuffix(".*")


def digest_to_json(digest: Digest) -> dict[str, list[str]]:
    """For the journal; `digest_from_json` is its inverse."""
    return {key: value.to_json() for key, value in sorted(digest.items())}


def digest_from_json(data: Mapping[str, list[str]]) -> dict[str, TableDigest]:
    """From the journal."""
    return {key: TableDigest(int(rows), int(total)) for key, (rows, total) in data.items()}
