"""Names of PostgresCluster users become names of Secrets: no underscore, no capital."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ephemeral_castle.manifests.repository import Object, Repository
from ephemeral_castle.manifests.rules import pgo
from ephemeral_castle.manifests.rules.contents import same
from ephemeral_castle.manifests.rules.editing import rewritten
from ephemeral_castle.manifests.rules.fields import ERROR, Path, each, fault, scalars, text
from ephemeral_castle.manifests.rules.rule import Rule, Setting
from ephemeral_castle.manifests.tree import place
from ephemeral_castle.model.finding import Edit, Finding

ID = "pgo-user-name"
PATTERN = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"
LONGEST = 63
ENVIRONMENT = re.compile(r"(PG|DB|DATABASE|POSTGRES\w*|SQL)_?(USER|USERNAME)|.*_(DB|PG|POSTGRES)_?USER(NAME)?")


def find(repository: Repository, setting: Setting) -> Iterator[Finding]:
    """Looks at every user of every cluster."""
    for cluster in pgo.clusters(repository):
        users = [(path, text(user.get("name"))) for path, user in each(cluster.manifest, "spec", "users")]
        names = [name for _, name in users]
        for path, name in users:
            if not name or (re.fullmatch(PATTERN, name) and len(name) <= LONGEST):
                continue
            better = mended(name)
            free = better and better not in names
            yield fault(
                ID,
                ERROR,
                cluster,
                (*path, "name"),
                f"the user `{name}` cannot be: its Secret `{cluster.name}-pguser-{name}` would have no legal name",
                says=f'spec.users[{path[-1]}].name: Invalid value: "{name}": spec.users[{path[-1]}].name in body '
                f"should match '{PATTERN}'",
                hints=tuple(_hints(repository, cluster, name, better if free else "")),
                edits=tuple(_edits(repository, cluster, (*path, "name"), name, better)) if free else (),
            )


def mended(name: str) -> str:
    """The nearest legal name; "" where there is none."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:LONGEST].strip("-")


def _hints(repository: Repository, cluster: Object, name: str, better: str) -> Iterator[str]:
    yield f"call it `{better}`, here and wherever it is named" if better else "choose a name of a-z, 0-9 and `-`"
    word = re.compile(rf"(?<![\w-]){re.escape(name)}(?![\w-])")
    for thing in repository.objects:
        if thing.kind not in ("ConfigMap", "Secret") or not same(thing.namespace, cluster.namespace):
            continue
        for path, value in scalars(thing.manifest):
            if isinstance(value, str) and "\n" in value and word.search(value):
                where = place(thing.manifest, path, key=True)
                yield f'`{path[-1]}` of {thing.subject} ({where}) names it: in SQL write "{better}", with its quotes'


def _edits(repository: Repository, cluster: Object, at: Path, name: str, better: str) -> Iterator[Edit]:
    """The user itself, and every value that is exactly the name of its Secret, its label, or a login's user."""
    yield from rewritten(repository, place(cluster.manifest, at), name, better)
    secret = f"{cluster.name}-pguser-"
    for thing in repository.objects:
        if not same(thing.namespace, cluster.namespace):
            continue
        for path, value in scalars(thing.manifest):
            if value == secret + name:
                yield from rewritten(repository, place(thing.manifest, path), secret + name, secret + better)
            elif value == name and (path[-1] == f"{pgo.GROUP}/pguser" or _logs_in(thing, path)):
                yield from rewritten(repository, place(thing.manifest, path), name, better)


def _logs_in(thing: Object, path: Path) -> bool:
    """Whether a value is that of an environment variable which names the user of a database."""
    if path[-1] != "value":
        return False
    found: object = thing.manifest
    for step in path[:-1]:
        found = found[step]  # type: ignore[index]
    return isinstance(found, dict) and ENVIRONMENT.fullmatch(text(found.get("name"))) is not None


RULE = Rule(
    ID,
    "a user of a PostgresCluster has a name that no Secret can have",
    "PGO writes the credentials of each user into a Secret `CLUSTER-pguser-USER`, so a user's name must be a DNS "
    "label (RFC 1123): a-z, 0-9 and `-`. The API server refuses the whole cluster, Flux the whole Kustomization, "
    "and nothing behind it is born. Rename the user everywhere; in SQL a name with `-` needs double quotes. "
    "`castle check --fix` renames it in the cluster, in references to its Secret and in variables that name a "
    "database's user.",
    "the CRD of PGO 5 and 6: spec.users[].name; RFC 1123",
    find,
    ("F150",),
)
