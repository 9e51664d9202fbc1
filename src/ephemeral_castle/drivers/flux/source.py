"""The revision that this run works with: read, judged and kept before anything is touched."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ephemeral_castle.drivers.flux import components, flags, sync
from ephemeral_castle.drivers.flux.address import opener
from ephemeral_castle.drivers.flux.part import BUNDLE, NOT_REACHED, REACHED, Part
from ephemeral_castle.errors import CastleError, NotFound, Refused
from ephemeral_castle.model.castle import Verb
from ephemeral_castle.model.step import Observation
from ephemeral_castle.spi.source import lent_url
from ephemeral_castle.spi.world import Revision

MOST = 20  # findings that are told at once


class Source(Part):
    """A commit whose Flux can be applied, kept in the treasury."""

    async def observe(self) -> Observation:
        """Only the act knows: what the branch means is asked anew in each run, and by each runner."""
        return Observation(NOT_REACHED, "not asked yet")

    async def act(self) -> Observation | None:
        """Resolves, reads, judges, keeps.

        Raises:
            Refused: what Flux is made from has errors; nothing was changed.
        """
        before = self.facts("source")
        if before:
            return await self._again(before)
        revision = await self.source.resolve(self.options.ref)
        self._note(revision)
        wrong, told = await self._judged(revision.sha)
        for each in told:
            self.ctx.diagnostic("warning", each)
        if wrong:
            raise self._refusal(revision.sha, wrong)
        await self._keep(revision.sha)
        return self._reached(await self._facts(revision))

    async def _again(self, before: Mapping[str, Any]) -> Observation:
        """On a resume: what the branch means now, where that can be used; else what the run had. Never an error."""
        old = str(before["sha"])
        try:
            revision = await self.source.resolve(self.options.ref)
            if revision.sha == old:
                self._note(revision)
                return self._reached(before)
            if revision.source == BUNDLE:
                why = "the repository does not answer, and its copy in the treasury is another commit"
                return self._stays(before, why)
            wrong, told = await self._judged(revision.sha)
            if wrong:
                return self._stays(before, f"commit {revision.sha[:12]} has errors: {'; '.join(_most(wrong))}")
            await self._keep(revision.sha)
        except CastleError as error:
            return self._stays(before, f"{error.message} ({error.why})" if error.why else error.message)
        self._note(revision)
        for each in told:
            self.ctx.diagnostic("warning", each)
        text = f"`{revision.wanted}` is commit {revision.sha[:12]} now ({revision.subject})"
        self.ctx.diagnostic("info", f"{text}: the run goes on with it, no longer with {old[:12]}")
        self.ctx.decided("another commit", text, sha=revision.sha, before=old)
        return self._reached(await self._facts(revision))

    def _stays(self, before: Mapping[str, Any], why: str) -> Observation:
        self.ctx.diagnostic("warning", f"the run goes on with commit {str(before['sha'])[:12]}: {why}")
        return self._reached(before)

    def _note(self, revision: Revision) -> None:
        for note in revision.notes:
            self.ctx.diagnostic("warning", note)

    async def _judged(self, sha: str) -> tuple[list[str], list[str]]:
        """What is wrong at a commit, and what a person should know."""
        wrong: list[str] = []
        told: list[str] = []
        where = self.reached()
        place = self.ctx.layer.position or f"layer {self.layer}"
        if where.wrong:
            wrong.append(f"{place}: {where.wrong}")
        if where.url.startswith("https:") and self.repository.ca and not self._given("ca.crt"):
            name = f"{self.options.namespace}/{self.options.name}"
            text = "the repository has a CA of its own, and the cluster does not know it"
            wrong.append(f"{place}: {text}: add `secrets: {{{name}: {{ca.crt: secret:...}}}}`")
        wrong += await self._rooted(sha)
        try:
            found = await self.components(sha)
        except NotFound as error:
            return [*wrong, f"{error.message} (`components` names the directory of CRDs and controllers)"], told
        return [*wrong, *found.wrong], [*told, *found.told, *self._slow(found)]

    def _given(self, key: str) -> bool:
        return key in self.options.secrets.get(f"{self.options.namespace}/{self.options.name}", {})

    async def _rooted(self, sha: str) -> list[str]:
        try:
            await self.files(sha, self.options.path)
        except NotFound as error:
            return [f"{error.message} (`path` names what the root Kustomization applies)"]
        return []

    def _slow(self, found: components.Components) -> list[str]:
        """Flags that castle leaves alone: the root applies Flux itself, and would only set them back."""
        if not self.options.carries_itself:
            return []
        said = (flags.slow(each, self.options.concurrent) for each in found.deployments)
        return [f"{self.options.parts}: {each}" for each in said if each]

    async def _keep(self, sha: str) -> None:
        if self.ctx.request.verb is not Verb.DRILL:  # a drill writes nothing into the treasury
            await self.source.keep(sha)

    async def _facts(self, revision: Revision) -> dict[str, Any]:
        """Where the repository does not answer, the cluster reads castle's own copy of it, which asks for no key."""
        lent = revision.source == BUNDLE
        url = lent_url(self.ctx.world.enclosure.gateway) if lent else self.reached().url
        name = f"{self.options.namespace}/{self.options.name}"
        known = bool(opener(self.repository, url)) or name in self.options.secrets
        secret = self.options.name if known and not lent else ""
        whole = sync.lent_name(revision.wanted) if lent else revision.name
        wanted = sync.Wanted(url, revision.sha, whole, secret)
        units = components.units_in(await self.files(revision.sha, self.options.path))
        return {
            "sha": revision.sha,
            "ref": revision.wanted,
            "name": whole,
            "from": revision.source,
            "subject": revision.subject,
            "committed": revision.committed,
            "url": url,
            "secret": secret,
            "revision": sync.revision_of(wanted),
            "concurrent": max(self.options.concurrent, units),
        }

    def _reached(self, facts: Mapping[str, Any]) -> Observation:
        text = f"{str(facts['sha'])[:12]} of {facts['ref']}: {facts['subject']}"
        return Observation(REACHED, text[:120], facts, renews=True)

    def _refusal(self, sha: str, wrong: Sequence[str]) -> Refused:
        told = _most(wrong)
        return Refused(
            f"Flux cannot be made from the repository: {len(wrong)} error{'s' if len(wrong) > 1 else ''}",
            where=f"commit {sha[:12]} of the castle's repository, layer {self.layer}",
            why="; ".join(told) if len(told) == 1 else "\n  ".join(["", *told]),
            state="nothing was changed",
            hints=["mend and push it", f"castle {self.ctx.request.verb.value}"],
        )


def _most(wrong: Sequence[str]) -> list[str]:
    more = [f"and {len(wrong) - MOST} more"] if len(wrong) > MOST else []
    return [*wrong[:MOST], *more]
