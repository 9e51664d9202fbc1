"""The store is there, and its provider was really asked."""

from __future__ import annotations

from ephemeral_castle.drivers.external_secrets.asking import Asking
from ephemeral_castle.drivers.external_secrets.part import Part
from ephemeral_castle.errors import Permanent
from ephemeral_castle.manifests import ready as rules
from ephemeral_castle.manifests.readiness import Readiness, Stage, condition, waiting
from ephemeral_castle.model.step import Observation
from ephemeral_castle.spi.kubernetes import Manifest
from ephemeral_castle.spi.part import NOT_REACHED, REACHED

UNKNOWN = "ValidationUnknown"


def judge(manifest: Manifest | None) -> Readiness:
    """Ready only when its provider said so: True with another reason than Valid means that nobody was asked."""
    said = rules.judge(manifest)
    if manifest is None or said.stage is not Stage.READY:
        return said
    reason = condition(manifest, "Ready").get("reason")
    return said if reason == "Valid" else waiting(f"Ready=True ({reason}): it was not validated")


def unasked(manifest: Manifest | None) -> bool:
    """Whether it says Ready, and nobody was asked."""
    return manifest is not None and condition(manifest, "Ready").get("reason") == UNKNOWN


class Ready(Part):
    """The store can be used."""

    async def observe(self) -> Observation:
        """One look."""
        cluster = await self.ctx.cluster()
        found = await cluster.get(self.store)
        said = judge(found)
        if found is None or said.stage is not Stage.READY:
            return Observation(NOT_REACHED, said.why)
        return Observation(REACHED, "it is valid", {"store": self.options.store}, renews=True)

    async def act(self) -> Observation | None:
        """Waits for it, and asks the operator to look again.

        Raises:
            Permanent: it does not come, its provider cannot be used, or cannot be validated.
        """
        cluster = await self.ctx.cluster()
        asking = Asking(self, cluster, self.store, self.ctx.world.clock.monotonic() + self.options.wait)
        await asking.exists()
        await asking.ask()
        try:
            await asking.wait(judge)
        except Permanent as error:
            if unasked(await cluster.get(self.store)):
                raise asking.failed(f"{error.why}; name its login so that it can be tried without a secret") from None
            raise
        return await self.observe()
