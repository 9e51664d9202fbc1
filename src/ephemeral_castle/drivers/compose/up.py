"""The services of one machine: delivered into memory, made and started."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ephemeral_castle.drivers.compose import errand, finding
from ephemeral_castle.drivers.compose.living import Living, Unmade
from ephemeral_castle.drivers.compose.parcel import Parcel, asked
from ephemeral_castle.drivers.compose.part import mending
from ephemeral_castle.errors import Refused
from ephemeral_castle.model.step import Observation
from ephemeral_castle.spi.part import NOT_REACHED, REACHED
from ephemeral_castle.spi.world import Machine

FRESH = 30.0  # seconds for which a look at health counts: as long as it takes from one step to the next


class Up(Living):
    """One machine runs the project as the repository has it."""

    async def observe(self) -> Observation:
        """One call: what was applied, and whether all of it runs."""
        machine = await self.ctx.machine(self.name)
        try:
            parcel = await self.parcel(machine, make=False)
        except Unmade as unmade:
            return Observation(NOT_REACHED, f"the secret `{unmade}` is still to be made")
        digest, _ = errand.tool()
        request = {**parcel.request(digest), "check": True}
        return self.judged(parcel, machine, request, await errand.send(machine, "see", self.layer, request))

    def judged(
        self, parcel: Parcel, machine: Machine, request: Mapping[str, Any], seen: Mapping[str, Any]
    ) -> Observation:
        """Whether what a machine says of itself is what it is to have. `request`: of the parcel."""
        (self.desk.has_tool.add if seen["tool"] else self.desk.has_tool.discard)(self.name)
        if seen["digest"] != request["digest"]:
            return Observation(NOT_REACHED, "something else, or nothing, was applied")
        missing = not_running(seen["containers"], request["services"])
        if missing:
            return Observation(NOT_REACHED, f"not running: {', '.join(missing)}")
        if all(each.get("health", "") != "unhealthy" for each in seen["containers"]):
            self.desk.well[self.name] = self.ctx.world.clock.monotonic()
        return self._reached(parcel, machine, seen["containers"])

    async def act(self) -> Observation | None:
        """One call: files, podman-compose, and the start of what waits for nobody's health."""
        machine = await self.ctx.machine(self.name)
        parcel = await self.parcel(machine)
        digest, program = errand.tool()
        archive = parcel.archive(b"" if self.name in self.desk.has_tool else program)
        self.desk.well.pop(self.name, None)
        answer = await errand.send(machine, "up", self.layer, parcel.request(digest), archive, timeout=600)
        self.desk.has_tool.add(self.name)
        if answer["removed"]:
            self.ctx.diagnostic("info", f"removed, no longer in the project: {', '.join(answer['removed'])}")
        return self._reached(parcel, machine, answer["containers"], answer["fresh"])

    def _reached(
        self, parcel: Parcel, machine: Machine, containers: list[dict[str, Any]], fresh: list[str] | None = None
    ) -> Observation:
        ports = [
            port for service in parcel.project.services.values() for port in service.ports if port.protocol == "tcp"
        ]
        facts = {
            "address": machine.address,
            "containers": {each["name"]: each["id"] for each in containers},
            "ports": [port.host for port in ports if port.address in ("", "0.0.0.0", machine.address)],  # noqa: S104
            "fresh": self.facts(f"up-{self.name}").get("fresh", []) if fresh is None else fresh,
        }
        names = ", ".join(sorted(parcel.project.services))
        return Observation(REACHED, f"{names} at {machine.address}", facts, renews=True)

    async def parcel(self, machine: Machine, *, make: bool = True) -> Parcel:
        """What the machine is to have. `make`: a secret of the layer's own that is missing is made, and stored.

        Raises:
            Refused: with the values of this life the project has errors. Permanent: a secret is missing.
        """
        sha = str(self.facts("source")["sha"])
        values, read = await self.reading(machine, sha, make=make)
        wrong = finding.errors(read.findings)
        if wrong or read.project is None:
            raise Refused(
                f"the project of machine `{self.name}` cannot be used",
                where=f"commit {sha[:12]} of the castle's repository, layer {self.layer}",
                why="; ".join(str(each) for each in wrong),
                state="its services were not touched",
                hints=[mending(self.ctx)],
            )
        given = self.options.secrets
        files = {file for service in read.project.services.values() for file in asked(read.project, service, given)}
        contents = {file: (await self.secret(given[file], make=make)).reveal().encode() for file in sorted(files)}
        return Parcel(
            sha=sha,
            project=read.project,
            file=read.file,
            files=await self.files(sha, self.options.projects[self.name]),
            secrets=contents,
            images=dict(self.facts("images").get("images", {})),
            values={**read.values, **values},
            grace=max(0, round(self.options.grace)),
        )


def not_running(containers: list[dict[str, Any]], services: Mapping[str, Any]) -> list[str]:
    """Services of which a container is missing, does not run, or did its job badly; and those that should be gone."""

    def well(each: Mapping[str, Any]) -> bool:
        job = services.get(each["service"], {}).get("job") and each["state"] == "exited" and each["code"] == 0
        return each["service"] in services and (each["running"] or bool(job))

    bad = {each["service"] for each in containers if not well(each)}
    return sorted(bad | set(services) - {each["service"] for each in containers})
