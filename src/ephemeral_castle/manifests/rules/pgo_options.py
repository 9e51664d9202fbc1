"""Options that a PostgresCluster hands to pgBackRest's commands. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ephemeral_castle.manifests.repository import Object, Repository
from ephemeral_castle.manifests.rules import pgo
from ephemeral_castle.manifests.rules.fields import Path, dig, listed, text

RESTORES: tuple[Path, ...] = (
    (*pgo.SOURCE, "options"),
    ("spec", "dataSource", "postgresCluster", "options"),
    (*pgo.BACKUPS, "restore", "options"),
)
BIRTHS = RESTORES[:2]


def restores(repository: Repository, sections: Sequence[Path] = RESTORES) -> Iterator[tuple[Object, Path, list[str]]]:
    """Every line of options of every restore: the cluster, the line's path, its words."""
    for cluster in pgo.clusters(repository):
        for section in sections:
            lines = listed(dig(cluster.manifest, *section))
            following = [text(line).split() for line in lines] + [[]]
            for index, words in enumerate(following[:-1]):
                bare = len(words) == 1 and "=" not in words[0]
                argument = following[index + 1] if bare and not "".join(following[index + 1]).startswith("-") else []
                yield cluster, (*section, index), words + argument


def value(words: Sequence[str], name: str) -> str | None:
    """The value of an option, written `--name=value` or `--name value`; None where it is not there."""
    for index, word in enumerate(words):
        if word.startswith(f"{name}="):
            return word.partition("=")[2].strip("'\"")
        if word == name:
            return words[index + 1].strip("'\"") if index + 1 < len(words) else ""
    return None
