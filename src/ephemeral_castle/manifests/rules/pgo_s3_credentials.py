"""`s3Credentials` belongs to another operator: PGO takes keys from files that it projects."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ephemeral_castle.manifests.repository import Object, Repository
from ephemeral_castle.manifests.rules import pgo
from ephemeral_castle.manifests.rules.blocks import inserted, removed
from ephemeral_castle.manifests.rules.fields import ERROR, Path, dig, fault, mappings, spoken, text
from ephemeral_castle.manifests.rules.rule import Rule, Setting
from ephemeral_castle.model.finding import Edit, Finding

ID = "pgo-s3-credentials"
FIELD = "s3Credentials"


def find(repository: Repository, setting: Setting) -> Iterator[Finding]:
    """Looks into the repositories that a cluster writes to and the one that it is born from."""
    for cluster in pgo.clusters(repository):
        for section in (pgo.BACKUPS, pgo.SOURCE):
            for path, found in mappings(dig(cluster.manifest, *section), section):
                if FIELD in found and path != section:
                    yield _fault(repository, cluster, section, (*path, FIELD), found)


def _fault(repository: Repository, cluster: Object, section: Path, path: Path, repo: Mapping[str, object]) -> Finding:
    number = _number(cluster, path)
    secret = _secret(repo[FIELD])
    shown = secret or "NAME"
    return fault(
        ID,
        ERROR,
        cluster,
        path,
        f"`{FIELD}` is no field of a pgBackRest repository of PGO",
        key=True,
        says=f"PostgresCluster dry-run failed: {_applied(cluster, path)}: field not declared in schema",
        hints=(
            f"name the Secret in `{spoken((*section, 'configuration'))}: [{{secret: {{name: {shown}}}}}]`",
            f"its key `s3.conf`: `[global]`, `repo{number}-s3-key=…`, `repo{number}-s3-key-secret=…`, a line for each",
            *_alike(cluster, section),
        ),
        edits=tuple(_edits(repository, cluster, section, path, secret)),
    )


def _edits(repository: Repository, cluster: Object, section: Path, path: Path, secret: str) -> Iterator[Edit]:
    """The block goes; where `configuration` is missing, one that names its Secret comes before its neighbours."""
    said = {_secret(found[FIELD]) for _, found in mappings(dig(cluster.manifest, *section)) if FIELD in found}
    named = {name for _, _, name in pgo.projected(cluster, section)}
    has = dig(cluster.manifest, *section, "configuration") is not None
    if not secret or len(said) > 1 or (has and secret not in named):
        return
    gone = list(removed(repository, cluster, path))
    if not gone or has:
        yield from gone
        return
    first = next(iter(dig(cluster.manifest, *section)))
    lines = ["configuration:", "- secret:", f"    name: {secret}"]
    come = list(inserted(repository, cluster, (*section, first), lines))
    if come:
        yield from gone + come


def _alike(cluster: Object, section: Path) -> Iterator[str]:
    if section == pgo.BACKUPS and pgo.has_source(cluster):
        yield "`spec.dataSource.pgbackrest.configuration` needs the same: the restore sees nothing of `backups`"


def _number(cluster: Object, path: Path) -> str:
    """The number of the repository that a path runs through."""
    for length in range(len(path), 0, -1):
        name = text(dig(cluster.manifest, *path[:length], "name"))
        if name.startswith("repo"):
            return name.removeprefix("repo")
    return "1"


def _secret(value: object) -> str:
    """The one Secret that it names, in whatever form; "" where it names none or several."""
    if isinstance(value, str):
        return value
    keys = ("name", "secretName")
    names = {text(found.get(key)) for _, found in mappings(value) for key in keys if text(found.get(key))}
    return names.pop() if len(names) == 1 else ""


def _applied(cluster: Object, path: Path) -> str:
    """A path as server-side apply writes it: `.spec.backups.pgbackrest.repos[name="repo1"].s3Credentials`."""
    said = ""
    for index, step in enumerate(path):
        name = text(dig(cluster.manifest, *path[: index + 1], "name"))
        said += f'[name="{name}"]' if isinstance(step, int) else f".{step}"
    return said


RULE = Rule(
    ID,
    "`s3Credentials` in a pgBackRest repository of a PostgresCluster",
    "The field is CloudNativePG's. PGO's schema does not know it: a server-side apply, hence Flux, refuses the "
    "whole cluster; a client that only warns drops it, and the backup then has no key. PGO takes keys from files: "
    "`configuration` names a Secret, and a key of it that ends in `.conf` holds a section `[global]` with "
    "`repo1-s3-key` and `repo1-s3-key-secret`. A cluster that is born from a repository needs the same under "
    "`dataSource.pgbackrest`.",
    "the CRD of PGO 5 and 6: spec.backups.pgbackrest.repos[].s3 has bucket, endpoint and region",
    find,
    ("F151",),
)
