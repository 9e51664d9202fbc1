"""A first birth: roles, databases, castle's own tables, init SQL. Only here, never after a restore."""

from __future__ import annotations

from pathlib import Path

from ephemeral_castle.drivers.postgres.configuration import verifiers
from ephemeral_castle.drivers.postgres.part import Part
from ephemeral_castle.errors import Permanent
from ephemeral_castle.postgres import marker, roles, sql
from ephemeral_castle.postgres.exits import explain
from ephemeral_castle.postgres.sql import quote_ident


async def provision(part: Part) -> None:
    """Makes everything that the definition names; may be repeated until the marker tables are there (the last act).

    Raises:
        Permanent: the init SQL fails. Others: as pgBackRest says.
    """
    session = await part.session()
    existing = set(await session.json(sql.DATABASES))
    for user, verifier in (await verifiers(part, part.ctx.life)).items():
        state = await session.json(roles.login_state([user]))
        if user in state["missing"]:
            await session.ask(roles.create_login(user, verifier))
    for name, database in part.options.databases.items():
        if name not in existing:
            await session.ask(roles.create_database(name, database.owner))
        if database.init:
            await initialize(part, name, database.owner, database.init)
    await _stanza(part)
    await session.ask(marker.CREATE)
    await session.ask(marker.insert_life(part.ctx.life, part.ctx.record.id))


async def initialize(part: Part, name: str, owner: str, file: str) -> None:
    """Runs an init file once, as the owner; a comment on the database says that it was done. Raises Permanent."""
    path = Path(part.ctx.request.castle.path).parent / file
    text = path.read_text()
    session = await part.session(name)
    done = await session.value(
        "select coalesce(shobj_description(oid, 'pg_database'), '') from pg_database where datname = current_database()"
    )
    if done == INITIALIZED:
        return
    script = (
        f"\\set ON_ERROR_STOP 1\nbegin;\nset local role {quote_ident(owner)};\n{text}\n;\nreset role;\n"
        f"comment on database {quote_ident(name)} is '{INITIALIZED}';\ncommit;\n"
    )
    result = await part.place().run("psql", "-qAtX", "-h", part.layout.socket, "-U", "postgres", "-d", name,
                                    stdin=script.encode())  # fmt: skip
    if not result.ok or "ERROR" in result.err:
        raise Permanent(
            f"the init SQL of database `{name}` fails",
            where=str(path),
            why=result.last_words(),
            state="the database is empty; nothing else was changed",
            hints=[f"mend {file}", "castle resume"],
        )


INITIALIZED = "initialized by castle"


async def _stanza(part: Part) -> None:
    """The repositories learn of this cluster; `check` proves that a segment arrives."""
    for command in ("stanza-create", "check"):
        result = await part.place().run(*part.layout.backrest, command, timeout=120)
        if not result.ok:
            raise explain(result.code, result.err + result.out, command)
