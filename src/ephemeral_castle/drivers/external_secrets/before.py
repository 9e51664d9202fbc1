"""The pass in the standing cluster, ahead of a rebirth: would the next life be able to read its backups?"""

from __future__ import annotations

from ephemeral_castle.drivers.external_secrets.part import Part
from ephemeral_castle.errors import CastleError, Refused
from ephemeral_castle.model.step import Observation
from ephemeral_castle.spi.part import REACHED


class Before(Part):
    """The Secret that stands carries the pass with which castle proves the backups."""

    async def observe(self) -> Observation:
        """One look. A cluster that cannot be seen is no reason to stop: it may be what the rebirth is for.

        Raises:
            Refused: it carries another pass, and what comes from the store in the next life would, too.
            Permanent: castle has no pass to compare with.
        """
        cipher = self.options.cipher
        if cipher is None:
            return Observation(REACHED, "nothing to compare")
        await self.own(cipher.equals)
        try:
            cluster = await self.ctx.cluster(old=True)
            wrong = await self.cipher(cluster, cipher)
        except CastleError as error:
            return Observation(REACHED, f"not seen ({error.message}); it is compared in the new life")
        if not wrong:
            return Observation(REACHED, "it is the one that the proof uses", {"cipher": "equal"})
        if "is another one" not in wrong:
            self.ctx.diagnostic("warning", wrong)
            return Observation(REACHED, wrong)
        raise Refused(
            "the next life would get a pass that does not open the backups",
            where=f"Secret {cipher.secret} of the standing cluster, layer `{self.layer}`",
            why=wrong,
            state="nothing was changed",
            hints=[f"write the pass of `{cipher.equals}` into the store `{self.options.store}`", "castle rebirth"],
        )
