"""Before anything: the image, the container for proofs, the standing database awake."""

from __future__ import annotations

from ephemeral_castle.drivers.postgres.configuration import pooler_files, reader_files, writer_files
from ephemeral_castle.drivers.postgres.image import POSTGRES
from ephemeral_castle.drivers.postgres.part import NOT_REACHED, REACHED, Part
from ephemeral_castle.errors import Unreachable
from ephemeral_castle.model.step import Observation

ABSENT = "absent"


class Image(Part):
    """The image that the database and proofs run in."""

    async def observe(self) -> Observation:
        """Whether the store of this computer has it."""
        there = await self.ctx.world.images.present(POSTGRES)
        return Observation(REACHED if there else NOT_REACHED, "" if there else "not built yet")

    async def act(self) -> Observation | None:
        """Builds it from Debian packages."""
        await self.ctx.world.images.build(POSTGRES, self.ctx.progress)
        return None


class OutsideUp(Part):
    """The container for proofs, with the reader's identity."""

    async def observe(self) -> Observation:
        """Whether it runs for this run."""
        return Observation(REACHED if await self.outside().running() else NOT_REACHED)

    async def act(self) -> Observation | None:
        """Starts it."""
        fresh = self.ctx.record.life == 0 and (self.ctx.request.new or self.ctx.request.adopt)
        await self.outside().start(await reader_files(self, create=fresh))
        return Observation(REACHED)


class Revive(Part):
    """A database whose machine stands is awake: sealing needs it. Nothing is started where nothing is."""

    async def observe(self) -> Observation:
        """Running, or not there at all."""
        if not self.facts_of_ground().get("volumes"):
            return Observation(REACHED, "no machine of the old life is here", {"presence": ABSENT})
        place = self.place(old=True)
        try:
            state = await place.state()
        except Unreachable as error:
            return Observation(NOT_REACHED, f"its machine does not answer: {error.why}")
        if state == "running":
            return Observation(REACHED, "running", {"presence": "present"})
        if state == ABSENT and not await place.volume_exists():
            return Observation(REACHED, "its machine has no data volume", {"presence": ABSENT})
        return Observation(NOT_REACHED, state)

    async def act(self) -> Observation | None:
        """Delivers the secrets again (memory forgets them) and starts both containers."""
        place = self.place(old=True)
        life = self.ctx.old_life
        await place.start(await writer_files(self, life), ["serve"])
        machine = await place.machine()
        await place.start_pooler(await pooler_files(self, machine.address))
        await self.session(old=True)
        return None
