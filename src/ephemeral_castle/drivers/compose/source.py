"""The revision that this run works with: read, judged and kept before anything is touched."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ephemeral_castle.drivers.compose import finding, images, lasting
from ephemeral_castle.drivers.compose.finding import Finding
from ephemeral_castle.drivers.compose.living import Living, Unmade
from ephemeral_castle.drivers.compose.part import Part
from ephemeral_castle.drivers.compose.reading import Reading
from ephemeral_castle.errors import CastleError
from ephemeral_castle.model.step import Observation
from ephemeral_castle.spi import pinned
from ephemeral_castle.spi.part import NOT_REACHED
from ephemeral_castle.spi.pinned import Judged
from ephemeral_castle.spi.world import Revision


class Source(Part):
    """A commit whose projects have no errors, kept in the treasury."""

    async def observe(self) -> Observation:
        """Only the act knows: what the branch means is asked anew in each run, and by each runner."""
        return Observation(NOT_REACHED, "not asked yet")

    async def act(self) -> Observation | None:
        """Resolves, reads, judges, keeps.

        Raises:
            Refused: a project has errors; nothing was changed.
        """
        return await pinned.pin(self, self.options.ref)

    async def judged(self, sha: str, *, again: bool) -> Judged:
        """What is wrong with the projects of a commit."""
        found = await self._findings(sha, await (self._in_this_life(sha) if again else self.readings(sha)))
        return Judged([str(each) for each in finding.errors(found)], [str(each) for each in finding.warnings(found)])

    async def facts_of(self, revision: Revision) -> Mapping[str, Any]:
        """The commit, and no more."""
        return pinned.facts_of(revision)

    def complaint(self, count: str) -> str:
        """First line of the refusal."""
        return f"the Compose files have {count}"

    async def _in_this_life(self, sha: str) -> dict[str, Reading]:
        """The projects with the values of this life, as far as they are known; the step that uses one asks again."""
        found = {}
        for name in self.options.projects:
            try:
                machine = await self.ctx.machine(name)
                _, found[name] = await Living(self.ctx, self.desk, name).reading(machine, sha, make=False)
            except (CastleError, Unmade):
                found[name] = await self.read(name, sha)
        return found

    async def _findings(self, sha: str, readings: Mapping[str, Reading]) -> list[Finding]:
        """All that is wrong at a commit."""
        recipes = await images.recipes(self.options, lambda folder: self.files(sha, folder))
        found = [each for one in readings.values() for each in one.findings]
        return found + recipes.findings + self._unknown(readings)

    def _unknown(self, readings: Mapping[str, Reading]) -> list[Finding]:
        """What the layer accepts and no project has: a name with a slip would accept nothing."""
        if any(finding.errors(each.findings) for each in readings.values()):
            return []  # what a project with an error has, nobody knows
        projects = [each.project for each in readings.values() if each.project]
        services = {name for each in projects for name in each.services}
        places = {name for each in projects for name in lasting.places(each)}
        slips = {
            "accept_environment": [n for n in self.options.accept_environment if n.split(".")[0] not in services],
            "accept_loss": [name for name in self.options.accept_loss if name not in places],
        }
        place = finding.Place(self.ctx.layer.position or f"layer {self.layer}")
        return [Finding(place, f"`{key}` names {n}, and no project has it") for key in slips for n in slips[key]]
