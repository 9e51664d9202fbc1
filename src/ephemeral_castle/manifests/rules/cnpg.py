"""Cluster of CloudNativePG, as its rules see it: where it comes from, and where it archives. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ephemeral_castle.manifests.repository import Object, Repository
from ephemeral_castle.manifests.rules.fields import Path, dig, each, mapping, text

GROUP = "postgresql.cnpg.io"
PLUGIN = "barman-cloud.cloudnative-pg.io"


@dataclass(frozen=True)
class Archive:
    """An archive in a bucket. `path`: of the mapping that may hold `serverName`."""

    path: Path
    store: str
    server: str


def clusters(repository: Repository) -> Iterator[Object]:
    """All of them."""
    return repository.of("Cluster", GROUP)


def archive(cluster: Object) -> Archive | None:
    """Where it writes its history, where it writes one."""
    for path, plugin in each(cluster.manifest, "spec", "plugins"):
        if plugin.get("name") == PLUGIN and plugin.get("enabled") is not False and plugin.get("isWALArchiver") is True:
            return _plugged((*path, "parameters"), mapping(plugin.get("parameters")), cluster.name)
    inner: Path = ("spec", "backup", "barmanObjectStore")
    found = mapping(dig(cluster.manifest, *inner))
    return _inline(inner, found, cluster.name) if found else None


def origin(cluster: Object) -> Archive | None:
    """The archive that it is restored from, where it is restored from one."""
    source = text(dig(cluster.manifest, "spec", "bootstrap", "recovery", "source"))
    for path, external in each(cluster.manifest, "spec", "externalClusters"):
        if not source or external.get("name") != source:
            continue
        plugin, inline = mapping(external.get("plugin")), mapping(external.get("barmanObjectStore"))
        if plugin:
            return _plugged((*path, "plugin", "parameters"), mapping(plugin.get("parameters")), source)
        if inline:
            return _inline((*path, "barmanObjectStore"), inline, source)
    return None


def recovers(cluster: Object) -> bool:
    """Whether it is born from something."""
    bootstrap = mapping(dig(cluster.manifest, "spec", "bootstrap"))
    return "recovery" in bootstrap or "pg_basebackup" in bootstrap


def _plugged(path: Path, parameters: Mapping[str, Any], name: str) -> Archive:
    return Archive(path, text(parameters.get("barmanObjectName")), text(parameters.get("serverName")) or name)


def _inline(path: Path, found: Mapping[str, Any], name: str) -> Archive:
    return Archive(path, text(found.get("destinationPath")), text(found.get("serverName")) or name)
