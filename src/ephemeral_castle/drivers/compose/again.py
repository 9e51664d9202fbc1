"""After a restore in place: the services that were stopped for it run again."""

from __future__ import annotations

from ephemeral_castle.drivers.compose import errand
from ephemeral_castle.drivers.compose.still import Still
from ephemeral_castle.model.step import Observation
from ephemeral_castle.spi.part import NOT_REACHED, REACHED


class Again(Still):
    """On one machine, what `still` stopped is started and well."""

    async def observe(self) -> Observation:
        """Whether all of it runs, by one look at the health of each."""
        if self.facts(f"still-{self.name}").get("names") == []:
            return Observation(REACHED, "nothing was stopped here")
        names = self._names()
        machine = await self.ctx.machine(self.name, old=True)
        seen = await errand.send(machine, "waiting", self.layer, {**self._request, "names": names}, timeout=120)
        if seen["idle"]:
            return Observation(NOT_REACHED, f"not running: {', '.join(seen['idle'])}")
        if seen["unwell"]:
            return Observation(NOT_REACHED, f"not well yet: {', '.join(seen['unwell'])}")
        return Observation(REACHED, f"{len(names)} run again")

    async def act(self) -> Observation | None:
        """Starts it; the engine looks until it is well."""
        machine = await self.ctx.machine(self.name, old=True)
        await errand.send(machine, "again", self.layer, {**self._request, "names": self._names()}, timeout=120)
        return None

    def _names(self) -> list[str]:
        """Containers that this run stopped, as the step before it wrote down."""
        return list(self.facts(f"still-{self.name}").get("names") or [])
