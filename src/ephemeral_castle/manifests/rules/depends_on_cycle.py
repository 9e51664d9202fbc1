"""Kustomizations, or releases, that wait for each other by `dependsOn`."""

from __future__ import annotations

from collections.abc import Iterator

from ephemeral_castle.manifests.repository import Object, Repository
from ephemeral_castle.manifests.rules.fields import ERROR, Path, each, fault, text
from ephemeral_castle.manifests.rules.knots import knots
from ephemeral_castle.manifests.rules.rule import Rule, Setting
from ephemeral_castle.manifests.rules.units import clusters
from ephemeral_castle.model.finding import Finding

ID = "depends-on-cycle"


def find(repository: Repository, setting: Setting) -> Iterator[Finding]:
    """Looks at the Kustomizations of each cluster, and at all releases."""
    for cluster in clusters(repository):
        yield from _rings({name: stage.thing for name, stage in cluster.stages.items()})
    yield from _rings({f"{one.namespace}/{one.name}": one for one in repository.of("HelmRelease")})


def _rings(things: dict[str, Object]) -> Iterator[Finding]:
    needs = {name: list(_needs(thing)) for name, thing in things.items()}
    for knot in knots({name: [other for _, other in found] for name, found in needs.items()}):
        first = min(knot)
        path = next(path for path, other in needs[first] if other in knot)
        ring = " → ".join([*_walk(first, needs, set(knot)), first])
        message = f"it waits for itself: {ring}" if len(knot) > 1 else "it waits for itself"
        hints = ("take one of these needs away: nothing of the ring is ever applied",)
        yield fault(ID, ERROR, things[first], path, message, hints=hints)


def _needs(thing: Object) -> Iterator[tuple[Path, str]]:
    for path, one in each(thing.manifest, "spec", "dependsOn"):
        yield path, f"{text(one.get('namespace')) or thing.namespace}/{text(one.get('name'))}"


def _walk(first: str, needs: dict[str, list[tuple[Path, str]]], knot: set[str]) -> list[str]:
    """A shortest way from a node back to it."""
    ways = [[first]]
    seen = {first}
    while ways:
        way = ways.pop(0)
        for _, other in needs.get(way[-1], ()):
            if other == first:
                return way
            if other in knot and other not in seen:
                seen.add(other)
                ways.append([*way, other])
    return [first]


RULE = Rule(
    ID,
    "Kustomizations or releases depend on each other in a ring",
    "Flux waits for every `dependsOn` without end: in a ring nothing is applied, and nothing fails either. Living "
    "clusters hide it, because each was ready before the ring was closed; a rebirth does not end.",
    "Flux' documentation of dependsOn; a ring of Kustomizations just waits",
    find,
    ("F62", "F117"),
)
