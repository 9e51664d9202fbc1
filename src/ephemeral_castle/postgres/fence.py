"""The fence: nobody but castle commits, in any database, until it is lifted.

A connection limit of 0 keeps everybody out but superusers; who is inside is ended; who is left or comes back is named.
`default_transaction_read_only` is only a second net, since a session may switch it off. What stood before is recorded
in `castle.fence`, which travels with the data, and is restored exactly.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ephemeral_castle.postgres.sql import quote_ident, quote_literal


@dataclass(frozen=True)
class DatabaseLimit:
    """What a database allowed before the fence.

    Attributes:
        name: database.
        connection_limit: -1 = no limit.
        read_only: its own value of `default_transaction_read_only`, None when it has none.
        fenced: a fence recorded these values already.
    """

    name: str
    connection_limit: int
    read_only: str | None
    fenced: bool = False

    def to_json(self) -> dict[str, Any]:
        """For the journal; `from_json` is its inverse."""
        return {
            "name": self.name,
            "limit": self.connection_limit,
            "read_only": self.read_only,
            "fenced": self.fenced,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> DatabaseLimit:
        """From the journal, or from one element of the answer of `LIMITS`."""
        return cls(str(data["name"]), int(data["limit"]), data["read_only"], bool(data.get("fenced", False)))


def parse_limits(line: str) -> tuple[DatabaseLimit, ...]:
    """The answer of `LIMITS`."""
    return tuple(DatabaseLimit.from_json(item) for item in json.loads(line))


# Every database one can connect to, template1 too: the recorded values where a fence stands already (a second fence
# must not take the first one's zero for the user's wish). -2 marks a database whose DROP was interrupted.
LIMITS = """\
SELECT coalesce(jsonb_agg(jsonb_build_object(
  'name', d.datname,
  'limit', CASE WHEN f.datname IS NULL THEN d.datconnlimit ELSE f.connection_limit END,
  'read_only', CASE WHEN f.datname IS NULL THEN s.value ELSE f.read_only END,
  'fenced', f.datname IS NOT NULL) ORDER BY d.datname), '[]')
FROM pg_database AS d
LEFT JOIN castle.fence AS f ON f.datname = d.datname
LEFT JOIN LATERAL (
  SELECT substr(o.option, length('default_transaction_read_only=') + 1) AS value
  FROM pg_db_role_setting AS r, unnest(r.setconfig) AS o (option)
  WHERE r.setdatabase = d.oid AND r.setrole = 0
    AND starts_with(o.option, 'default_transaction_read_only=')) AS s ON true
WHERE d.datallowconn AND d.datconnlimit <> -2;"""


def fence(limits: Iterable[DatabaseLimit], run: str, *, read_only: bool = True) -> str:
    """Records the values and closes every database, in one transaction; may be repeated.

    Args:
        limits: the answer of `LIMITS`.
        run: id of the run.
        read_only: with the second net. It comes back with the data, and an operator could set no password then.
    """
    lines = ["BEGIN;"]
    for limit in limits:
        before = "NULL" if limit.read_only is None else quote_literal(limit.read_only)
        values = f"{quote_literal(limit.name)}, {int(limit.connection_limit)}, {before}, {quote_literal(run)}"
        lines += [
            (
                "INSERT INTO castle.fence (datname, connection_limit, read_only, run) "
                f"VALUES ({values}) ON CONFLICT (datname) DO NOTHING;"
            ),
            f"ALTER DATABASE {quote_ident(limit.name)} CONNECTION LIMIT 0;",
        ]
        if read_only:
            lines.append(f"ALTER DATABASE {quote_ident(limit.name)} SET default_transaction_read_only = on;")
    return "\n".join([*lines, "COMMIT;"])


def fence_whole(run: str) -> str:
    r"""The same by one script, for a server that nobody but this script can reach; may be repeated.

    For `psql -f`: it makes the statements there (`\gexec`). Castle's tables must be there.

    Args:
        run: id of the run.
    """
    return f"""\
