"""Why the objects of a unit do not become well: Flux names them, and their pods know."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from typing import Any

from ephemeral_castle.drivers.flux.graph import Seen
from ephemeral_castle.drivers.flux.units import Stage, short
from ephemeral_castle.drivers.flux.vocabulary import KUSTOMIZATION, KUSTOMIZE
from ephemeral_castle.errors import CastleError
from ephemeral_castle.manifests.ready import judge
from ephemeral_castle.spi import kubernetes
from ephemeral_castle.spi.kubernetes import Cluster, Ref

WORKLOADS = {"apps": ("Deployment", "StatefulSet", "DaemonSet"), "batch": ("Job",), "": ("Pod",)}
TOLD = 2  # workloads of a unit
EVERY = 10.0  # seconds between two looks, and of quiet before the first
LONGEST = 20.0  # seconds for one


async def cause(cluster: Cluster, name: str) -> str:
    """What keeps workloads of a unit from being well; "" where none is unwell, or nobody can be asked.

    Args:
        cluster: where it is.
        name: of the unit, as NAMESPACE/NAME.
    """
    space, _, own = name.partition("/")
    try:
        async with asyncio.timeout(LONGEST):
            unit = await cluster.get(Ref(KUSTOMIZE, KUSTOMIZATION, own, space)) or {}
            found = [text for ref in workloads(unit) if (text := await _unwell(cluster, ref))]
    except (CastleError, TimeoutError):
        return ""
    more = f"and {len(found) - TOLD} more" if len(found) > TOLD else ""
    return "; ".join(filter(None, [*found[:TOLD], more]))


def workloads(unit: Mapping[str, Any]) -> Iterator[Ref]:
    """What has pods, of all that a unit applied in its last pass. Entries are `NAMESPACE_NAME_GROUP_KIND`. Pure."""
    inventory = (unit.get("status") or {}).get("inventory") or {}
    for each in inventory.get("entries") or ():
        parts = str(each.get("id", "")).split("_")
        if len(parts) == 4 and parts[3] in WORKLOADS.get(parts[2], ()):
            api = f"{parts[2]}/{each.get('v', 'v1')}".lstrip("/")
            yield Ref(api, parts[3], parts[1], parts[0])


async def _unwell(cluster: Cluster, ref: Ref) -> str:
    live = await cluster.get(ref)
    seen = judge(live)
    if live is None or seen.stage is kubernetes.Stage.READY:
        return ""
    return f"{ref}: {short('; '.join((await cluster.explain(ref)).splitlines()) or seen.why)}"


class Causes:
    """Looks, beside the walk, at what holds units up, and keeps what it found.

    Attributes:
        known: by unit.
    """

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.known: dict[str, str] = {}
        self._looked: dict[str, float] = {}
        self._task: asyncio.Task[str] | None = None
        self._name = ""

    def news(self, seen: Mapping[str, Seen], now: float) -> tuple[str, str]:
        """A unit and its cause, when that is new; and begins the next look when it is time. Names are "" for none."""
        found = ("", "")
        if self._task is not None and self._task.done():
            text = "" if self._task.cancelled() else self._task.result()
            if text and text != self.known.get(self._name):
                found = (self._name, text)
            self.known[self._name], self._task = text, None
        if self._task is None:
            self._begin(seen, now)
        return found

    def _begin(self, seen: Mapping[str, Seen], now: float) -> None:
        for name, each in seen.items():
            if each.stage not in (Stage.CHECKING, Stage.FAILED):
                self._looked.pop(name, None)
            elif now - self._looked.setdefault(name, now) >= EVERY:
                self._looked[name], self._name = now, name
                self._task = asyncio.create_task(cause(self.cluster, name))
                return

    async def close(self) -> None:
        """Ends a look that goes on."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
