"""Reads a repository as the cluster would get it: rendered, filled in, and what nobody applies told apart. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from ephemeral_castle.manifests import flux, looking, releases
from ephemeral_castle.manifests.files import Files, Unreadable, joined, within
from ephemeral_castle.manifests.kustomize.definition import NAMES, Definition, define
from ephemeral_castle.manifests.kustomize.faults import Broken, NotRendered
from ephemeral_castle.manifests.kustomize.rendering import Rendered, Renderer
from ephemeral_castle.manifests.kustomize.sources import NotText, Sources
from ephemeral_castle.manifests.load import Fault
from ephemeral_castle.manifests.ports import Ports
from ephemeral_castle.manifests.repository import Object, Repository, Unit
from ephemeral_castle.manifests.substituting import line_of, told
from ephemeral_castle.manifests.substitution import Trouble, Variables, disabled, substitute
from ephemeral_castle.manifests.tree import Map, copied, text
from ephemeral_castle.manifests.unrendered import elsewhere, held, spaced
from ephemeral_castle.model.finding import Finding, Mark, Severity

NO_PORTS = Ports()


def read(files: Files, start: str = "", ports: Ports = NO_PORTS) -> Repository:
    """A repository.

    Args:
        files: of the repository, from its root: bases may lie beside what is read.
        start: directory below which everything is read.
        ports: programs that render what is not rendered here.
    """
    return _Reading(Sources(files), start, ports).repository()


def read_files(files: Files, paths: Sequence[str]) -> Repository:
    """Single files, each of which holds objects and nothing else; kustomizations are not followed."""
    reading = _Reading(Sources(files), "", NO_PORTS)
    for path in paths:
        reading.single(path)
    return reading.result()


class _Reading:
    def __init__(self, sources: Sources, start: str, ports: Ports) -> None:
        self.sources, self.files, self.start, self.ports = sources, sources.files, start, ports
        self.objects: list[Object] = []
        self.orphans: list[Object] = []
        self.units: list[Unit] = []
        self.charts: list[Object] = []
        self.faults: dict[Finding, None] = {}
        self.used: set[str] = set()
        self.applied: set[tuple[object, ...]] = set()

    def repository(self) -> Repository:
        """Everything."""
        found = looking.look(self.files, self.start)
        texts = [path for path in found.manifests if self._may_hold(path)]
        ahead = [unit for path in texts for unit in self._units_of(path)]
        taken = {_directory(unit) for unit in ahead if unit.path}
        held_dirs = {each for directory in found.kustomizations for each in self._bases(directory)}
        held_dirs |= {
            each for path in taken - set(found.kustomizations) for each in flux.manifests_below(self.files, path)
        }
        for directory in found.kustomizations:
            if directory not in held_dirs and directory not in taken:
                self._root(directory)
        self._apply(0)
        for unit in sorted(ahead, key=lambda each: _inside(each, taken)):
            if unit.object.mark.file not in self.used:  # one that is applied by itself, as Flux' own is
                self._by_itself(unit.object)
        for path in texts:
            if path not in self.used:
                self._plain(path, found.kustomizations, taken)
        return self.result()

    def result(self) -> Repository:
        """What was found."""
        self._yaml_faults()
        made, unseen, left = releases.render(self.charts, self.files, self.ports)
        return Repository(
            (*self.objects, *made), tuple(self.units), tuple(self.faults), tuple(left),
            dict(self.sources.texts), tuple(self.orphans), tuple(unseen),
        )  # fmt: skip

    def single(self, path: str) -> None:
        """A file that is named by itself."""
        if self._text(path) is None:
            return
        if path.rpartition("/")[2] in NAMES:
            self._kustomization(path)
            return
        for value, mark in self._documents(path):
            for each, at in looking.items(value, mark):
                if isinstance(each, Map) and each.get("apiVersion") and each.get("kind"):
                    self._add(Object(each))
                else:
                    message = "a document is an object: it begins with `apiVersion:` and `kind:`"
                    self._fault(Finding("yaml", Severity.ERROR, message, at))

    def _kustomization(self, path: str) -> None:
        """A kustomization that is named by itself: its fields are judged, what it names is not followed."""
        parsed = self.sources.documents(path, words=True)
        if parsed.faults:
            return  # told as such
        value, mark = next(iter(parsed.roots), (Map(Mark(path, 1, 1)), Mark(path, 1, 1)))
        try:
            define(value, mark, path.rpartition("/")[0], path)
        except Broken as error:
            hints = tuple(filter(None, (error.hint,)))
            self._fault(Finding("kustomization", Severity.ERROR, error.message, error.mark, hints, error.says))
        except NotRendered as error:
            message = f"{error.what} is not rendered by castle"
            self._fault(Finding("kustomization-not-rendered", Severity.UNDECIDED, message, error.mark))

    def _may_hold(self, path: str) -> bool:
        found = self._text(path)
        return found is not None and looking.may_hold_objects(found)

    def _text(self, path: str) -> str | None:
        """The text of a file; None, and a fault, where it cannot be read."""
        try:
            return self.sources.text(path)
        except NotText as error:
            mark = Mark(path, error.line, error.column)
            self._fault(Finding("file-not-utf8", Severity.ERROR, str(error), mark, ("save it as UTF-8",)))
        except Unreadable as error:
            self._fault(Finding("file-unreadable", Severity.ERROR, str(error), Mark(path), (f"ls -l {path}",)))
        except FileNotFoundError:
            self._fault(Finding("file-unreadable", Severity.ERROR, "this file is gone", Mark(path)))
        return None

    def _documents(self, path: str) -> list[tuple[object, Mark]]:
        return list(self.sources.documents(path, words=True).roots)

    def _objects_of(self, path: str) -> Iterator[Object]:
        for value, mark in self._documents(path):
            for each, _ in looking.items(value, mark):
                if looking.is_object(each):
                    yield Object(each)

    def _units_of(self, path: str) -> Iterator[Unit]:
        if flux.GROUP in self.sources.text(path):
            for each in self._objects_of(path):
                if flux.is_unit(each.manifest):
                    yield flux.unit(each, self.files)

    def _bases(self, directory: str) -> Iterator[str]:
        """The directories that a kustomization stands on."""
        try:
            kust = Renderer(self.sources).define(directory, Mark(directory))
        except (Broken, NotRendered):
            return
        if kust.kind == "Component":
            yield directory  # one is never rendered by itself
        for path, _ in kust.each("resources", "bases", "components"):
            full = joined(directory, path)
            if full is not None and self.files.is_directory(full):
                yield full

    def _root(self, directory: str) -> None:
        """Renders a kustomization that nobody else holds."""
        renderer = Renderer(self.sources)
        try:
            rendered = renderer.render(renderer.define(directory, Mark(directory)))
        except Broken as error:
            self._broken(renderer.rendered.faults or [error], directory)
        except NotRendered as error:
            self._elsewhere(error, directory)
        else:
            self._keep(rendered, directory)
            for each in rendered.resources:
                self._add(Object(each.manifest, each.chain, directory))
        self.used |= renderer.rendered.used

    def _apply(self, seen: int) -> None:
        """Renders what the units apply that were found since, and what those apply in turn."""
        while seen < len(self.units):
            unit = self.units[seen]
            seen += 1
            if unit.path:
                self._unit(unit)

    def _unit(self, unit: Unit) -> None:
        spec = unit.object.manifest.get("spec")
        path = _directory(unit)
        variables = flux.variables(unit.object, self._find(unit))
        key = (unit.object.namespace, unit.object.name, path, repr(spec), repr(variables))
        if key in self.applied:
            return
        self.applied.add(key)
        renderer = Renderer(self.sources, restricted=False)
        try:
            rendered = renderer.render(self._overlay(renderer, unit, path, _path_mark(unit)))
        except Broken as error:
            self._broken(renderer.rendered.faults or [error], path, unit, variables)
        except NotRendered as error:
            self._elsewhere(error, path, unit, variables)
        else:
            self._keep(rendered, path)
            for each in rendered.resources:
                self._filled(each.manifest, each.chain, unit, variables)
        self.used |= renderer.rendered.used

    def _filled(self, manifest: Map, chain: tuple[Mark, ...], unit: Unit, variables: Variables | None) -> None:
        """Adds an object of a unit as Flux applies it."""
        troubles = list[Trouble]()
        if variables is not None and not disabled(manifest):
            manifest, troubles = substitute(manifest, variables)
        flux.common_metadata(manifest, unit.object)
        mark = _path_mark(unit)
        own = chain[1:] if chain[:1] == (mark,) else chain  # Flux' own list of a directory
        name = f"{unit.object.namespace}/{unit.object.name}"
        made = Object(manifest, (*unit.object.chain, mark, *own), _directory(unit), name)
        for trouble in troubles:
            written = self.sources.texts.get(trouble.mark.file, "")
            self._fault(told(replace(trouble, mark=line_of(trouble, written)), made, unit.object))
        self._add(made)

    def _overlay(self, renderer: Renderer, unit: Unit, path: str, mark: Mark) -> Definition:
        has_one = any(self.files.is_file(f"{path}/{name}".lstrip("/")) for name in NAMES)
        base = renderer.define(path, mark) if has_one else None
        return flux.overlay(unit.object, path, base, self.files)

    def _by_itself(self, written: Object) -> None:
        """A unit that nothing applies but, perhaps, itself: then as its own directory has it, patched."""
        before = [list(each) for each in (self.objects, self.units, self.charts)]
        faults, applied = dict(self.faults), set(self.applied)
        patched = self._start(written)
        if patched is None:
            return
        self.objects, self.units, self.charts = before  # type: ignore[assignment]
        self.faults, self.applied = faults, applied
        patched = replace(patched, chain=())  # else every chain goes twice around
        if self._start(patched) is not None:
            self.objects = [each for each in self.objects if each is not patched]
            self.units = [each for each in self.units if each.object is not patched]

    def _start(self, first: Object) -> Object | None:
        """Applies a unit and all that follows; the same unit, where it is among what it applies."""
        seen = len(self.units)
        self._add(first)
        self._apply(seen)
        name = (first.namespace, first.name)
        units = (each.object for each in self.units[seen + 1 :])
        return next((each for each in units if (each.namespace, each.name) == name), None)

    def _find(self, unit: Unit) -> flux.Find:
        """The objects that a unit takes its values from: those beside it before those of other sites."""

        def find(kind: str, namespace: str, name: str) -> list[Object]:
            there = [
                each
                for each in (*self.objects, *self._unread(kind, name))
                if each.kind == kind and each.name == name and each.namespace in ("", namespace)
            ]
            beside = [each for each in there if each.root == unit.object.root and each.unit == unit.object.unit]
            return beside or there

        return find

    def _unread(self, kind: str, name: str) -> Iterator[Object]:
        """Objects of files that were parsed, but not rendered yet."""
        known = {each.mark.file for each in self.objects}
        for path, written in list(self.sources.texts.items()):
            if path not in known and name in written and f"kind: {kind}" in written:
                yield from self._objects_of(path)

    def _add(self, found: Object) -> None:
        self.objects.append(found)
        if flux.is_unit(found.manifest):
            unit = flux.unit(found, self.files)
            self.units.append(unit)
            self._path_missing(unit)
        elif releases.is_release(found):
            self.charts.append(found)

    def _path_missing(self, unit: Unit) -> None:
        """A path that is not there, of a source that others use for paths that are."""
        spec = unit.object.manifest.get("spec")
        if unit.path or not isinstance(spec, Map) or text(spec.get("path")) in ("", ".", "./", "/"):
            return
        same = [each for each in self.units if each.path and _source(each) == _source(unit)]
        if same:
            path = text(spec["path"])
            self._fault(
                Finding(
                    "unit-path-missing", Severity.ERROR, f"there is no directory `{path}` to apply", spec.at["path"],
                    (f"{same[0].object.subject} of the same source applies `{same[0].path}`",),
                    f"kustomization path not found: stat {path}: no such file or directory",
                    unit.object.subject, "spec.path", unit.object.chain,
                )
            )  # fmt: skip

    def _keep(self, rendered: Rendered, directory: str) -> None:
        for entry, chain in rendered.charts:
            self.charts.append(releases.of_kustomize(entry, chain, directory))
        for mark in rendered.idle:
            message, hint = "this patch meets no object", "kustomize says nothing about it, and changes nothing"
            self._fault(Finding("patch-without-target", Severity.WARNING, message, mark, (hint,)))

    def _plain(self, path: str, kustomizations: Sequence[str], taken: set[str]) -> None:
        """A file that no kustomization holds: on its own, or forgotten."""
        directory = path.rpartition("/")[0]
        forgotten = any(within(directory, each) for each in (*kustomizations, *taken))
        for each in self._objects_of(path):
            if forgotten:
                self.orphans.append(each)
            elif not each.name and not _generated(each):
                message = f"this {each.kind} has no `metadata.name`"
                self._fault(Finding("yaml", Severity.ERROR, message, each.mark))
            elif not flux.is_unit(each.manifest):  # those were added ahead
                self._add(each)

    def _broken(
        self, errors: Sequence[Broken], directory: str, unit: Unit | None = None, variables: Variables | None = None
    ) -> None:
        subject = unit.object.subject if unit else ""
        for error in errors:
            hints = tuple(filter(None, (error.hint,)))
            self._fault(Finding("kustomization", Severity.ERROR, error.message, error.mark, hints, error.says, subject))
        self._raw(directory, unit, variables)

    def _elsewhere(
        self, error: NotRendered, directory: str, unit: Unit | None = None, variables: Variables | None = None
    ) -> None:
        finding, objects = elsewhere(error, directory, self.sources, None if unit else self.ports.kubectl)
        self._fault(finding)
        if objects is None:
            self._raw(directory, unit, variables)
            return
        for each in objects:
            self._add(replace(each, root=directory))
        self.used |= {path for path, _ in held(directory, self.sources)}

    def _raw(self, directory: str, unit: Unit | None, variables: Variables | None) -> None:
        """The objects of a kustomization as they are written: what is wrong with each is worth knowing all the same."""
        for path, chain in held(directory, self.sources):
            self.used.add(path)
            for value, mark in self.sources.documents(path).roots:
                for each, _ in looking.items(value, mark):
                    if not looking.is_object(each):
                        continue
                    manifest = spaced(copied(each), chain, self.sources)
                    if unit:
                        self._filled(manifest, chain, unit, variables)
                    else:
                        self._add(Object(manifest, chain, directory))

    def _yaml_faults(self) -> None:
        for (path, _), parsed in self.sources.parsed.items():
            written = self.sources.texts.get(path, "")
            if looking.is_template(written) and path not in self.used:
                continue
            for fault in parsed.faults:
                self._fault(_told(path, fault))

    def _fault(self, finding: Finding) -> None:
        """Keeps a fault once: the syntax error of a file stops each kustomization that holds it."""
        if finding.rule == "yaml":
            same = replace(finding, rule="kustomization")
            for each in [one for one in self.faults if one.mark == same.mark and one.message == same.message]:
                del self.faults[each]
        self.faults[finding] = None


def _told(path: str, fault: Fault) -> Finding:
    mark = Mark(path, fault.line, fault.column)
    return Finding("yaml", Severity.ERROR, fault.message, mark, tuple(filter(None, (fault.hint,))))


def _directory(unit: Unit) -> str:
    return "" if unit.path == "." else unit.path


def _path_mark(unit: Unit) -> Mark:
    """The line of a unit that says what it applies."""
    spec = unit.object.manifest.get("spec")
    return spec.at.get("path", spec.begin) if isinstance(spec, Map) else unit.object.mark


def _inside(unit: Unit, taken: set[str]) -> bool:
    """Whether another unit applies the file of a unit, and may patch it: then that one goes first."""
    directory = unit.object.mark.file.rpartition("/")[0]
    return any(within(directory, each) for each in taken - {_directory(unit)})


def _generated(found: Object) -> bool:
    meta = found.manifest.get("metadata")
    return isinstance(meta, Map) and bool(meta.get("generateName"))


def _source(unit: Unit) -> tuple[str, str, str]:
    spec = unit.object.manifest.get("spec")
    found = spec.get("sourceRef") if isinstance(spec, Map) else None
    if not isinstance(found, Map):
        return "", "", ""
    kind, name, namespace = (text(found.get(key)) for key in ("kind", "name", "namespace"))
    return kind, name, namespace or unit.object.namespace