BEGIN;
INSERT INTO castle.fence (datname, connection_limit, read_only, run)
SELECT item ->> 'name', (item ->> 'limit')::integer, item ->> 'read_only', {quote_literal(run)}
FROM ({LIMITS.rstrip(";")}) AS l (list), jsonb_array_elements(l.list) AS item
ON CONFLICT (datname) DO NOTHING;
SELECT format('ALTER DATABASE %I CONNECTION LIMIT 0', datname)
FROM castle.fence JOIN pg_database USING (datname) \\gexec
SELECT format('ALTER DATABASE %I SET default_transaction_read_only = on', datname)
FROM castle.fence JOIN pg_database USING (datname) \\gexec
COMMIT;"""


def lift(limits: Iterable[DatabaseLimit]) -> str:
    """Restores exactly the recorded values and forgets the record, in one transaction; may be repeated.

    Args:
        limits: what was recorded before the fence, from the journal or from `LIMITS`.
    """
    lines = ["BEGIN;"]
    for limit in limits:
        name = quote_ident(limit.name)
        lines.append(f"ALTER DATABASE {name} CONNECTION LIMIT {int(limit.connection_limit)};")
        if limit.read_only is None:
            lines.append(f"ALTER DATABASE {name} RESET default_transaction_read_only;")
        else:
            lines.append(f"ALTER DATABASE {name} SET default_transaction_read_only = {quote_literal(limit.read_only)};")
    return "\n".join([*lines, "DELETE FROM castle.fence;", "COMMIT;"])


def _pids(ours: Sequence[int]) -> str:
    return f"ARRAY[{', '.join(str(int(pid)) for pid in ours)}]::integer[]"


# Server processes that never commit a user's change. Everything else (clients, logical replication workers, workers
# of extensions) can.
_HARMLESS = (
    "'autovacuum launcher', 'autovacuum worker', 'logical replication launcher', 'background writer', 'checkpointer', "
    "'startup', 'walreceiver', 'walsender', 'walwriter', 'archiver', 'logger', 'slotsync worker', 'io worker'"
)


def _writers(ours: Sequence[int], agents: Sequence[str]) -> str:
    return (
        # A parallel worker is its leader's hand: those of our own digest are ours.
        f"a.pid <> pg_backend_pid() AND coalesce(a.leader_pid, a.pid) <> ALL ({_pids(ours)}) "
        f"AND coalesce(a.backend_type, '') NOT IN ({_HARMLESS}) "
        f"{_but(agents)}"
    )


def _but(agents: Sequence[str]) -> str:
    if not agents:
        return ""
    names = ", ".join(quote_literal(each) for each in agents)
    known = f"a.client_addr IS NULL AND a.usename = 'postgres' AND a.application_name IN ({names})"
    return f"AND NOT coalesce({known}, false)"  # a worker has neither name nor user, and is no agent


def terminate(ours: Sequence[int] = (), agents: Sequence[str] = ()) -> str:
    """Query: ends every session that could write; gives how many were told to.

    Args:
        ours: process ids of castle's own other sessions.
        agents: application names of those who only look, as superuser over the local socket: whoever keeps the server
            running. One of them that writes takes a transaction id, which the mark finds.
    """
    return f"SELECT count(pg_terminate_backend(a.pid)) FROM pg_stat_activity AS a WHERE {_writers(ours, agents)};"


def starting_sessions(ours: Sequence[int] = ()) -> str:
    """Query: how many sessions are starting right now; ask it before `writers`.

    A session checks the connection limit before it appears in pg_stat_activity, but holds a lock on its database from
    before the check until it appears. So none here, and then nobody in `writers`, proves that nobody slipped through.
    """
    return (
        "SELECT count(*) FROM pg_locks WHERE locktype = 'object' AND classid = 'pg_database'::regclass "
        f"AND pid <> pg_backend_pid() AND pid <> ALL ({_pids(ours)});"
    )


def writers(ours: Sequence[int] = (), agents: Sequence[str] = ()) -> str:
    """Query: a list of `{"pid", "user", "database", "application", "address", "kind", "superuser"}`.

    Args:
        ours: process ids of castle's own other sessions.
        agents: application names of those who only look, as for `terminate`.
    """
    return f"""\
SELECT coalesce(jsonb_agg(jsonb_build_object(
  'pid', a.pid, 'user', a.usename, 'database', a.datname, 'application', a.application_name,
  'address', a.client_addr, 'kind', a.backend_type, 'superuser', coalesce(r.rolsuper, false)) ORDER BY a.pid), '[]')
FROM pg_stat_activity AS a LEFT JOIN pg_roles AS r ON r.oid = a.usesysid
WHERE {_writers(ours, agents)};"""


# Databases that let ordinary users in: must be empty behind a fence (one may have been created meanwhile).
OPEN_DATABASES = """\
SELECT coalesce(jsonb_agg(datname ORDER BY datname), '[]') FROM pg_database
WHERE datallowconn AND datconnlimit NOT IN (0, -2);"""

# `{"gid", "database", "owner", "prepared_at"}`: could be committed at any time, so they do not pass a fence.
PREPARED_TRANSACTIONS = """\
SELECT coalesce(jsonb_agg(jsonb_build_object('gid', gid, 'database', database, 'owner', owner,
  'prepared_at', extract(epoch FROM prepared)) ORDER BY gid), '[]') FROM pg_prepared_xacts;"""


@dataclass(frozen=True)
class Writer:
    """A session that could still write."""

    pid: int
    user: str | None
    database: str | None
    application: str
    address: str | None
    kind: str
    superuser: bool

    def __str__(self) -> str:
        who = f"{self.user or self.kind}@{self.database or '-'}"
        named = f" ({self.application})" if self.application else ""
        return f"{who}{named} from {self.address or 'the local socket'}, pid {self.pid}"


def parse_writers(line: str) -> tuple[Writer, ...]:
    """The answer of `writers`."""
    return tuple(
        Writer(
            pid=int(item["pid"]),
            user=item["user"],
            database=item["database"],
            application=item["application"] or "",
            address=item["address"],
            kind=item["kind"] or "",
            superuser=bool(item["superuser"]),
        )
        for item in json.loads(line)
    )


def breach(
    starting: int, left: Sequence[Writer], open_databases: Sequence[str], prepared: Sequence[Mapping[str, Any]]
) -> str | None:
    """Why the fence does not hold yet, or None when it does.

    Args:
        starting: the answer of `starting_sessions`, asked first.
        left: the answer of `writers`, asked after it.
        open_databases: the answer of `OPEN_DATABASES`.
        prepared: the answer of `PREPARED_TRANSACTIONS`.
    """
    if open_databases:
        return f"databases without a fence: {', '.join(open_databases)}"
    if prepared:
        names = ", ".join(f"{item['gid']!r} in {item['database']}" for item in prepared)
        return f"prepared transactions can still be committed: {names}"
    superusers = [writer for writer in left if writer.superuser]
    if superusers:
        return f"superusers pass the fence: {'; '.join(map(str, superusers))}"
    if left:
        return f"sessions are still there: {'; '.join(map(str, left))}"
    if starting:
        return f"{starting} sessions are just starting"
    return None
