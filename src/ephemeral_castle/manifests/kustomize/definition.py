"""The file `kustomization.yaml`: its fields, and that each has the type that kustomize wants. Pure."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ephemeral_castle.manifests.kustomize.faults import Broken, NotRendered
from ephemeral_castle.manifests.tree import Map, Seq
from ephemeral_castle.model.finding import Mark

NAMES = ("kustomization.yaml", "kustomization.yml", "Kustomization")
GROUP = "kustomize.config.k8s.io/"
VERSIONS = {"Kustomization": f"{GROUP}v1beta1", "Component": f"{GROUP}v1alpha1"}
STRINGS: Any = {"*": "string"}
LIST: Any = ["string"]
IDENTITY: Any = dict.fromkeys(("group", "version", "kind", "name", "namespace"), "string")
SELECTOR: Any = {**IDENTITY, "annotationSelector": "string", "labelSelector": "string"}
SPEC: Any = {**dict.fromkeys(("group", "version", "kind", "path"), "string"), "create": "bool"}
OPTIONS: Any = {"labels": STRINGS, "annotations": STRINGS, "disableNameSuffixHash": "bool", "immutable": "bool"}
GENERATOR: Any = {
    **dict.fromkeys(("name", "namespace", "behavior", "env"), "string"),
    **dict.fromkeys(("literals", "files", "envs"), LIST),
    "options": OPTIONS,
}
PATCH: Any = {
    "path": "string", "patch": "string", "target": SELECTOR,
    "options": {"allowNameChange": "bool", "allowKindChange": "bool"},
}  # fmt: skip
IMAGE: Any = dict.fromkeys(("name", "newName", "tagSuffix", "newTag", "digest"), "string")
FIELD_OPTIONS: Any = {"delimiter": "string", "index": "int", "encoding": "string", "create": "bool"}
REPLACEMENT: Any = {
    "path": "string",
    "source": {**IDENTITY, "fieldPath": "string", "options": FIELD_OPTIONS},
    "sourceValue": "string",
    "targets": [{"select": SELECTOR, "reject": [SELECTOR], "fieldPaths": LIST, "options": FIELD_OPTIONS}],
}
ELSEWHERE = (
    "openapi", "vars", "crds", "generators", "transformers", "validators",
)  # fmt: skip
CHARTS = ("helmGlobals", "helmCharts", "helmChartInflationGenerator")
FIELDS: Any = {
    "apiVersion": "string", "kind": "string", "metadata": {
        "name": "string", "namespace": "string", "labels": STRINGS, "annotations": STRINGS},
    "namePrefix": "string", "nameSuffix": "string", "namespace": "string",
    "commonLabels": STRINGS, "commonAnnotations": STRINGS,
    "labels": [{"pairs": STRINGS, "includeSelectors": "bool", "includeTemplates": "bool", "fields": [SPEC]}],
    "patchesStrategicMerge": LIST, "patchesJson6902": [PATCH], "patches": [PATCH],
    "images": [IMAGE], "imageTags": [IMAGE],
    "replicas": [{"name": "string", "count": "int"}], "replacements": [REPLACEMENT],
    "sortOptions": {"order": "string", "legacySortOptions": {"orderFirst": LIST, "orderLast": LIST}},
    "resources": LIST, "components": LIST, "bases": LIST, "configurations": LIST,
    "configMapGenerator": [GENERATOR], "secretGenerator": [{**GENERATOR, "type": "string"}],
    "generatorOptions": OPTIONS, "buildMetadata": LIST,
    **dict.fromkeys((*ELSEWHERE, *CHARTS)),
}  # fmt: skip


@dataclass(frozen=True)
class Definition:
    """A kustomization.

    Attributes:
        tree: its fields, checked.
        directory: in which it lies.
        file: its path.
    """

    tree: Map
    directory: str
    file: str

    @property
    def kind(self) -> str:
        """What it is: "Kustomization" or "Component"."""
        return self.tree.get("kind") or "Kustomization"

    def one(self, key: str) -> tuple[str, Mark]:
        """A text and its place; "" where there is none."""
        return self.tree.get(key) or "", self.tree.at.get(key, self.tree.begin)

    def each(self, *keys: str) -> Iterator[tuple[Any, Mark]]:
        """The items of lists with their places."""
        for key in keys:
            found = self.tree.get(key)
            if isinstance(found, Seq):
                yield from zip(found, found.at, strict=True)

    def map(self, key: str) -> Map:
        """A map; an empty one where there is none."""
        found = self.tree.get(key)
        return found if isinstance(found, Map) else Map(self.tree.begin)


def define(value: Any, mark: Mark, directory: str, file: str) -> Definition:
    """A kustomization from the value of its file.

    Raises:
        Broken: kustomize would not take it.
        NotRendered: it has a field that is not rendered here.
    """
    if not isinstance(value, Map):
        says = "invalid Kustomization: json: cannot unmarshal into Go value of type types.Kustomization"
        raise Broken("a kustomization is a mapping", mark, says)
    tree = _typed(value, FIELDS, "")
    kind = tree.get("kind") or "Kustomization"
    if kind not in VERSIONS:
        raise Broken("this is no kustomization", tree.at["kind"], "kind should be Kustomization or Component")
    if tree.get("apiVersion") and tree["apiVersion"] != VERSIONS[kind]:
        says = f"apiVersion for {kind} should be {VERSIONS[kind]}"
        raise Broken(f"a {kind} has another `apiVersion`", tree.at["apiVersion"], says, f"write `{VERSIONS[kind]}`")
    if all(tree[key] in ("", False) for key in tree if key not in ("apiVersion", "kind")):
        raise Broken("the kustomization is empty", mark, "kustomization.yaml is empty")
    for key in ELSEWHERE:
        if tree.get(key):
            raise NotRendered(f"`{key}`", tree.named[key])
    return Definition(tree, directory, file)


def _typed(value: Map, fields: Any, above: str) -> Map:
    """The map with the names of its fields as kustomize has them; Go reads them in any case."""
    made = Map(value.begin)
    for key, each in value.items():
        name = key if key in fields or "*" in fields else _other_case(key, fields)
        if not name:
            close = difflib.get_close_matches(key, fields, 1)
            hint = f"did you mean `{close[0]}`?" if close else ""
            says = f'invalid Kustomization: json: unknown field "{key}"'
            raise Broken(f"a kustomization has no field `{above}{key}`", value.named[key], says, hint)
        if each is not None:
            wanted, path = fields.get(name), f"{above}{name}"
            if "*" in fields:
                wanted, path = fields["*"], above.removesuffix(".")
            made.put(name, _value(each, wanted, path, value.at[key]), value.named[key], value.at[key])
    return made


def _other_case(key: str, fields: Any) -> str:
    return next((name for name in fields if name.lower() == key.lower()), "")


def _value(value: Any, wanted: Any, path: str, mark: Mark) -> Any:
    if wanted is None:
        return value
    if isinstance(wanted, dict):
        return _typed(_checked(value, Map, "object", path, mark), wanted, f"{path}.")
    if isinstance(wanted, list):
        items = _checked(value, Seq, "[]string" if wanted[0] == "string" else "list", path, mark)
        made = Seq(items.begin)
        for each, at in zip(items, items.at, strict=True):
            if each is None and wanted[0] == "string":
                made.add("", at)
            elif each is not None:
                made.add(_value(each, wanted[0], path, at), at)
        return made
    kinds: Any = {"string": str, "bool": bool, "int": int}[wanted]
    return _checked(value, kinds, {"int": "int64"}.get(wanted, wanted), path, mark)


def _checked(value: Any, kind: Any, wanted: str, path: str, mark: Mark) -> Any:
    if isinstance(value, kind) and not (kind is int and isinstance(value, bool)):
        return value
    sorts = ((bool, "bool"), (int | float, "number"), (str, "string"), (Map, "object"), (Seq, "array"))
    sort = next((name for each, name in sorts if isinstance(value, each)), "value")
    go = f"json: cannot unmarshal {sort} into Go struct field Kustomization.{path} of type {wanted}"
    hint = "put it in quotes" if wanted == "string" and sort in ("bool", "number") else ""
    raise Broken(f"`{path}` is a {wanted}, not a {sort}", mark, f"invalid Kustomization: {go}", hint)
