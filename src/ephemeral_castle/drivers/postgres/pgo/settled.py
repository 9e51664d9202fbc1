"""Whether a raise would change anything of a database that the operator runs."""

from __future__ import annotations

import asyncio
import json

from ephemeral_castle.drivers.postgres.desk import Desk
from ephemeral_castle.drivers.postgres.glance import LIMIT, PATIENCE
from ephemeral_castle.drivers.postgres.pgo import passwords
from ephemeral_castle.drivers.postgres.pgo.guard import ADMISSION, MADE_FROM, POLICY
from ephemeral_castle.drivers.postgres.pgo.heartbeat import Heartbeat
from ephemeral_castle.drivers.postgres.pgo.part import Operated
from ephemeral_castle.drivers.postgres.pgo.vocabulary import NOT_PEOPLE
from ephemeral_castle.drivers.postgres.place import RUNNING
from ephemeral_castle.drivers.postgres.settled import ASK
from ephemeral_castle.errors import Transient
from ephemeral_castle.postgres import fence, roles, sql
from ephemeral_castle.spi.driver import Context
from ephemeral_castle.spi.kubernetes import Ref


async def settled(ctx: Context, desk: Desk) -> str:
    """Why it would, or ""; see `spi.driver.Settling`."""
    part = Operated(ctx, desk)
    for user in part.options.users:
        if await ctx.secrets.get(f"{part.layer}/user/{user}") is None:
            return f"the password of user `{user}` is still to be made"
    own = await part.operated().own()
    there, server, pooler, locked, changed = await asyncio.gather(
        ctx.world.images.present(part.layout.recipe), _server(part), part.place().state(pooler=True), _locked(part),
        passwords.others(part, own),
    )  # fmt: skip
    if not there:
        return "the image of PostgreSQL is not in the store"
    if pooler != RUNNING:
        return f"PgBouncer is {pooler}"
    if changed:
        return f"{', '.join(changed)}: another password"
    if not await Heartbeat(ctx, desk).made():
        return "its heartbeat is missing, or of another form"
    return server or locked


async def _locked(part: Operated) -> str:
    """The lock that a life was born behind holds on; any is of this castle, by its name."""
    name = f"castle-{part.ctx.record.id[:8]}-{part.layer}"
    found = await (await part.operated().own()).cluster.get(Ref(ADMISSION, POLICY, name))
    if found is None or MADE_FROM not in (found["metadata"].get("annotations") or {}):
        return f"the lock before it ({POLICY} {name}) is gone"
    return ""


async def _server(part: Operated) -> str:
    """Server, fence and users, in one way in."""
    known = [*part.options.users, *NOT_PEOPLE]
    questions = (sql.SESSION + LIMIT, fence.LIMITS, roles.login_state(known), part.layout.rests)
    state, result = await part.place().peek(ASK, part.layout.socket, *questions, timeout=PATIENCE)
    if state != RUNNING:
        return f"the database is {state}"
    rows = result.out.splitlines()
    if not result.ok or len(rows) != len(("limits", "logins", "rests")):
        raise Transient(f"database `{part.layer}` does not answer", why=result.last_words())
    if any(limit.fenced for limit in fence.parse_limits(rows[0])):
        return "the database is fenced"
    if rows[2] != "f":
        return "vacuum rests"
    logins = json.loads(rows[1])
    others = [user for user in (*logins["missing"], *logins["not_scram"]) if user in part.options.users]
    return f"{', '.join(others)}: no user, or no password" if others else ""
