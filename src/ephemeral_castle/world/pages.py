"""Keeps the maintenance page of a castle: outside of its machines, at the gateway of its network namespace."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
from pathlib import Path

from ephemeral_castle.errors import Permanent
from ephemeral_castle.spi.secret import Secret
from ephemeral_castle.spi.world import Clock, Enclosure, Exec
from ephemeral_castle.world.pidfile import ProcessMark

READY = 5.0  # seconds until it must answer
POLL = 0.01


class GatewayPage:
    """Implements `spi.pages.Pages`. The process outlives the runner; whatever ends the namespace ends it, too."""

    def __init__(self, exec_: Exec, clock: Clock, enclosure: Enclosure, runtime: Path) -> None:
        self._exec, self._clock, self._enclosure = exec_, clock, enclosure
        self._pid, self._until = runtime / "page.pid", runtime / "page.until"

    @property
    def address(self) -> str:
        """See `spi.pages.Pages`."""
        return self._enclosure.gateway

    async def show(self, castle: str, retry: int, chain: str, key: Secret | None) -> None:
        """See `spi.pages.Pages`."""
        await self._end()
        self._pid.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._until.unlink(missing_ok=True)
        secret = key.reveal() if key is not None else ""
        told = {"castle": castle, "retry": retry, "chain": chain if secret else "", "key": secret}
        command = [sys.executable, "-m", "ephemeral_castle.world.page", "--listen", self.address]
        command += ["--pid-file", str(self._pid), "--until", str(self._until), "--mark", "page"]
        result = await self._exec.run(self._enclosure.enter(command), stdin=json.dumps(told).encode(), timeout=15.0)
        if not result.ok:
            raise Permanent(
                "the maintenance page cannot be shown",
                where=f"{self.address}, ports 80 and 443, in {self._enclosure.name}",
                why=result.last_words(1),
            )
        deadline = self._clock.monotonic() + READY
        while not self.shown:
            if self._clock.monotonic() > deadline:
                raise Permanent("the maintenance page does not come up", why=f"no pid file after {READY:g} s")
            await self._clock.sleep(POLL)

    @property
    def shown(self) -> bool:
        """See `spi.pages.Pages`."""
        mark = ProcessMark.read(self._pid)
        return mark is not None and mark.alive

    @property
    def ending(self) -> bool:
        """See `spi.pages.Pages`."""
        return self.shown and self._until.exists()

    async def end(self, at: float) -> None:
        """See `spi.pages.Pages`."""
        if at <= self._clock.now():
            await self._end()
            return
        mark = ProcessMark.read(self._pid)
        if mark is not None and mark.alive:
            self._until.write_text(f"{at}\n")
            with contextlib.suppress(ProcessLookupError):
                os.kill(mark.pid, signal.SIGHUP)

    async def _end(self) -> None:
        mark = ProcessMark.read(self._pid)
        if mark is not None and mark.alive:
            await mark.end(self._clock)
        self._pid.unlink(missing_ok=True)
