"""Every service of every machine is well: started in order, asked by its own health check."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from ephemeral_castle.drivers.compose import errand
from ephemeral_castle.drivers.compose.part import mending
from ephemeral_castle.drivers.compose.up import FRESH, Up
from ephemeral_castle.errors import Permanent
from ephemeral_castle.model.step import Observation
from ephemeral_castle.spi.part import NOT_REACHED, REACHED

LONGEST = 400  # characters of a program's words in one message


class Healthy(Up):
    """The gate that other layers wait for."""

    async def observe(self) -> Observation:
        """Well, when every machine was seen so a moment ago, and nothing was done there since."""
        now = self.ctx.world.clock.monotonic()
        if all(now - self.desk.well.get(machine, now - FRESH - 1) <= FRESH for machine in self.options.projects):
            return self._well()
        return Observation(NOT_REACHED, "not asked yet")

    async def act(self) -> Observation | None:
        """All machines at once; each starts what waited, and asks until all are well.

        Raises:
            Permanent: a service does not get well; with the last words of its check and its log.
        """
        machines = list(self.options.projects)
        answers = await asyncio.gather(*(self._ask(machine) for machine in machines))
        failed = {name: answer["failed"] for name, answer in zip(machines, answers, strict=True) if answer["failed"]}
        if failed:
            raise await self._failure(failed)
        return self._well({name: answer["services"] for name, answer in zip(machines, answers, strict=True)})

    async def _ask(self, name: str) -> dict[str, Any]:
        part = Healthy(self.ctx, self.desk, name)
        machine = await self.ctx.machine(name)
        digest, _ = errand.tool()
        limit = self.options.timeout
        request = (await part.parcel(machine)).request(digest, limit)
        return await errand.send(machine, "health", self.layer, request, timeout=limit + 60)

    def _well(self, services: Mapping[str, Any] | None = None) -> Observation:
        ups = {machine: self.facts(f"up-{machine}") for machine in self.options.projects}
        ports = [(machine, up["address"], port) for machine, up in ups.items() for port in up.get("ports", ())]
        facts: dict[str, Any] = {
            "sha": self.facts("source").get("sha", ""),
            "endpoints": {machine: up["address"] for machine, up in ups.items() if up.get("address")},
            "inside": inside(self.layer, ports),
        }
        if len(ports) == 1:
            facts["endpoint"] = {"address": ports[0][1], "port": ports[0][2]}
        services = services or self.facts("healthy").get("services")
        if services:
            facts["services"] = services
        count = len(self.options.projects)
        text = f"all services on {count} machine{'s' if count > 1 else ''} are well"
        return Observation(REACHED, text, facts, renews=True)

    async def _failure(self, failed: Mapping[str, list[dict[str, Any]]]) -> Permanent:
        lines = [words(machine, each) for machine, services in failed.items() for each in services]
        return Permanent(
            "a service does not get well" if len(lines) == 1 else f"{len(lines)} services do not get well",
            why=await self._redacted("; ".join(lines)),
            state="the services that are well go on; data and machines stand",
            hints=[f"castle logs --step {self.layer}/healthy", mending(self.ctx)],
        )

    async def _redacted(self, text: str) -> str:
        """What a program says may hold what it was given."""
        for name in self.options.secrets.values():
            known = await self.ctx.secrets.get(name)
            if known is not None and known.reveal():
                text = text.replace(known.reveal(), "[redacted]")
        return text


def words(machine: str, failed: Mapping[str, Any]) -> str:
    """One service that failed, in one line."""
    parts = [f"`{failed['service']}` on {machine}: {failed['why']}"]
    if failed["check"]:
        parts.append("the check said: " + " / ".join(str(failed["check"]).splitlines()[-3:])[-LONGEST:])
    if failed["logs"]:
        parts.append("its log ends: " + " / ".join(failed["logs"])[-LONGEST:])
    return ", ".join(parts)


def inside(layer: str, ports: list[tuple[str, str, int]]) -> dict[str, Any]:
    """Doors for people: the layer's own name where there is one port, else with machine, and port where it must be."""
    found: dict[str, Any] = {}
    for machine, address, port in ports:
        alone = sum(one == machine for one, _, _ in ports) == 1
        name = layer if len(ports) == 1 else f"{layer}-{machine}" if alone else f"{layer}-{machine}-{port}"
        found[name] = {"address": address, "port": port}
    return found
