"""Resources on their way through a kustomization, and the ordered set of them. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from ephemeral_castle.manifests.kustomize.faults import Broken
from ephemeral_castle.manifests.kustomize.identity import WITHOUT_NAMESPACE, Id, parted
from ephemeral_castle.manifests.tree import Map, text
from ephemeral_castle.model.finding import Mark


@dataclass
class Shared:
    """One value in several fields: kustomize puts a label into all of them as one node, and a change changes all."""

    value: str
    places: list[tuple[Map, str]]

    def settle(self) -> None:
        """Brings the fields to one value again, after some of them changed."""
        self.places = [(holder, key) for holder, key in self.places if key in holder]
        changed = [(holder, key) for holder, key in self.places if holder[key] != self.value]
        if changed:
            new, name = changed[-1]
            self.value = new[name]
            for holder, key in self.places:
                holder.put(key, new[name], holder.named[key], new.at[name])


@dataclass(eq=False)
class Resource:
    """One resource.

    Attributes:
        manifest: what it is now.
        chain: the lines that include it, outermost first.
        earlier: namespace, name and kind of each time before it was renamed, the first first.
        prefixes: of its name, in the order in which they were put on; `suffixes` likewise.
        hashed: its name shall end in a hash of its content.
        behavior: of a generated one: "", "create", "merge" or "replace".
        shared: labels and annotations that were put into several fields at once.
    """

    manifest: Map
    chain: tuple[Mark, ...] = ()
    earlier: list[tuple[str, str, str]] = field(default_factory=list)
    prefixes: list[str] = field(default_factory=list)
    suffixes: list[str] = field(default_factory=list)
    hashed: bool = False
    behavior: str = ""
    shared: list[Shared] = field(default_factory=list)

    @property
    def api(self) -> str:
        """Its apiVersion."""
        return text(self.manifest.get("apiVersion"))

    @property
    def kind(self) -> str:
        """Its kind."""
        return text(self.manifest.get("kind"))

    @property
    def meta(self) -> Map:
        """Its metadata, for reading."""
        found = self.manifest.get("metadata")
        return found if isinstance(found, Map) else Map(self.manifest.begin)

    @property
    def name(self) -> str:
        """Its name."""
        return text(self.meta.get("name"))

    @property
    def namespace(self) -> str:
        """Its namespace as it is written."""
        return text(self.meta.get("namespace"))

    @property
    def id(self) -> Id:
        """Its identity now."""
        api, kind = self.api, self.kind
        return Id(*parted(api), kind, self.name, self.namespace, f"{api}/{kind}" in WITHOUT_NAMESPACE)

    @property
    def earlier_ids(self) -> list[Id]:
        """Its identities before it was renamed, the first first."""
        group, version = parted(self.api)
        return [Id(group, version, kind, name, space) for space, name, kind in self.earlier]

    @property
    def ids(self) -> list[Id]:
        """All its identities."""
        return [*self.earlier_ids, self.id]

    @property
    def first_id(self) -> Id:
        """Its identity as it was written."""
        return self.earlier_ids[0] if self.earlier else self.id

    def remember(self) -> None:
        """Keeps its present identity, before it is renamed.

        Raises:
            Broken: a patch took its name; kustomize panics.
        """
        now = self.id
        if not now.name or not now.kind:
            says = "number of previous names, number of previous namespaces, number of previous kinds not equal"
            raise Broken("this object has lost its name, or its kind, by a patch", self.manifest.begin, says)
        self.earlier.append((now.space, now.name, now.kind))

    def settle(self) -> None:
        """Brings values that several fields share to one again, after the manifest was changed in place."""
        for each in self.shared:
            each.settle()

    def strings(self, key: str) -> dict[str, str]:
        """Its labels or annotations."""
        found = self.meta.get(key)
        return {name: text(value) for name, value in found.items()} if isinstance(found, Map) else {}


class Resources:
    """An ordered set of resources, each of an identity of its own."""

    def __init__(self) -> None:
        self.list: list[Resource] = []
        self._names: dict[tuple[str, str], list[Resource]] = {}  # as they were when they came in: a first guess

    def __iter__(self) -> Iterator[Resource]:
        return iter(self.list)

    def reindex(self) -> None:
        """Notes the present names: after any of them changed."""
        self._names = {}
        for each in self.list:
            self._names.setdefault((each.kind, each.name), []).append(each)

    def add(self, resource: Resource, mark: Mark) -> None:
        """Appends one. `mark`: what brings it.

        Raises:
            Broken: one of its identity is there.
        """
        new = resource.id
        for each in self._names.get((new.kind, new.name), ()):
            if each.id.same(new):
                first = f"the first is {each.manifest.begin}"
                says = f"may not add resource with an already registered id: {new}"
                where = resource.manifest.begin if resource.manifest.begin.line else mark
                raise Broken(f"this is a second {words(new)}", where, says, first)
        self.list.append(resource)
        self._names.setdefault((new.kind, new.name), []).append(resource)

    def by_any_id(self, wanted: Callable[[Id], bool]) -> list[Resource]:
        """Those of which a present or earlier identity is wanted."""
        return [each for each in self.list if any(wanted(one) for one in each.ids)]

    def keep(self, wanted: Callable[[Resource], bool]) -> None:
        """Drops all others."""
        self.list = [each for each in self.list if wanted(each)]
        self.reindex()


def as_texts(meta: Map, key: str) -> None:
    """Makes labels or annotations what kustomize makes of them where it writes them: texts, and nothing of none."""
    found = meta.get(key)
    if isinstance(found, Map):
        for name, each in found.items():
            if not isinstance(each, str | dict | list):
                found[name] = text(each)
        if not found:
            meta.drop(key)


def words(found: Id) -> str:
    """An identity for people: "Deployment tazlab/web"."""
    return f"{found.kind} {'/'.join(filter(None, (found.namespace, found.name)))}"
