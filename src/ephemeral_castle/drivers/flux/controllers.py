"""The controllers of Flux run."""

from __future__ import annotations

import asyncio
from typing import Any

from ephemeral_castle.drivers.flux import flags
from ephemeral_castle.drivers.flux.part import Part
from ephemeral_castle.drivers.flux.vocabulary import TITLE
from ephemeral_castle.errors import Permanent
from ephemeral_castle.manifests.ready import judge
from ephemeral_castle.model.step import Observation, State
from ephemeral_castle.spi.kubernetes import Cluster, Manifest, Ref, Stage
from ephemeral_castle.spi.part import REACHED

LONGEST = 300.0  # seconds for a controller to run: its image may have to be pulled first
NEEDED = ("source-controller", "kustomize-controller")


class Controllers(Part):
    """Every controller that castle applied, or, where somebody else did, that is there."""

    async def observe(self) -> Observation:
        """Whether all of them are ready."""
        found = await self._found()
        unready = [name for name, each in found.items() if judge(each).stage is not Stage.READY]
        if unready:
            return Observation(State.NOT_REACHED, f"not ready yet: {', '.join(unready)}")
        return self._reached(found)

    async def act(self) -> Observation | None:
        """Waits for them.

        Raises:
            Permanent: a controller that Flux cannot do without is not there, or says that it will never run.
            Transient: one is not ready in time; with what its pods say.
        """
        found = await self._found()
        missing = [name for name in NEEDED if name not in found]
        if missing:
            raise Permanent(
                f"Flux has no {' and no '.join(missing)} in namespace `{self.options.namespace}`",
                why="nothing would fetch the repository, or apply it",
                state="the cluster stands, and nothing of the repository was applied",
                hints=["`flux install --export` writes all controllers", "castle resume"],
            )
        cluster = await self.cluster()
        refs = [Ref.of(each) for each in found.values()]
        ready = await asyncio.gather(*(cluster.until(ref, judge, timeout=LONGEST, title=str(ref)) for ref in refs))
        return self._reached({each["metadata"]["name"]: each for each in ready if each is not None})

    async def _found(self) -> dict[str, Manifest]:
        """Deployments of the namespace that the components name, or that Flux cannot do without."""
        cluster = await self.cluster()
        components = await self.components(str(self.facts("source")["sha"]))
        names = {each["metadata"]["name"] for each in components.deployments} | set(NEEDED)
        listed = await cluster.list("apps/v1", "Deployment", self.options.namespace)
        return {each["metadata"]["name"]: each for each in listed if each["metadata"]["name"] in names}

    def _told(self, found: dict[str, Manifest]) -> None:
        """Of an installation that castle leaves as it is."""
        if self.facts("components").get("existing"):
            wanted = int(self.facts("source")["concurrent"])
            for text in filter(None, (flags.slow(each, wanted) for each in found.values())):
                self.ctx.diagnostic("warning", text)

    def _reached(self, found: dict[str, Manifest]) -> Observation:
        self._told(found)
        text = f"{len(found)} controllers run"
        return Observation(REACHED, text, {"controllers": {name: told(each) for name, each in found.items()}})


async def titled(cluster: Cluster) -> dict[str, Any]:
    """Every Deployment of the cluster that says by a title what it is: operators that the repository brought."""
    listed = await cluster.list("apps/v1", "Deployment")
    found = {each["metadata"]["name"]: told(each) for each in listed}
    return {name: each for name, each in found.items() if "title" in each}


def told(deployment: Manifest) -> dict[str, Any]:
    """Image and title, for the report: a title says what a stand-in is."""
    template = deployment["spec"]["template"]
    notes = {**(template["metadata"].get("annotations") or {}), **(deployment["metadata"].get("annotations") or {})}
    found: dict[str, Any] = {"image": template["spec"]["containers"][0].get("image", "")}
    if notes.get(TITLE):
        found["title"] = notes[TITLE]
    return found
