"""The revision that this run works with: read, judged and kept before anything is touched."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ephemeral_castle.drivers.flux import components, flags, sync
from ephemeral_castle.drivers.flux.address import opener
from ephemeral_castle.drivers.flux.part import Part
from ephemeral_castle.errors import NotFound
from ephemeral_castle.model.step import Observation
from ephemeral_castle.spi import pinned
from ephemeral_castle.spi.part import NOT_REACHED
from ephemeral_castle.spi.pinned import BUNDLE, Judged
from ephemeral_castle.spi.source import lent_url
from ephemeral_castle.spi.world import Revision


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
        return await pinned.pin(self, self.options.ref)

    async def judged(self, sha: str, *, again: bool) -> Judged:
        """What is wrong with what Flux is made from at a commit."""
        wrong: list[str] = []
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
            return Judged([*wrong, f"{error.message} (`components` names the directory of CRDs and controllers)"])
        return Judged([*wrong, *found.wrong], [*found.told, *self._slow(found)])

    def complaint(self, count: str) -> str:
        """First line of the refusal."""
        return f"Flux cannot be made from the repository: {count}"

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

    async def facts_of(self, revision: Revision) -> Mapping[str, Any]:
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
            **pinned.facts_of(revision),
            "name": whole,
            "url": url,
            "secret": secret,
            "revision": sync.revision_of(wanted),
            "concurrent": max(self.options.concurrent, units),
        }
