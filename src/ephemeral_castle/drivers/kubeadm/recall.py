"""Which images the standing nodes have: those of the next life pull them while the cluster is still being born.

A node waits for the first API server before it can do anything else. What its pods will want is known by then: the node
of its name had it until a moment ago.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable

from ephemeral_castle.drivers.kubeadm.part import Part
from ephemeral_castle.errors import CastleError
from ephemeral_castle.model.step import Observation
from ephemeral_castle.spi.part import REACHED

LIST = "timeout 10 ctr -n k8s.io images ls -q"
MOST = 100  # images of one node
# A name with a tag. Containerd also lists digests, by which nobody can ask a registry.
_NAME = re.compile(r"[a-z0-9][A-Za-z0-9._-]*(:[0-9]{1,5})?(/[a-z0-9][a-z0-9._-]*)+:[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")


def names(lines: Iterable[str]) -> list[str]:
    """Names of images that a registry can be asked for, each once, in order."""
    return sorted({line.strip() for line in lines if _NAME.fullmatch(line.strip())})[:MOST]


class Recall(Part):
    """The images of each worker of the standing life are known, where it answers."""

    async def observe(self) -> Observation:
        """One look at each. A node that is silent is no loss: its successor pulls what it needs when it needs it."""
        if self.ctx.passed_no_return or not self.ctx.old_life:
            return Observation(REACHED, waived="no standing node can be asked")
        workers = [node.name for node in self.nodes if not node.control]
        found = dict(zip(workers, await asyncio.gather(*(self._of(name) for name in workers)), strict=True))
        count = len({image for images in found.values() for image in images})
        return Observation(REACHED, f"{count} images", {"images": found})

    async def _of(self, name: str) -> list[str]:
        try:
            machine = await self.ctx.machine(name, old=True)
            result = await machine.transport.run(["sh", "-c", LIST], timeout=20)
        except CastleError:
            return []
        return names(result.out.splitlines()) if result.ok else []
