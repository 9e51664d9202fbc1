"""PostgresCluster of PGO, as its rules see it: repositories, options of pgBackRest, and where those may hide. Pure.

Options stand in `global`, or in files that `configuration` projects from Secrets and ConfigMaps. A Secret that is not
in the repository may hold any of them: then nobody knows.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ephemeral_castle.manifests.repository import Object, Repository
from ephemeral_castle.manifests.rules.contents import Content, content
from ephemeral_castle.manifests.rules.fields import Path, dig, each, mapping, text

GROUP = "postgres-operator.crunchydata.com"
BACKUPS: Path = ("spec", "backups", "pgbackrest")
SOURCE: Path = ("spec", "dataSource", "pgbackrest")
CLOUDS = ("s3", "gcs", "azure")
PLACES = {"s3": "bucket", "gcs": "bucket", "azure": "container"}
OPTION = re.compile(r"^\s*([a-z0-9-]+)\s*=\s*(.*?)\s*$", re.MULTILINE)


@dataclass(frozen=True)
class Repo:
    """One repository of a cluster. `path`: of its mapping. `cloud`: s3, gcs or azure; "" for a volume."""

    path: Path
    name: str
    cloud: str
    manifest: Mapping[str, Any]

    @property
    def place(self) -> str:
        """Where it lies, without the path inside of it: endpoint and bucket."""
        inner = mapping(self.manifest.get(self.cloud))
        return "/".join(filter(None, (self.cloud, text(inner.get("endpoint")), text(inner.get(PLACES[self.cloud])))))

    @property
    def location(self) -> Path:
        """The field that says where it lies."""
        return (*self.path, self.cloud)


@dataclass(frozen=True)
class Options:
    """Options of pgBackRest. `whole`: nothing can hide in a file that is not in the repository."""

    values: Mapping[str, str]
    whole: bool

    def get(self, name: str) -> str | None:
        """The value of an option, or None."""
        return self.values.get(name)


def clusters(repository: Repository) -> Iterator[Object]:
    """All of them."""
    return repository.of("PostgresCluster", GROUP)


def repos(cluster: Object) -> Iterator[Repo]:
    """The repositories that a cluster writes to."""
    for path, found in each(cluster.manifest, *BACKUPS, "repos"):
        yield _repo(path, found)


def clouds(cluster: Object) -> Iterator[Repo]:
    """Those of its repositories that outlive it: not on a volume, which dies with the cluster."""
    return (found for found in repos(cluster) if found.cloud)


def source(cluster: Object) -> Repo | None:
    """The repository that it is born from, where it is born from one."""
    found = dig(cluster.manifest, *SOURCE, "repo")
    return _repo((*SOURCE, "repo"), found) if isinstance(found, Mapping) else None


def has_source(cluster: Object) -> bool:
    """Whether it says where its data come from."""
    return bool(mapping(dig(cluster.manifest, "spec", "dataSource")))


def options(repository: Repository, cluster: Object, section: Path) -> Options:
    """What a section (`BACKUPS` or `SOURCE`) sets, in `global` or in its files."""
    found: dict[str, str] = {}
    whole = True
    for part in configuration(repository, cluster, section):
        if part is None or part.values is None:
            whole = False
            continue
        for name, value in part.values.items():
            if name.endswith(".conf") and value is None:
                whole = False
            found |= dict(OPTION.findall(value or "")) if name.endswith(".conf") else {}
    stated = mapping(dig(cluster.manifest, *section, "global"))
    return Options(found | {name: str(value) for name, value in stated.items()}, whole)


def configuration(repository: Repository, cluster: Object, section: Path) -> Iterator[Content | None]:
    """What the projected files of a section hold; None for one whose content nobody here can see."""
    for _, kind, name in projected(cluster, section):
        yield content(repository, kind, cluster.namespace, name)


def projected(cluster: Object, section: Path) -> Iterator[tuple[Path, str, str]]:
    """The Secrets and ConfigMaps of a section's `configuration`: path of the name, kind, name."""
    for path, found in each(cluster.manifest, *section, "configuration"):
        for key, kind in (("secret", "Secret"), ("configMap", "ConfigMap")):
            name = text(dig(found, key, "name"))
            if name:
                yield (*path, key, "name"), kind, name


def folder(name: str, chosen: Options) -> str:
    """The path of a repository inside of its bucket, as pgBackRest takes it."""
    return (chosen.get(f"{name}-path") or f"/pgbackrest/{name}").rstrip("/") or "/"


def _repo(path: Path, found: Mapping[str, Any]) -> Repo:
    cloud = next((name for name in CLOUDS if isinstance(found.get(name), Mapping)), "")
    return Repo(path, text(found.get("name")), cloud, found)
