"""What came back is read: every row of every table, and how old the newest is."""

from __future__ import annotations

import json
from typing import Any

from ephemeral_castle.drivers.pgbackrest import scripts
from ephemeral_castle.drivers.pgbackrest.living import STANZA, Living
from ephemeral_castle.drivers.pgbackrest.objects import POD, SERVER
from ephemeral_castle.drivers.pgbackrest.part import Part
from ephemeral_castle.errors import Permanent, Transient
from ephemeral_castle.model.step import Observation
from ephemeral_castle.postgres import digest
from ephemeral_castle.postgres.digest import TableDigest, table_key
from ephemeral_castle.postgres.pgbackrest import parse_info
from ephemeral_castle.spi.part import REACHED
from ephemeral_castle.spi.world import Result

ANSWER = 20.0  # seconds for one short question
PAUSE = 0.5  # seconds between looks while the log is replayed
RECOVERY = "SELECT pg_is_in_recovery();"
IDENTITY = """\
SELECT jsonb_build_object(
  'system_id', (SELECT system_identifier::text FROM pg_control_system()),
  'as_of', extract(epoch FROM pg_last_xact_replay_timestamp()),
  'timeline', (SELECT timeline_id FROM pg_control_checkpoint()),
  'archiving', current_setting('archive_mode'),
  'databases', (SELECT jsonb_agg(datname ORDER BY datname) FROM pg_database WHERE datallowconn AND NOT datistemplate));
"""


class Read(Part):
    """The copy is the living database's own history, and can be read to its last row."""

    async def act(self) -> Observation | None:
        """Reads all of it.

        Raises:
            Permanent: it is another database, or cannot be read. Transient: it does not answer in time.
        """
        known = await self.living()
        await self._replayed(known)
        said = json.loads(await self._ask(known, "postgres", IDENTITY))
        self._is_it(known, said)
        label = await self._label(known)
        tables: dict[str, TableDigest] = {}
        left_out: list[Any] = []
        for name in said["databases"]:
            await self._database(known, name, tables, left_out)
        return self._proven(said, label, tables, left_out)

    async def _replayed(self, known: Living) -> None:
        """Until the end of the archive: before that the server lets nobody in."""
        clock = self.ctx.world.clock
        end, why = clock.monotonic() + self.options.wait, ""
        while clock.monotonic() < end:
            result = await self._run(known, "postgres", RECOVERY, ANSWER)
            if result.ok and result.out.strip() == "f":
                return
            why = result.last_words() or "it replays"
            self.ctx.progress(f"replaying the archive: {why}")
            await clock.sleep(PAUSE)
        raise Transient(f"the copy of `{self.layer}` does not answer", why=why, where=f"namespace {self.space.name}")

    def _is_it(self, known: Living, said: dict[str, Any]) -> None:
        if known.system_id and said["system_id"] != known.system_id:
            raise Permanent(
                "what came back is another database",
                where=known.where,
                why=f"the newest backup is of system {said['system_id']}, and the living one is {known.system_id}",
                state="the living database was not touched; a return after a total loss would bring the other one back",
                hints=["make a full backup of the living database", "castle drill"],
            )
        if said["archiving"] != "off":
            raise Permanent(
                "the copy would archive", why=f"archive_mode is {said['archiving']}", hints=["castle drill"]
            )

    async def _label(self, known: Living) -> str:
        """The newest backup of the repository."""
        cluster = await self.cluster()
        result = await cluster.run(self.space.name, POD, scripts.info(known), container=SERVER, timeout=120)
        if not result.ok:
            raise Transient("pgBackRest does not list its backups", why=result.last_words(), where=known.where)
        newest = parse_info(result.out, STANZA).newest()
        if newest is None:
            raise Permanent("the repository names no backup", where=known.where, hints=["castle drill"])
        return newest.label

    async def _database(self, known: Living, name: str, tables: dict[str, TableDigest], left_out: list[Any]) -> None:
        listed = json.loads(await self._ask(known, name, digest.TABLES))
        left_out += [{"database": name, **each} for each in json.loads(await self._ask(known, name, digest.EXCLUDED))]
        for number, each in enumerate(listed, 1):
            self.ctx.progress(f"reading {name}: table {number} of {len(listed)}", done=number, total=len(listed))
            question = digest.table_digest(each["schema"], each["name"])
            said = await self._ask(known, name, question, timeout=self.options.wait)
            tables[table_key(name, each["schema"], each["name"])] = TableDigest.parse(said)

    async def _ask(self, known: Living, database: str, question: str, *, timeout: float = ANSWER) -> str:
        result = await self._run(known, database, digest.SESSION + question, timeout)
        if result.ok:
            return result.out.strip().splitlines()[-1]
        raise Permanent(
            f"the copy of `{self.layer}` cannot be read",
            where=f"database {database} in namespace {self.space.name}",
            why=result.last_words(),
            state="the living database was not touched",
            hints=["castle logs", "castle drill --keep"],
        )

    async def _run(self, known: Living, database: str, question: str, timeout: float) -> Result:
        cluster = await self.cluster()
        argv = scripts.ask(known, database)
        return await cluster.run(self.space.name, POD, argv, container=SERVER, stdin=question.encode(), timeout=timeout)

    def _proven(
        self, said: dict[str, Any], label: str, tables: dict[str, TableDigest], left_out: list[Any]
    ) -> Observation:
        rows = sum(each.rows for each in tables.values())
        now = self.ctx.world.clock.now()
        as_of = said["as_of"]
        age = f", newest commit {now - as_of:.0f} s old" if as_of is not None else ""
        proof = {"label": label, "at": now, "run": self.ctx.run, "by": "drill"}
        facts = {
            "label": label, "tables": len(tables), "rows": rows, "as_of": as_of, "system_id": said["system_id"],
            "timeline": said["timeline"], "databases": said["databases"], "left_out": left_out,
            "digest": digest.digest_to_json(tables), f"sealed:{self.layer}": {"proof": proof},
        }  # fmt: skip
        return Observation(REACHED, f"{label}: {len(tables)} tables, {rows} rows{age}", facts)
