"""Before anything: the image, and the container for proofs."""

from __future__ import annotations

from ephemeral_castle.drivers.restic import access
from ephemeral_castle.drivers.restic.image import RESTIC
from ephemeral_castle.drivers.restic.outside import DISK
from ephemeral_castle.drivers.restic.part import Part
from ephemeral_castle.drivers.restic.survey import identity_of
from ephemeral_castle.model.step import Observation
from ephemeral_castle.spi.cold import drop, see_dropped
from ephemeral_castle.spi.part import NOT_REACHED, REACHED


class Image(Part):
    """The image that restic runs in."""

    async def observe(self) -> Observation:
        """Whether the store of this computer has it."""
        there = await self.ctx.world.images.present(RESTIC)
        return Observation(REACHED if there else NOT_REACHED, "" if there else "not built yet")

    async def act(self) -> Observation | None:
        """Builds it from Debian packages."""
        await self.ctx.world.images.build(RESTIC, self.ctx.progress)
        return None


class Cold(Part):
    """With `--cold` the image is dropped; the container for proofs stands on it, so it goes first."""

    async def observe(self) -> Observation:
        """Whether the store has it no more."""
        return await see_dropped(self.ctx, RESTIC)

    async def act(self) -> Observation | None:
        """Drops it."""
        await self.outside().remove()
        return await drop(self.ctx, RESTIC)


class OutsideUp(Part):
    """The container for proofs, with the reader's identity."""

    async def observe(self) -> Observation:
        """Whether it runs for this run."""
        return Observation(REACHED if await self.outside().running() else NOT_REACHED)

    async def act(self) -> Observation | None:
        """Starts it. A password is made only where nobody can have used one before."""
        fresh = not self.lineage.get("repository") and await identity_of(self) is None
        await self.outside().start(await access.files(self.ctx, "reader", self.ctx.life, create=fresh, disk=DISK))
        return Observation(REACHED)
