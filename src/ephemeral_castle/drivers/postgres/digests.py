"""Rows and digest of every table of every database, in two sessions at once."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from ephemeral_castle.drivers.postgres.part import Part
from ephemeral_castle.drivers.postgres.session import Session
from ephemeral_castle.postgres import digest, sql
from ephemeral_castle.postgres.digest import TableDigest, digest_to_json, large_objects_key, table_key

SESSIONS = ("a", "b")
HOUR = 3600.0


async def open_sessions(part: Part, *, old: bool, databases: Sequence[str] | None = None) -> list[str]:
    """Opens the sessions that fence, digest and mark need, so that they cost nothing behind the fence.

    Args:
        part: whose.
        old: with the life that this run ends.
        databases: which are known to be there; the server is asked when None.
    """
    if databases is None:
        databases = await (await part.session(old=old)).json(sql.DATABASES)
    wanted = [(db, name) for db in databases if db != "postgres" for name in SESSIONS]
    await asyncio.gather(part.session(name="c", old=old), *(part.session(db, name, old=old) for db, name in wanted))
    return list(databases)


async def take(part: Part, *, old: bool) -> dict[str, Any]:
    """{"tables": {name: [rows, sum]}, "rows": total, "others": {...}, "excluded": [{"name", "why"}]}."""
    databases = await open_sessions(part, old=old)
    tables: dict[str, TableDigest] = {}
    result: dict[str, Any] = {"others": {}, "excluded": []}
    for database in databases:
        names = SESSIONS if database != "postgres" else ("a",)
        sessions = [await part.session(database, name, old=old) for name in names]
        await _database(database, sessions, tables, result)
    result["tables"] = digest_to_json(tables)
    result["rows"] = sum(found.rows for found in tables.values())
    return result


async def _database(
    database: str, sessions: list[Session], tables: dict[str, TableDigest], result: dict[str, Any]
) -> None:
    queue = await sessions[0].json(digest.TABLES)  # largest first

    async def work(session: Session) -> None:
        while queue:
            table = queue.pop(0)
            line = await session.value(digest.table_digest(table["schema"], table["name"]), timeout=HOUR)
            tables[table_key(database, table["schema"], table["name"])] = TableDigest.parse(line)

    await asyncio.gather(*(work(session) for session in sessions))
    first = sessions[0]
    large = TableDigest.parse(await first.value(digest.LARGE_OBJECTS, timeout=HOUR))
    if large.rows:
        tables[large_objects_key(database)] = large
    for item in await first.json(digest.EXCLUDED):
        name = table_key(database, item["schema"], item["name"])
        result["excluded"].append({"name": name, "why": item["why"]})
    result["others"][f"{database}: sequences"] = await first.json(digest.SEQUENCES)
    result["others"][f"{database}: extensions"] = await first.json(digest.EXTENSIONS)
    if database == "postgres":
        result["others"]["roles"] = await first.json(digest.ROLES)
