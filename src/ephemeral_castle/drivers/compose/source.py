"""The revision that this run works with: read, judged and kept before anything is touched."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ephemeral_castle.drivers.compose import finding, images
from ephemeral_castle.drivers.compose.finding import Finding
from ephemeral_castle.drivers.compose.living import Living, Unmade
from ephemeral_castle.drivers.compose.part import NOT_REACHED, REACHED, Part
from ephemeral_castle.drivers.compose.reading import Reading
from ephemeral_castle.errors import CastleError, Refused
from ephemeral_castle.model.castle import Verb
from ephemeral_castle.model.step import Observation
from ephemeral_castle.spi.world import Revision

MOST = 20  # findings that are told at once


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
        before = self.facts("source")
        if before:
            return await self._again(before)
        revision = await self.source.resolve(self.options.ref)
        for note in revision.notes:
            self.ctx.diagnostic("warning", note)
        found = await self._findings(revision.sha, await self.readings(revision.sha))
        self._warn(found)
        wrong = finding.errors(found)
        if wrong:
            raise self._refusal(revision.sha, wrong)
        await self._keep(revision.sha)
        return _reached(_facts(revision))

    async def _again(self, before: Mapping[str, Any]) -> Observation:
        """On a resume: what the branch means now, where that can be used; else what the run had. Never an error."""
        old = str(before["sha"])
        try:
            revision = await self.source.resolve(self.options.ref)
            if revision.sha == old:
                for note in revision.notes:
                    self.ctx.diagnostic("warning", note)
                return _reached(before)
            if revision.source == "bundle":
                why = "the repository does not answer, and its copy in the treasury is another commit"
                return self._stays(before, why)
            found = await self._findings(revision.sha, await self._in_this_life(revision.sha))
            wrong = finding.errors(found)
            if wrong:
                return self._stays(before, f"commit {revision.sha[:12]} has errors: {'; '.join(_told(wrong))}")
            await self._keep(revision.sha)
        except CastleError as error:
            return self._stays(before, f"{error.message} ({error.why})" if error.why else error.message)
        for note in revision.notes:
            self.ctx.diagnostic("warning", note)
        self._warn(found)
        return self._goes_on(revision, old)

    def _stays(self, before: Mapping[str, Any], why: str) -> Observation:
        self.ctx.diagnostic("warning", f"the run goes on with commit {str(before['sha'])[:12]}: {why}")
        return _reached(before)

    def _goes_on(self, revision: Revision, old: str) -> Observation:
        text = f"`{revision.wanted}` is commit {revision.sha[:12]} now ({revision.subject})"
        self.ctx.diagnostic("info", f"{text}: the run goes on with it, no longer with {old[:12]}")
        self.ctx.decided("another commit", text, sha=revision.sha, before=old)
        return _reached(_facts(revision))

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
        """Entries of `accept_environment` that no service answers to: a name with a slip would accept nothing."""
        services = {name for each in readings.values() if each.project for name in each.project.services}
        names = [name for name in self.options.accept_environment if name.split(".")[0] not in services]
        place = finding.Place(self.ctx.layer.position or f"layer {self.layer}")
        return [Finding(place, f"`accept_environment` names {name}, and no project has it") for name in names]

    def _warn(self, found: Sequence[Finding]) -> None:
        for each in finding.warnings(found):
            self.ctx.diagnostic("warning", str(each))

    async def _keep(self, sha: str) -> None:
        if self.ctx.request.verb is not Verb.DRILL:  # a drill writes nothing into the treasury
            await self.source.keep(sha)

    def _refusal(self, sha: str, wrong: Sequence[Finding]) -> Refused:
        told = _told(wrong)
        return Refused(
            f"the Compose files have {len(wrong)} error{'s' if len(wrong) > 1 else ''}",
            where=f"commit {sha[:12]} of the castle's repository, layer {self.layer}",
            why="; ".join(told) if len(told) == 1 else "\n  ".join(["", *told]),
            state="nothing was changed",
            hints=["mend and push them", f"castle {self.ctx.request.verb.value}"],
        )


def _told(wrong: Sequence[Finding]) -> list[str]:
    more = [f"and {len(wrong) - MOST} more"] if len(wrong) > MOST else []
    return [str(each) for each in wrong[:MOST]] + more


def _facts(revision: Revision) -> dict[str, Any]:
    return {
        "sha": revision.sha,
        "ref": revision.wanted,
        "from": revision.source,
        "subject": revision.subject,
        "committed": revision.committed,
    }


def _reached(facts: Mapping[str, Any]) -> Observation:
    text = f"{str(facts['sha'])[:12]} of {facts['ref']}: {facts['subject']}"
    return Observation(REACHED, text[:120], facts, renews=True)
