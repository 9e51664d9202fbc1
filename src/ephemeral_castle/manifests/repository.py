"""A whole repository of manifests as the cluster would get it: objects, what renders them, what applies them. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from ephemeral_castle.manifests.tree import Map
from ephemeral_castle.model.finding import Finding, Mark


@dataclass(frozen=True)
class Object:
    """One object of the API, as it would be applied.

    Attributes:
        manifest: with the place of every value.
        chain: the kustomizations that include its file, outermost first.
        root: directory of the kustomization that renders it; "" for one of a plain file.
        unit: "namespace/name" of Flux's Kustomization that applies it; "" where none does.
    """

    manifest: Map
    chain: tuple[Mark, ...] = ()
    root: str = ""
    unit: str = ""

    @property
    def mark(self) -> Mark:
        """Where it begins."""
        return self.manifest.begin

    @property
    def api(self) -> str:
        """Group and version: "apps/v1"."""
        return str(self.manifest.get("apiVersion") or "")

    @property
    def group(self) -> str:
        """The group alone; "" for the core."""
        return self.api.rpartition("/")[0]

    @property
    def kind(self) -> str:
        """Its kind."""
        return str(self.manifest.get("kind") or "")

    @property
    def name(self) -> str:
        """Its name."""
        return str(self._meta.get("name") or "")

    @property
    def namespace(self) -> str:
        """Its namespace as it is written; "" where none is."""
        return str(self._meta.get("namespace") or "")

    @property
    def subject(self) -> str:
        """What people call it: "PostgresCluster tazlab/db"."""
        return f"{self.kind} {'/'.join(filter(None, (self.namespace, self.name)))}"

    @property
    def _meta(self) -> Mapping[str, object]:
        found = self.manifest.get("metadata")
        return found if isinstance(found, Mapping) else {}


@dataclass(frozen=True)
class Unit:
    """A Kustomization of Flux: what it applies, from where, after what."""

    object: Object
    path: str  # directory in this repository; "" when its source is another one
    needs: tuple[str, ...] = ()  # "namespace/name" of each `dependsOn`


@dataclass(frozen=True)
class Repository:
    """What was read.

    Attributes:
        objects: all, rendered and substituted; one that several roots render is there once for each.
        units: Flux's Kustomizations.
        faults: what is wrong with the files themselves; UNDECIDED ones tell what could not be looked at.
        charts: Helm releases that were not rendered: they may make any object.
        texts: the files that were read, by their path.
        orphans: objects of files below a kustomization that none holds: nobody applies them.
        unseen: what could not be looked at and may make any object: charts that were not rendered.
    """

    objects: tuple[Object, ...] = ()
    units: tuple[Unit, ...] = ()
    faults: tuple[Finding, ...] = ()
    charts: tuple[Object, ...] = ()
    texts: Mapping[str, str] = field(default_factory=dict)
    orphans: tuple[Object, ...] = ()
    unseen: tuple[Finding, ...] = ()

    def of(self, kind: str, group: str | None = None) -> Iterator[Object]:
        """The objects of a kind, in any version; of one API group where it is given."""
        return (each for each in self._by_kind.get(kind, ()) if group in (None, each.group))

    @cached_property
    def _by_kind(self) -> Mapping[str, list[Object]]:
        found: dict[str, list[Object]] = {}
        for each in self.objects:
            found.setdefault(each.kind, []).append(each)
        return found
