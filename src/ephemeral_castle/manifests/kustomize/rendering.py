"""Renders a kustomization with all that it stands on. Pure.

The order of the steps is kustomize's own: resources, generators, components, then patches, namespace, prefix, suffix,
labels, annotations, JSON patches, replicas, images, replacements; at the very end hashes, references, order.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any

from ephemeral_castle.manifests.files import Unreadable, joined, within
from ephemeral_castle.manifests.kustomize import generators, labelling, naming, patching, references, replacing
from ephemeral_castle.manifests.kustomize.configuring import named_fields
from ephemeral_castle.manifests.kustomize.definition import CHARTS, NAMES, Definition, define
from ephemeral_castle.manifests.kustomize.faults import Broken, NotRendered
from ephemeral_castle.manifests.kustomize.fields import Spec
from ephemeral_castle.manifests.kustomize.inline import documents
from ephemeral_castle.manifests.kustomize.ordering import ordered
from ephemeral_castle.manifests.kustomize.resource import Resource, Resources, as_texts
from ephemeral_castle.manifests.kustomize.sources import Sources
from ephemeral_castle.manifests.kustomize.specs import COMMON_ANNOTATIONS, COMMON_LABELS, Target
from ephemeral_castle.manifests.load import Fault
from ephemeral_castle.manifests.tree import Map, Seq, copied, text
from ephemeral_castle.model.finding import Mark

REMOTE = re.compile(r"(?i)^(?:[a-z][a-z0-9+.-]*://|git::|gh:|git@|[\w.-]+@[\w.-]+:|github\.com[:/])|\?(?:ref|version)=")
MOST = 20_000  # resources of one root: bases under bases, each with another prefix, double every time
DEEPEST = 50  # kustomizations below one another
LOCAL = "config.kubernetes.io/local-config"


@dataclass
class Rendered:
    """What came of a kustomization.

    Attributes:
        resources: in kubectl's order.
        used: the files that were read.
        charts: entries of `helmCharts`, whose objects are not among the resources.
        idle: patches that met nothing, by their place.
        faults: resources that are wrong: kubectl stops at the first, and all of them are worth knowing.
    """

    resources: list[Resource] = field(default_factory=list)
    used: set[str] = field(default_factory=set)
    charts: list[tuple[Map, tuple[Mark, ...]]] = field(default_factory=list)
    idle: list[Mark] = field(default_factory=list)
    faults: list[Broken] = field(default_factory=list)


class Renderer:
    """Renders one root.

    Args:
        sources: of the repository.
        restricted: files must lie in or below the kustomization that names them, as kubectl wants it; Flux does not.
    """

    def __init__(self, sources: Sources, *, restricted: bool = True) -> None:
        self.sources, self.restricted = sources, restricted
        self.rendered = Rendered()
        self.names: list[tuple[Target, Spec]] = []

    def render(self, root: Definition) -> Rendered:
        """All resources of a root.

        Raises:
            Broken: kubectl refuses it.
            NotRendered: it needs what is not rendered here.
        """
        resources = Resources()
        self._accumulate(root, resources, (), (root.directory,))
        naming.hashes(resources)
        references.follow(resources, self.names)
        kept = [each for each in resources if each.strings("annotations").get(LOCAL, "false") == "false"]
        for each in kept:
            as_texts(each.meta, "annotations")
        self.rendered.resources = ordered(kept, root.map("sortOptions"))
        return self.rendered

    def define(self, directory: str, mark: Mark) -> Definition:
        """The kustomization of a directory.

        Raises:
            Broken: there is none, or it is none.
            NotRendered: it has a field that is not rendered here.
        """
        found = [path for name in NAMES if self.sources.files.is_file(path := f"{directory}/{name}".lstrip("/"))]
        if len(found) != 1:
            where = directory or "."
            names = " or ".join([", ".join(f"'{name}'" for name in NAMES[:-1]), f"'{NAMES[-1]}'"])
            says = f"unable to find one of {names} in directory '{where}'"
            if found:
                says = f"Found multiple kustomization files under: {where}"
                raise Broken(f"`{where}` has several kustomizations", Mark(found[1], 1, 1), says)
            raise Broken(f"`{where}` has no kustomization.yaml", mark, says)
        parsed = self._documents(found[0], mark, words=True)
        value, at = parsed[0] if parsed else (Map(Mark(found[0], 1, 1)), Mark(found[0], 1, 1))
        return define(value, at, directory, found[0])

    def _accumulate(
        self, kust: Definition, resources: Resources, chain: tuple[Mark, ...], visited: tuple[str, ...]
    ) -> None:
        for path, mark in kust.each("resources", "bases"):
            try:
                self._resource(kust, resources, path, (chain, mark), visited)
            except Broken as error:
                if error not in self.rendered.faults:
                    self.rendered.faults.append(error)
        if self.rendered.faults:
            raise self.rendered.faults[0]
        for key, kind in (("configMapGenerator", "ConfigMap"), ("secretGenerator", "Secret")):
            for args, _ in kust.each(key):
                load = lambda path, at, kust=kust: self._bytes(kust, path, at)  # noqa: E731
                made = generators.generate(args, kust.map("generatorOptions"), kind, load, chain)
                generators.absorb(resources, made)
        for key in CHARTS:
            self.rendered.charts += [(each, chain) for each, _ in kust.each(key) if isinstance(each, Map)]
        for path, mark in kust.each("components"):
            below = self._below(kust, path, mark, visited)
            if below.kind != "Component":
                says = f"expected kind 'Component' for path '{below.directory}' but got '{below.kind}'"
                raise Broken(f"`{path}` is no component", mark, says)
            self._accumulate(below, resources, (*chain, mark), (*visited, below.directory))
        self._transform(kust, resources)
        for path, mark in kust.each("configurations"):
            for value, _ in self._documents(self._path(kust, path, mark), mark, words=True):
                self.names += named_fields(value, mark)

    def _resource(
        self, kust: Definition, resources: Resources, path: str, where: tuple[tuple[Mark, ...], Mark],
        visited: tuple[str, ...],
    ) -> None:  # fmt: skip
        chain, mark = where
        full = joined(kust.directory, path)
        if full is not None and self.sources.files.is_file(full) and not path.endswith("/"):
            for each in self._objects(kust, path, mark):
                each.chain = (*chain, mark)
                resources.add(each, mark)
        else:
            below = self._below(kust, path, mark, visited)
            if below.kind == "Component":
                raise Broken(
                    f"`{path}` is a component", mark, f"expected kind != 'Component' for path '{below.directory}'",
                    "name it under `components`",
                )  # fmt: skip
            inside = Resources()
            self._accumulate(below, inside, (*chain, mark), (*visited, below.directory))
            for each in inside:
                resources.add(each, mark)
        if len(resources.list) > MOST:
            raise NotRendered(f"more than {MOST} resources", mark)

    def _below(self, kust: Definition, path: str, mark: Mark, visited: tuple[str, ...]) -> Definition:
        full = joined(kust.directory, path)
        if full is None or not self.sources.files.is_directory(full):
            if REMOTE.search(path):
                raise NotRendered(f"the remote base `{path}`", mark)
            if full is None:
                raise NotRendered(f"`{path}`, which lies outside of what is read,", mark)
            says = f"accumulating resources from '{path}': open {full}: no such file or directory"
            raise Broken(f"there is no `{path}`", mark, says, self._near(full))
        if any(within(each, full) for each in visited):
            says = f"cycle detected: candidate root '{full or '.'}' contains visited root '{visited[-1] or '.'}'"
            raise Broken(f"`{path}` holds the kustomization that names it", mark, says)
        if len(visited) > DEEPEST:
            raise NotRendered(f"more than {DEEPEST} kustomizations below one another", mark)
        return self.define(full, mark)

    def _near(self, path: str) -> str:
        """The file that was probably meant: of another ending, another case, or with a slip."""
        directory, _, name = path.rpartition("/")
        stem, _, ending = name.rpartition(".")
        names = [each.rstrip("/") for each in self.sources.files.list(directory)]
        others = {f"{stem}.yaml", f"{stem}.yml", f"{stem}.json", stem} if ending in ("yaml", "yml", "json") else set()
        close = [each for each in names if each.lower() == name.lower() or each in others]
        close = close or get_close_matches(name, names, 1, 0.8)
        return f"there is `{close[0]}`" if close else ""

    def _transform(self, kust: Definition, resources: Resources) -> None:
        for path, mark in kust.each("patchesStrategicMerge"):
            for value, at in self._strategic(kust, path, mark):
                patching.one(resources, patching.written_anew(value), at, Map())
        for entry, mark in kust.each("patches"):
            patch = patching.read(entry, self._reader(kust))
            if not patching.apply(resources, patch) and patch.target and patch.target.get("name"):
                self.rendered.idle.append(mark)  # one for all of a kind may well meet none of it
        space, at = kust.one("namespace")
        if space:
            naming.namespace(resources, space, at)
        for key in ("namePrefix", "nameSuffix"):
            value, at = kust.one(key)
            if value:
                naming.affix(resources, at, **{key.removeprefix("name").lower(): value})
        for entry, _ in kust.each("labels"):
            labelling.mark_all(resources, entry.get("pairs") or Map(), labelling.specs_of(entry))
        labelling.mark_all(resources, kust.map("commonLabels"), COMMON_LABELS)
        labelling.mark_all(resources, kust.map("commonAnnotations"), COMMON_ANNOTATIONS)
        for entry, mark in kust.each("patchesJson6902"):
            patch = patching.read(entry, self._reader(kust))
            if not patching.operations(resources, patch, remember=False):
                self.rendered.idle.append(mark)
        for entry, _ in kust.each("replicas"):
            labelling.replicas(resources, entry)
        for entry, _ in kust.each("images", "imageTags"):
            labelling.image(resources, entry)
        for entry, mark in kust.each("replacements"):
            for each in self._replacements(kust, entry, mark):
                replacing.replace(resources, each)

    def _replacements(self, kust: Definition, entry: Map, mark: Mark) -> list[Map]:
        path = entry.get("path")
        if not path:
            return [entry]
        if entry.get("source") or entry.get("targets"):
            raise Broken("a replacement is here or in a file", mark, "cannot specify both path and inline replacement")
        found = [value for value, _ in self._documents(self._path(kust, path, entry.at["path"]), entry.at["path"])]
        return [each for value in found for each in (value if isinstance(value, Seq) else [value])]

    def _strategic(self, kust: Definition, written: str, mark: Mark) -> list[tuple[Any, Mark]]:
        """The patches of an entry of `patchesStrategicMerge`: written there, or in a file."""
        if "\n" in written or ": " in written:
            found, faults = documents(written, mark, self.sources.texts.get(mark.file, ""))
            _stop(faults, mark)
        else:
            found = self._documents(self._path(kust, written, mark), mark)
        for value, at in found:
            if not isinstance(value, Map) or not isinstance(value.get("metadata"), Map):
                raise Broken("this is no patch", at, "missing metadata.name in object")
        return found

    def _reader(self, kust: Definition) -> patching.Read:
        def read(mark: Mark, path: str, inline: str) -> list[tuple[Any, Mark]]:
            if path:
                return self._documents(self._path(kust, path, mark), mark)
            found, faults = documents(inline, mark, self.sources.texts.get(mark.file, ""))
            _stop(faults, mark)
            return found

        return read

    def _objects(self, kust: Definition, path: str, mark: Mark) -> list[Resource]:
        """The resources of a file, those inside of lists included."""
        left = list(self._documents(self._path(kust, path, mark), mark))
        found = []
        while left:
            value, at = left.pop(0)
            kind = text(value.get("kind")) if isinstance(value, Map) else ""
            items = value.get("items") if kind.endswith("List") else None
            if isinstance(items, Seq):
                left += [(each, where) for each, where in zip(items, items.at, strict=True) if each is not None]
            elif not kind.endswith("List") or "items" not in value:
                _check(value, kind, at)
                found.append(Resource(copied(value)))
        return found

    def _path(self, kust: Definition, path: str, mark: Mark) -> str:
        full = joined(kust.directory, path)
        if REMOTE.search(path) and not (full and self.sources.files.is_file(full)):
            raise NotRendered(f"the remote file `{path}`", mark)
        if full is None or (self.restricted and not within(full, kust.directory)):
            says = f"security; file '{path}' is not in or below '{kust.directory or '.'}'"
            hint = "a directory with a kustomization.yaml of its own may lie elsewhere, a file may not"
            raise Broken(f"`{path}` is not in or below this directory", mark, says, hint)
        return full

    def _bytes(self, kust: Definition, path: str, mark: Mark) -> bytes:
        full = self._path(kust, path, mark)
        try:
            found = self.sources.files.read(full)
        except FileNotFoundError:
            says = f"loading KV pairs: file sources: [{path}]: open {full}: no such file or directory"
            raise Broken(f"there is no `{path}`", mark, says, self._near(full)) from None
        except Unreadable as error:
            raise Broken(f"`{path}` cannot be read: {error}", mark) from None
        self.rendered.used.add(full)
        return found

    def _documents(self, full: str, mark: Mark, *, words: bool = False) -> list[tuple[Any, Mark]]:
        try:
            parsed = self.sources.documents(full, words=words)
        except FileNotFoundError:
            says = f"open {full}: no such file or directory"
            raise Broken(f"there is no `{full}`", mark, says, self._near(full)) from None
        except Unreadable as error:
            raise Broken(f"`{full}` cannot be read: {error}", Mark(full)) from None
        self.rendered.used.add(full)
        _stop(parsed.faults, Mark(full))
        return parsed.roots


def _stop(faults: Sequence[Fault], mark: Mark) -> None:
    if faults:
        first = faults[0]
        at = Mark(mark.file, first.line, first.column) if first.line else mark
        raise Broken(first.message, at, f"MalformedYAMLError: yaml: line {first.line}", first.hint)


def _check(value: Any, kind: str, at: Mark) -> None:
    meta = value.get("metadata") if isinstance(value, Map) else None
    if not kind:
        says = "missing kind in object" if isinstance(value, Map) else "wrong Node Kind for  expected: MappingNode"
        raise Broken("a resource needs `kind`", at, says)
    if not isinstance(meta, Map) or not meta.get("name"):
        hint = "kustomize takes no `generateName`" if isinstance(meta, Map) and meta.get("generateName") else ""
        raise Broken(f"this {kind} has no `metadata.name`", at, f"missing metadata.name in object {kind}", hint)
