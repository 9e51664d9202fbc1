"""Kustomizations of Flux, cluster by cluster: what each applies, waits for, and needs. Pure.

A repository may hold several clusters, whose Kustomizations have the same names. They are told apart by the directory
that their files lie in.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from ephemeral_castle.manifests.repository import Object, Repository, Unit
from ephemeral_castle.manifests.rules import charts
from ephemeral_castle.manifests.rules.charts import Chart
from ephemeral_castle.manifests.rules.fields import Path, each, spec, text
from ephemeral_castle.manifests.rules.once import Once


@dataclass(frozen=True)
class Stage:
    """One Kustomization with all that it applies."""

    unit: Unit
    objects: tuple[Object, ...]
    releases: tuple[Chart, ...] = ()

    @property
    def id(self) -> str:
        """Its "namespace/name"."""
        return f"{self.thing.namespace}/{self.thing.name}"

    @property
    def thing(self) -> Object:
        """The Kustomization."""
        return self.unit.object

    @property
    def waits(self) -> bool:
        """Whether it is ready only when all that it applies is."""
        return spec(self.thing).get("wait") is True

    @property
    def checks(self) -> tuple[tuple[str, str, str], ...]:
        """Kind, namespace and name of each object that it waits for by name; none counts beside `wait`."""
        if self.waits:
            return ()
        found = (one for _, one in each(self.thing.manifest, "spec", "healthChecks"))
        return tuple((text(one.get("kind")), text(one.get("namespace")), text(one.get("name"))) for one in found)

    def needs(self) -> Iterator[tuple[Path, str]]:
        """Each `dependsOn`: its path and the id of what it names."""
        for path, one in each(self.thing.manifest, "spec", "dependsOn"):
            space = text(one.get("namespace")) or self.thing.namespace
            yield path, f"{space}/{text(one.get('name'))}"


@dataclass(frozen=True)
class Cluster:
    """The Kustomizations of one cluster."""

    stages: Mapping[str, Stage]
    rest: tuple[Object, ...] = field(default=())  # objects that none of them applies

    @cached_property
    def homes(self) -> Mapping[tuple[str, str, str, str], list[Stage]]:
        """Who applies an object: by group, kind, namespace and name."""
        found: dict[tuple[str, str, str, str], list[Stage]] = defaultdict(list)
        for stage in self.stages.values():
            for thing in stage.objects:
                found[(thing.group, thing.kind, thing.namespace, thing.name)].append(stage)
        return found

    def reach(self, stage: Stage) -> set[str]:
        """All that a Kustomization needs, directly or not, itself included."""
        seen: set[str] = set()
        ahead = [stage.id]
        while ahead:
            name = ahead.pop()
            if name not in seen and name in self.stages:
                seen.add(name)
                ahead += [other for _, other in self.stages[name].needs()]
        return seen


def _clusters(repository: Repository) -> list[Cluster]:
    written = {unit.object.mark: unit for unit in repository.units}.values()
    counts = Counter(f"{unit.object.namespace}/{unit.object.name}" for unit in written)
    several = any(count > 1 for count in counts.values())
    groups: dict[str, list[Unit]] = defaultdict(list)
    for unit in _once(repository):
        groups[_place(unit) if several else ""].append(unit)
    rest = tuple(thing for thing in repository.objects if not thing.unit)
    releases = {id(release.thing): release for release in charts.releases(repository)}
    held: dict[str, list[Object]] = defaultdict(list)
    for thing in repository.objects:
        held[thing.unit].append(thing)
    found = []
    for group in groups.values():
        stages = [_stage(unit, held, releases, several=several) for unit in group]
        found.append(Cluster({stage.id: stage for stage in stages}, rest))
    return found


def _stage(unit: Unit, held: Mapping[str, list[Object]], releases: Mapping[int, Chart], *, several: bool) -> Stage:
    objects = tuple(_members(unit, held, several=several))
    return Stage(unit, objects, tuple(releases[id(one)] for one in objects if id(one) in releases))


def _once(repository: Repository) -> list[Unit]:
    """Each Kustomization once for each root that renders it."""
    return list({(unit.object.mark, unit.object.root): unit for unit in repository.units}.values())


def _place(unit: Unit) -> str:
    """The directory of the cluster that a Kustomization belongs to: two levels, as `clusters/home`."""
    directory = unit.object.root or unit.object.mark.file.rpartition("/")[0]
    return "/".join(directory.split("/")[:2])


def _members(unit: Unit, held: Mapping[str, list[Object]], *, several: bool) -> Iterator[Object]:
    for thing in held.get(f"{unit.object.namespace}/{unit.object.name}", ()):
        below = f"{thing.root or thing.mark.file}/".startswith(f"{unit.path.strip('./')}/")
        if below or not several:
            yield thing


clusters = Once(_clusters)  # the clusters of a repository that have Kustomizations
