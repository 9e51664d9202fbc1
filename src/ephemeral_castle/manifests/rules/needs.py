"""What cannot be before what: a graph of Kustomizations and objects, and the rings in it. Pure.

A Kustomization is *applied* when the API server took all its objects, *ready* when those that it waits for are. Objects
are ready, or not; what a pod mounts, an ExternalSecret asks, a store is reached by, has to be ready ahead of it.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from ephemeral_castle.manifests.repository import Object, Repository
from ephemeral_castle.manifests.rules import charts, operated
from ephemeral_castle.manifests.rules.contents import target
from ephemeral_castle.manifests.rules.fields import Path, dig, each, scalars, spec, text
from ephemeral_castle.manifests.rules.knots import knots
from ephemeral_castle.manifests.rules.pods import TEMPLATES, of, selected
from ephemeral_castle.manifests.rules.references import Reference
from ephemeral_castle.manifests.rules.references import of as references
from ephemeral_castle.manifests.rules.units import Cluster, Stage

Key = tuple[str, str, str, str]
FLUX = "toolkit.fluxcd.io"
HOST = re.compile(r"(?:^|//|@)([a-z0-9-]+)\.([a-z0-9-]+)(?:\.svc(?:\.[a-z0-9.-]*)?)?(?=[:/.]|$)")


@dataclass(frozen=True)
class Node:
    """One event that others wait for: `what` of a Kustomization or an object."""

    what: str  # "applied" or "ready"
    thing: Object

    @property
    def key(self) -> Key:
        """What makes it one, however often its object is rendered."""
        return self.what, self.thing.kind, self.thing.namespace, self.thing.name


@dataclass(frozen=True)
class Edge:
    """One need: whose field says so."""

    after: Node
    before: Node
    thing: Object
    path: Path
    why: str


@dataclass
class Graph:
    """All needs of a cluster."""

    edges: dict[Key, list[Edge]] = field(default_factory=lambda: defaultdict(list))

    def add(self, edge: Edge) -> None:
        """Takes one in."""
        self.edges[edge.after.key].append(edge)

    def rings(self) -> Iterator[list[Edge]]:
        """A shortest ring through each knot of the graph, one for each."""
        for knot in knots({key: [edge.before.key for edge in found] for key, found in self.edges.items()}):
            yield self._ring(min(knot), set(knot))

    def _ring(self, start: Key, inside: set[Key]) -> list[Edge]:
        came: dict[Key, Edge] = {}
        ahead = [start]
        while ahead:
            key = ahead.pop(0)
            for edge in self.edges[key]:
                after = edge.before.key
                if after == start:
                    return [*_back(came, start, key), edge]
                if after in inside and after not in came:
                    came[after] = edge
                    ahead.append(after)
        raise AssertionError("a knot has a ring")


def build(repository: Repository, cluster: Cluster) -> Graph:
    """The needs of one cluster."""
    graph = Graph()
    for edge in (*_stages(cluster), *_kinds(repository, cluster), *_objects(cluster)):
        graph.add(edge)
    return graph


def _stages(cluster: Cluster) -> Iterator[Edge]:
    spaces: dict[str, list[Stage]] = defaultdict(list)
    for stage in cluster.stages.values():
        for name in {one.name for one in stage.objects if one.kind == "Namespace"}:
            spaces[name].append(stage)
    for stage in cluster.stages.values():
        applied, ready = Node("applied", stage.thing), Node("ready", stage.thing)
        yield Edge(ready, applied, stage.thing, (), "")
        for path, name in stage.needs():
            if name in cluster.stages:
                other = cluster.stages[name].thing
                yield Edge(applied, Node("ready", other), stage.thing, path, f"depends on {name}")
        own = {one.name for one in stage.objects if one.kind == "Namespace"}
        for one in stage.objects:
            yield Edge(Node("ready", one), applied, one, (), f"is applied by {stage.id}")
            if stage.waits or (one.kind, one.namespace, one.name) in stage.checks:
                path = ("spec", "wait") if stage.waits else ("spec", "healthChecks")
                yield Edge(ready, Node("ready", one), stage.thing, path, f"waits for {one.subject}")
            makers = spaces.get(one.namespace, [])
            if len(makers) == 1 and one.namespace not in own:  # of several, one is there before the others
                maker = makers[0]
                why = f"has its namespace `{one.namespace}` from {maker.id}"
                yield Edge(applied, Node("applied", maker.thing), one, ("metadata", "namespace"), why)


def _kinds(repository: Repository, cluster: Cluster) -> Iterator[Edge]:
    """Kustomizations with objects of a kind that a chart elsewhere brings."""
    makers = {
        group: (stage, release)
        for stage in cluster.stages.values()
        for release in stage.releases
        if not charts.ahead(repository, release.name)
        for group in release.groups
    }
    for stage in cluster.stages.values():
        for one in stage.objects:
            found = makers.get(one.group)
            if found and found[0].id != stage.id:
                why = f"is of a kind that the chart {found[1].name} of {found[0].id} brings"
                yield Edge(Node("applied", stage.thing), Node("ready", found[1].thing), one, ("kind",), why)


def _objects(cluster: Cluster) -> Iterator[Edge]:
    inside = [one for stage in cluster.stages.values() for one in stage.objects]
    makers = _makers(inside)
    services = {(one.name, one.namespace): one for one in inside if one.kind == "Service"}
    for one in inside:
        for wanted in references(one):
            if wanted.optional or not wanted.name or wanted.kind in ("StorageClass", "ServiceAccount"):
                continue
            if wanted.outside and one.group.endswith(FLUX):
                continue  # what Flux itself needs is there before Flux
            for maker in _one(makers, wanted):
                why = f"needs the {wanted.kind} `{wanted.name}`"
                yield Edge(Node("ready", one), Node("ready", maker), one, wanted.path, why)
        if one.kind in ("SecretStore", "ClusterSecretStore"):
            yield from _reached(one, inside, services)
        if one.kind == "HelmRelease":
            for path, other in each(one.manifest, "spec", "dependsOn"):
                space = text(other.get("namespace")) or one.namespace
                yield from (
                    Edge(Node("ready", one), Node("ready", found), one, path, f"depends on {found.subject}")
                    for found in inside
                    if (found.kind, found.namespace, found.name) == ("HelmRelease", space, other.get("name"))
                )


def _one(makers: Mapping[tuple[str, str], list[Object]], wanted: Reference) -> list[Object]:
    """What makes it, where only one does: of several, one is there before the others."""
    found = {one.mark: one for one in makers.get((wanted.kind, wanted.name), ())}
    there = [one for one in found.values() if not wanted.namespace or one.namespace in ("", wanted.namespace)]
    return there if len(there) == 1 and there[0].mark != wanted.thing.mark else []


def _makers(inside: Iterable[Object]) -> Mapping[tuple[str, str], list[Object]]:
    found: dict[tuple[str, str], list[Object]] = defaultdict(list)
    for one in inside:
        found[(one.kind, one.name)].append(one)
        if one.kind == "ExternalSecret":
            found[("Secret", target(one))].append(one)
        for made in operated.made(one):
            found[(made.kind, made.name)].append(one)
    return found


def _reached(store: Object, inside: list[Object], services: Mapping[tuple[str, str], Object]) -> Iterator[Edge]:
    """What serves a store whose address is one of the cluster."""
    for path, value in scalars(dig(store.manifest, "spec", "provider"), ("spec", "provider")):
        match = HOST.search(value) if isinstance(value, str) else None
        if not match:
            continue
        name, space = match.groups()
        service = services.get((name, space))
        for one in inside:
            pods = one.kind in TEMPLATES and service is not None and selected(service, of(one))
            chart = one.kind == "HelmRelease" and _released(one) == (name, space)
            if pods or chart:
                why = f"is reached at `{name}.{space}`, which {one.subject} serves"
                yield Edge(Node("ready", store), Node("ready", one), store, path, why)


def _released(release: Object) -> tuple[str, str]:
    wanted = spec(release)
    return text(wanted.get("releaseName")) or release.name, text(wanted.get("targetNamespace")) or release.namespace


def _back(came: Mapping[Key, Edge], start: Key, key: Key) -> list[Edge]:
    found: list[Edge] = []
    while key != start:
        found.append(came[key])
        key = came[key].after.key
    return found[::-1]
