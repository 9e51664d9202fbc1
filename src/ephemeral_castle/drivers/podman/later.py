"""A way into a machine that is looked for when it is first needed: the machine may still be to be made."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from ephemeral_castle.spi.world import Process, Result, Transport


class Later:
    """Implements `spi.world.Transport`. A way that was not found is looked for again the next time.

    Args:
        find: gives the way; raises Unreachable while there is none.
    """

    def __init__(self, find: Callable[[], Awaitable[Transport]]) -> None:
        self._find = find
        self._found: Transport | None = None
        self._finding = asyncio.Lock()

    async def _way(self) -> Transport:
        async with self._finding:
            if self._found is None:
                self._found = await self._find()
            return self._found

    async def run(self, argv: Sequence[str], *, stdin: bytes = b"", timeout: float = 60.0) -> Result:
        """Runs a command on the machine to its end."""
        return await (await self._way()).run(argv, stdin=stdin, timeout=timeout)

    async def spawn(self, argv: Sequence[str]) -> Process:
        """Starts a command on the machine and keeps standard input and output open."""
        return await (await self._way()).spawn(argv)

    async def close(self) -> None:
        """Ends the connection, if there is one."""
        if self._found is not None and hasattr(self._found, "close"):
            await self._found.close()
