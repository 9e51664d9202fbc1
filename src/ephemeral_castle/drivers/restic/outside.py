"""A container outside the machines with restic: what is in the repository, reading back, proofs, forgetting."""

from __future__ import annotations

from collections.abc import Sequence

from ephemeral_castle.drivers.restic.access import GRACE, HERE, host_of, script
from ephemeral_castle.drivers.restic.image import RESTIC
from ephemeral_castle.spi import outside
from ephemeral_castle.spi.world import Recipe, Result

DISK = "/proof"


class Outside(outside.Outside):
    """The throw-away container of one layer."""

    HERE = HERE

    def image(self) -> Recipe:
        """Restic, and what reads and writes volumes beside it."""
        return RESTIC

    def options(self) -> Sequence[str]:
        """Restic writes the host name into what it makes."""
        return ("--hostname", host_of(self.ctx, self.ctx.life), "--tmpfs", f"{self.HERE}:mode=0700")

    async def work(self, verb: str, *args: str, timeout: float = 300.0) -> Result:
        """A short command of the script; restic is ended after `timeout` seconds."""
        return await self.run(*script(verb, args, timeout), timeout=timeout + GRACE)

    async def job(self, name: str, verb: str, *args: str, timeout: float) -> Result:
        """A long command of the script, once per run."""
        command = script(verb, args, timeout)
        return await self.once(f"{self.ctx.layer.id}-{name}", command, timeout=timeout + GRACE)
