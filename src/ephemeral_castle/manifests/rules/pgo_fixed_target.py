"""A point in time that stands in Git is restored again at the next death."""

from __future__ import annotations

from collections.abc import Iterator

from ephemeral_castle.manifests.repository import Repository
from ephemeral_castle.manifests.rules import pgo_options
from ephemeral_castle.manifests.rules.fields import WARNING, fault
from ephemeral_castle.manifests.rules.rule import Rule, Setting
from ephemeral_castle.model.finding import Finding

ID = "pgo-fixed-target"


def find(repository: Repository, setting: Setting) -> Iterator[Finding]:
    """Looks at the options of every birth."""
    for cluster, path, words in pgo_options.restores(repository, pgo_options.BIRTHS):
        for name in ("--target", "--set"):
            chosen = pgo_options.value(words, name)
            if chosen is not None:
                yield fault(
                    ID,
                    WARNING,
                    cluster,
                    path,
                    f"`{name}={chosen}` in Git brings this old point back at every later birth",
                    hints=("when the cluster lives, take the option away: options are not read again after success",),
                )


RULE = Rule(
    ID,
    "the birth of a PostgresCluster has a fixed target in Git",
    "A `--target` or `--set` under `dataSource` is right once. Left in the repository it is read at the next "
    "birth, months later, and brings back that old point; everything since is left in the archive and soon written "
    "over. After a success the option can be taken away: PGO does not restore again for that.",
    "PGO 6, reconcileDataSource",
    find,
    ("F154",),
)
