"""Options of a restore that PGO sets itself: with one of them nothing happens at all."""

from __future__ import annotations

from collections.abc import Iterator

from ephemeral_castle.manifests.repository import Repository
from ephemeral_castle.manifests.rules import pgo_options
from ephemeral_castle.manifests.rules.fields import ERROR, fault
from ephemeral_castle.manifests.rules.rule import Rule, Setting
from ephemeral_castle.model.finding import Finding

ID = "pgo-restore-option"
OWN = ("--repo", "--stanza", "--pg1-path", "--target-action", "--link-map")


def find(repository: Repository, setting: Setting) -> Iterator[Finding]:
    """Looks at the options of every restore."""
    for cluster, path, words in pgo_options.restores(repository):
        for name in OWN:
            if pgo_options.value(words, name) is not None:
                yield fault(
                    ID,
                    ERROR,
                    cluster,
                    path,
                    f"PGO sets `{name}` itself and refuses a restore that names it: nothing happens, only an event",
                    says=f'InvalidDataSource: Option "{name}" is not allowed',
                    hints=("take it away; repository and stanza have fields of their own beside `options`",),
                )


RULE = Rule(
    ID,
    "a restore of a PostgresCluster has an option that PGO refuses",
    "`--repo`, `--stanza`, `--pg1-path`, `--target-action` and `--link-map` belong to PGO. A cluster whose "
    "`dataSource` names one is not born: an event `InvalidDataSource` is all that can be seen.",
    "PGO 6, reconcileRestoreJob",
    find,
)
