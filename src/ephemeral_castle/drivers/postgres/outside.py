"""A container outside the machines with the castle's own pgBackRest: `info`, reading back, proofs."""

from __future__ import annotations

from collections.abc import Sequence

from ephemeral_castle.drivers.postgres.image import UID
from ephemeral_castle.drivers.postgres.layout import layout_of
from ephemeral_castle.spi import outside
from ephemeral_castle.spi.world import Recipe, Result


class Outside(outside.Outside):
    """The throw-away container of one layer."""

    OWNER = UID

    def image(self) -> Recipe:
        """As the treasury's data want it."""
        return layout_of(self.ctx).recipe

    def options(self) -> Sequence[str]:
        """It runs as PostgreSQL's user, who also reads its configuration."""
        return ("--user", "postgres", "--tmpfs", f"{self.HERE}:mode=1777")

    async def job(self, name: str, *argv: str, timeout: float) -> Result:
        """A long command in the container, once per run."""
        return await self.once(name, argv, timeout=timeout)

    async def pgbackrest(self, *args: str, timeout: float = 120.0) -> Result:
        """PgBackRest with the reader's configuration."""
        return await self.run(*layout_of(self.ctx).outside, *args, timeout=timeout)
