"""Keys of Secrets and ConfigMaps that are needed and that their maker does not write."""

from __future__ import annotations

from collections.abc import Iterator
from difflib import get_close_matches

from ephemeral_castle.manifests.repository import Object, Repository
from ephemeral_castle.manifests.rules.contents import content
from ephemeral_castle.manifests.rules.fields import ERROR, fault
from ephemeral_castle.manifests.rules.references import references
from ephemeral_castle.manifests.rules.rule import Rule, Setting
from ephemeral_castle.model.finding import Finding

ID = "key-missing"
OF_DATABASES = ("dbname", "uri", "jdbc-uri")


def find(repository: Repository, setting: Setting) -> Iterator[Finding]:
    """Looks at every key that a reference needs, where the maker lists its keys."""
    for wanted in references(repository):
        if not wanted.keys or wanted.kind not in ("Secret", "ConfigMap") or wanted.optional:
            continue
        made = content(repository, wanted.kind, wanted.namespace, wanted.name)
        if made is None or made.values is None:
            continue
        for path, key in wanted.keys:
            if not key or key in made.values:
                continue
            near = get_close_matches(key, made.values, 1, 0.6)
            there = ", ".join(f"`{name}`" for name in list(made.values)[:6]) or "none"
            hints: tuple[str, ...] = (f"did you mean `{near[0]}`?",) if near else ()
            message = f"{wanted.kind} `{wanted.name}` will have no key `{key}`; its keys: {there}"
            says = f"couldn't find key {key} in {wanted.kind} {wanted.namespace}/{wanted.name}"
            hints = (
                *hints,
                *_databases(made.maker, wanted.name, key),
                f"it is made by {made.maker.subject} ({made.maker.mark})",
            )
            yield fault(ID, ERROR, wanted.thing, path, message, hints=hints, says=says)


def _databases(maker: Object, secret: str, key: str) -> tuple[str, ...]:
    """What PGO writes only for a user that has a database."""
    if maker.kind != "PostgresCluster" or key not in OF_DATABASES:
        return ()
    user = secret.removeprefix(f"{maker.name}-pguser-")
    return (f"give the user `{user}` its `databases` in `spec.users`: PGO writes `{key}` only with one",)


RULE = Rule(
    ID,
    "a key of a Secret or ConfigMap is needed that its maker does not write",
    "The Secret is there, and yet its pod stays in CreateContainerConfigError, or a volume lacks a file. An "
    "ExternalSecret writes the keys of its `data`, or, where it has a template, those of the template alone; "
    "operators write fixed ones.",
    "Kubernetes' documentation of Secrets; external-secrets' of templates",
    find,
    ("F118", "F131"),
)
