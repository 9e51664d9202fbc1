"""Changes by kubectl in a Job that Flux takes back."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ephemeral_castle.manifests.repository import Object, Repository
from ephemeral_castle.manifests.rules.fields import WARNING, Path, fault, labels, notes, scalars
from ephemeral_castle.manifests.rules.pods import pods
from ephemeral_castle.manifests.rules.rule import Rule, Setting
from ephemeral_castle.model.finding import Finding

ID = "flux-strips"
CHANGE = re.compile(r"\bkubectl\b[^\n;&|]*?\s(patch|annotate|label|scale|set|apply|edit|replace)\b([^\n;&|]*)")
SSA = "kustomize.toolkit.fluxcd.io/ssa"
HINTS = (
    "write the change into Git",
    "or add `--field-manager=NAME`, not beginning with kubectl, for fields that Git does not name",
    f"or annotate the object with `{SSA}: Merge`",
)
SHORT = {"deploy": "deployment", "sts": "statefulset", "ds": "daemonset", "cm": "configmap", "svc": "service"}


def find(repository: Repository, setting: Setting) -> Iterator[Finding]:
    """Looks at the commands of all pods, for objects that a Kustomization of Flux applies."""
    held = {(one.kind.lower(), one.name): one for one in repository.objects if one.unit}
    for found in pods(repository):
        for path, container in found.containers():
            for at, command in _commands(path, container):
                for verb, rest in CHANGE.findall(command):
                    thing = None if "--field-manager" in rest else _named(rest, held)
                    if thing is None or "Merge" in (notes(thing).get(SSA), labels(thing).get(SSA)):
                        continue
                    message = (
                        f"`kubectl {verb}` changes {thing.subject}, which {thing.unit} applies: Flux takes it back"
                    )
                    yield fault(ID, WARNING, found.thing, at, message, hints=HINTS)


def _commands(path: Path, container: object) -> Iterator[tuple[Path, str]]:
    """The commands of a container; a list of plain words is one."""
    assert isinstance(container, dict)  # noqa: S101 - `containers` gives mappings only
    for field in ("command", "args"):
        words = [(at, value) for at, value in scalars(container.get(field), (field,)) if isinstance(value, str)]
        longer = [(at, value) for at, value in words if " " in value]
        yield from (((*path, *at), value) for at, value in longer)
        if not longer and words:
            yield (*path, field), " ".join(value for _, value in words)


def _named(rest: str, held: dict[tuple[str, str], Object]) -> Object | None:
    """The object that the words after kubectl's verb name: `deployment web` or `deployment/web`."""
    words = [word.strip("'\"") for word in rest.split() if not word.startswith("-")]
    for first, second in zip(words, [*words[1:], ""], strict=True):
        kind, slash, name = first.partition("/")
        kind = kind.partition(".")[0].lower()
        for spelled in (SHORT.get(kind, kind), kind.removesuffix("s"), kind.removesuffix("es")):
            if (spelled, name if slash else second) in held:
                return held[(spelled, name if slash else second)]
    return None


RULE = Rule(
    ID,
    "a Job changes by kubectl what Flux applies",
    "Before it applies an object Flux takes away every field that a manager whose name begins with `kubectl` or "
    "`before-first-apply` owns. A patch, label or scale from a Job lives until the next interval. Another field "
    "manager keeps fields that Git does not name; the annotation `kustomize.toolkit.fluxcd.io/ssa: Merge` keeps "
    "all.",
    "Flux' kustomize-controller: field managers that it strips",
    find,
    ("F61", "F94"),
)
