"""What `castle status` says about Flux."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ephemeral_castle.drivers.flux import graph as graphs
from ephemeral_castle.drivers.flux import sync
from ephemeral_castle.drivers.flux.graph import Graph, Seen
from ephemeral_castle.drivers.flux.part import Desk, Part
from ephemeral_castle.drivers.flux.units import Goal, Stage, sha_of
from ephemeral_castle.drivers.flux.vocabulary import GIT, KUSTOMIZATION, KUSTOMIZE
from ephemeral_castle.errors import NotFound
from ephemeral_castle.spi.driver import Context
from ephemeral_castle.spi.kubernetes import Change
from ephemeral_castle.spi.source import lent_url

LENT = lent_url("").removeprefix("http://")
WAITING = (Stage.RUNNING, Stage.CHECKING)  # it may be well in a moment


async def look(ctx: Context, desk: Desk) -> Mapping[str, Any]:
    """Every unit with its state, relative to the revision that Flux itself has: `services`, `states`, `alarms`."""
    part = Part(ctx, desk)
    cluster = await part.cluster()
    source = await cluster.get(sync.refs(part.options)[0])
    try:
        listed = await cluster.list(KUSTOMIZE, KUSTOMIZATION)
    except NotFound:
        return _down(part, "Flux is not there")
    if source is None:
        return _down(part, f"Flux has no GitRepository `{part.options.name}`")
    revision = ((source.get("status") or {}).get("artifact") or {}).get("revision", "")
    name = f"{part.options.namespace}/{part.options.name}"
    graph = Graph(name, Goal((GIT, name), sha_of(revision)))
    for each in listed:
        graph.take(Change("ADDED", each))
    found = _told(part, graph, graph.seen())
    if source["spec"].get("url", "").endswith(LENT):
        text = (
            f"Flux of `{part.layer}` reads castle's own copy of the repository: its host was silent at the last raise"
        )
        found["alarms"].append({"severity": "warning", "text": text, "mend": "castle raise"})
    return found


def _down(part: Part, why: str) -> Mapping[str, Any]:
    alarm = {"severity": "error", "text": f"layer `{part.layer}`: {why}", "mend": "castle raise"}
    return {"services": [], "states": ["down"], "alarms": [alarm], "unseen": []}


def _told(part: Part, graph: Graph, seen: Mapping[str, Seen]) -> dict[str, Any]:
    found: dict[str, Any] = {"services": [], "states": [], "alarms": [], "unseen": []}
    for name, each in seen.items():
        up = each.stage is Stage.READY
        state = "ready" if up else each.stage.value
        found["services"].append(
            {"layer": part.layer, "machine": "", "service": name, "container": "", "state": state, "health": "",
             "commit": sha_of(each.unit.applied)}
        )  # fmt: skip
        found["states"].append("up" if up or each.stage in WAITING else "down")
        if not up:
            severity = "warning" if each.stage in WAITING else "error"
            text = f"unit `{name}` of `{part.layer}` is {state}: {each.why}"
            found["alarms"].append({"severity": severity, "text": text, "mend": "castle raise"})
    why = graphs.frozen(seen, graph.units)
    if why:
        text = f"the units of `{part.layer}` wait for what will not come: {why}"
        found["alarms"].append({"severity": "error", "text": text, "mend": "castle raise"})
    return found
