"""One psql that stays open: every statement is a line, every answer ends with a sentinel."""

from __future__ import annotations

import asyncio
import json
import re
from typing import Any

from ephemeral_castle.errors import Permanent, Unreachable
from ephemeral_castle.postgres import digest, sql
from ephemeral_castle.spi.world import Process

OPENING = 3600.0  # seconds: a session may be opened while a restore still runs, and waits inside

SQLSTATE = re.compile(r"ERROR:\s+(\w{5}):\s*(.*)")


class Session:
    """A line-by-line conversation with psql. Not for two tasks at once: `ask` takes turns by a lock."""

    def __init__(self, process: Process, name: str) -> None:
        self.process = process
        self.name = name
        self._turn = asyncio.Lock()
        self._count = 0
        self.alive = True
        self.pid = 0

    async def begin(self) -> None:
        """Settings that do not depend on what came back with the data; the server's process id."""
        await self.ask(sql.SESSION + digest.SESSION, timeout=OPENING)
        self.pid = int(await self.value("select pg_backend_pid()"))

    async def json(self, query: str, *, timeout: float = 60.0) -> Any:
        """The one line of a query, decoded."""
        return json.loads(await self.value(query, timeout=timeout))

    async def ask(self, text: str, *, timeout: float = 60.0) -> list[str]:
        """Runs statements, gives the rows (columns joined by `|`).

        Raises:
            Unreachable: the session is gone or did not answer within `timeout` seconds.
            Permanent: the server refused a statement.
        """
        async with self._turn:
            self._count += 1
            end = f"__castle_{self._count}__"
            try:
                await self.process.write(f"{text.rstrip().rstrip(';')}\n;\n\\echo {end}\n")
                return await self._until(end, timeout)
            except BaseException:
                self.alive = False  # out of step: whoever comes next opens another
                raise

    async def _until(self, end: str, timeout: float) -> list[str]:
        rows: list[str] = []
        while True:
            line = await self.process.read_line(timeout)
            if line is None:
                raise await self._gone()
            if line == end:
                return rows
            rows.append(line)

    async def value(self, text: str, *, timeout: float = 60.0) -> str:
        """The single value of a query; "" when there is no row."""
        rows = await self.ask(text, timeout=timeout)
        return rows[0] if rows else ""

    async def _gone(self) -> Permanent | Unreachable:
        self.alive = False
        await self.process.close()
        words = self.process.errors
        match = SQLSTATE.search(words)
        if match:
            return Permanent(f"the database refused a statement: {match[2]}", where=self.name, why=words)
        return Unreachable(f"the session with {self.name} ended", why=words or "no last words")

    async def close(self) -> None:
        """Ends it."""
        self.alive = False
        await self.process.close()
