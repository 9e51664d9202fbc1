"""Whether a raise would change anything of a database."""

from __future__ import annotations

import asyncio
import hashlib
import json
from typing import Any

from ephemeral_castle.drivers.postgres.configuration import verifiers
from ephemeral_castle.drivers.postgres.desk import Desk
from ephemeral_castle.drivers.postgres.glance import LIMIT, PATIENCE
from ephemeral_castle.drivers.postgres.part import Part
from ephemeral_castle.drivers.postgres.place import RUNNING
from ephemeral_castle.errors import Transient
from ephemeral_castle.postgres import fence, sql
from ephemeral_castle.spi.driver import Context

# Of a verifier only a digest leaves the server.
LOGINS = """\
select coalesce(jsonb_object_agg(rolname, encode(sha256(rolpassword::bytea), 'hex')), '{}')
  from pg_authid where rolcanlogin and rolpassword is not null;"""
ASK = """\
exec env PGCONNECT_TIMEOUT=10 psql -qAtX -v ON_ERROR_STOP=1 -h "$1" -U postgres -d postgres \\
  -c "$2" -c "$3" -c "$4" -c "$5"
"""


async def settled(ctx: Context, desk: Desk) -> str:
    """Why it would, or ""; see `spi.driver.Settling`."""
    part = Part(ctx, desk)
    for user in part.options.users:
        if await ctx.secrets.get(f"{part.layer}/user/{user}") is None:
            return f"the password of user `{user}` is still to be made"
    there, server, pooler = await asyncio.gather(
        ctx.world.images.present(part.layout.recipe), _server(part), part.place().state(pooler=True)
    )
    if not there:
        return "the image of PostgreSQL is not in the store"
    if pooler != RUNNING:
        return f"PgBouncer is {pooler}"
    return server


async def _server(part: Part) -> str:
    """Container, fence, heartbeat and users, in one way in."""
    questions = (sql.SESSION + LIMIT, fence.LIMITS, LOGINS, part.layout.rests)
    wanted, (state, result) = await asyncio.gather(
        verifiers(part, part.ctx.life), part.place().peek(ASK, part.layout.socket, *questions, timeout=PATIENCE)
    )
    if state != RUNNING:
        return f"the database is {state}"
    rows = result.out.splitlines()
    if not result.ok or len(rows) != len(("limits", "logins", "rests")):
        raise Transient(f"database `{part.layer}` does not answer", why=result.last_words())
    return _judge(rows, wanted)


def _judge(rows: list[str], wanted: dict[str, str]) -> str:
    logins: dict[str, Any] = json.loads(rows[1])
    if any(limit.fenced for limit in fence.parse_limits(rows[0])):
        return "the database is fenced"
    if rows[2] != "f":
        return "the heartbeat rests"
    others = [user for user, text in wanted.items() if logins.get(user) != hashlib.sha256(text.encode()).hexdigest()]
    return f"{', '.join(others)}: another password, or no user" if others else ""
