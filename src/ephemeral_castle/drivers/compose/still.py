"""At the cut: what writes into volumes stops, so that the last backup is the last word."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ephemeral_castle.drivers.compose import errand
from ephemeral_castle.drivers.compose.hand.podman import LABEL
from ephemeral_castle.drivers.compose.part import Part
from ephemeral_castle.errors import Transient
from ephemeral_castle.model.castle import Role
from ephemeral_castle.model.step import Observation
from ephemeral_castle.spi.part import NOT_REACHED, REACHED
from ephemeral_castle.spi.world import Machine

NONE: Mapping[str, list[str]] = {"stilled": [], "names": []}


class Still(Part):
    """On one machine of the life that ends, nothing writes any more.

    The first `compose` layer of the site also stops what was raised for a layer that the definition has no more.
    """

    def _gone(self) -> Observation | None:
        """A machine that the ground did not list in the old life has nothing to stop."""
        for layer in self.ctx.request.site.layers:
            machines = layer.options.get("machines") or {}
            if layer.role is not Role.GROUND or self.name not in machines:
                continue
            seen = self.ctx.facts(f"{layer.id}.revive")
            end = f"-{self.ctx.old_life}-{machines[self.name].get('id')}"
            if "containers" in seen and not any(str(name).endswith(end) for name in seen["containers"]):
                return Observation(REACHED, waived=f"machine `{self.name}` was not there in the old life", facts=NONE)
        return None

    @property
    def _request(self) -> dict[str, Any]:
        layers = [layer.id for layer in self.ctx.request.site.layers if layer.driver == self.ctx.layer.driver]
        first = layers[:1] == [self.layer]
        grace = max(0, round(self.options.grace))
        return {"all": self.options.still == "all", "grace": grace, "layers": layers if first else []}

    async def observe(self) -> Observation:
        """Whether any of them runs."""
        gone = self._gone()
        if gone:
            return gone
        machine = await self.ctx.machine(self.name, old=True)
        try:
            seen = await errand.send(machine, "moving", self.layer, self._request)
        except Transient:
            if await self._never(machine):
                return Observation(REACHED, waived=f"machine `{self.name}` never had a service", facts=NONE)
            raise
        if seen["running"]:
            return Observation(NOT_REACHED, f"running: {', '.join(seen['running'])}")
        return _still(seen)

    async def _never(self, machine: Machine) -> bool:
        """Whether podman lists no project: a machine that was made before its first layer has no Python."""
        label = f"label={LABEL}"
        python = await machine.transport.run(["sh", "-c", "command -v python3"])
        listed = await machine.transport.run(["podman", "ps", "-aq", "--filter", label])
        return not python.ok and listed.ok and not listed.out.strip()

    async def act(self) -> Observation | None:
        """Stops them, all at once."""
        machine = await self.ctx.machine(self.name, old=True)
        timeout = self.options.grace + 90
        seen = await errand.send(machine, "still", self.layer, self._request, timeout=timeout)
        if seen["running"]:
            raise Transient(f"services on machine {machine.id} run again", why=", ".join(seen["running"]))
        return _still(seen)

    async def undo(self) -> str:
        """Starts again what was stopped here."""
        if self._gone():
            return "there was nothing to start"
        machine = await self.ctx.machine(self.name, old=True)
        back = await errand.send(machine, "again", self.layer, self._request, timeout=120)
        return f"started again: {', '.join(back['services']) or 'nothing'}"


def _still(seen: Mapping[str, Any]) -> Observation:
    """What is still, and the names of the containers that were stopped for it."""
    services = seen["services"]
    text = f"still: {', '.join(services)}" if services else "nothing here writes a volume"
    return Observation(REACHED, text, {"stilled": services, "names": seen["names"]})
