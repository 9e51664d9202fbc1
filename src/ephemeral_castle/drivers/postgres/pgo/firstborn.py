"""A first birth in the operator's server: owners, init SQL, castle's own tables. Only here, never after a restore."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ephemeral_castle.drivers.postgres.birth import initialize
from ephemeral_castle.drivers.postgres.pgo import seen
from ephemeral_castle.errors import Unreachable
from ephemeral_castle.postgres import marker, sql
from ephemeral_castle.postgres.exits import explain
from ephemeral_castle.postgres.sql import quote_ident

if TYPE_CHECKING:
    from ephemeral_castle.drivers.postgres.pgo.part import Operated

PATIENCE = 180.0  # seconds for the operator's first pass over a server that runs
POLL = 0.5


async def provision(part: Operated) -> None:
    """Makes what the operator does not; may be repeated until the marker tables are there (the last act).

    Raises:
        Permanent: the init SQL fails. Unreachable: the operator does not get on. Others: as pgBackRest says.
    """
    session = await part.session()
    await _made(part)
    for name, database in part.options.databases.items():
        await session.ask(f"alter database {quote_ident(name)} owner to {quote_ident(database.owner)}")
        if database.init:
            await initialize(part, name, database.owner, database.init)
    result = await part.place().run(*part.layout.backrest, "check", timeout=120)
    if not result.ok:
        raise explain(result.code, result.err + result.out, "check")
    await session.ask(marker.CREATE)
    await session.ask(marker.insert_life(part.ctx.life, part.ctx.record.id))


async def _made(part: Operated) -> None:
    """The operator has made databases and users, and the repository knows the server."""
    session, clock = await part.session(), part.ctx.world.clock
    end = clock.monotonic() + PATIENCE
    while True:
        there = set(await session.json(sql.DATABASES))
        roles = set(await session.json("select coalesce(jsonb_agg(rolname), '[]') from pg_roles where rolcanlogin"))
        missing = [*(set(part.options.databases) - there), *(set(part.options.users) - roles)]
        if not missing and seen.stanza(await part.operated().cluster()):
            return
        if clock.monotonic() > end:
            why = f"still missing: {', '.join(sorted(missing))}" if missing else "its repository has no stanza yet"
            raise Unreachable(
                f"the operator does not get on with database `{part.layer}`",
                where=str(part.operated().ref),
                why=why,
                hints=["kubectl -n postgres-operator logs deployment/pgo", "castle resume"],
            )
        await clock.sleep(POLL)
