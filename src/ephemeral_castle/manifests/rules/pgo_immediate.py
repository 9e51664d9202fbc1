"""`--type=immediate` ends a restore at the end of the backup: all that came after it is dropped."""

from __future__ import annotations

from collections.abc import Iterator

from ephemeral_castle.manifests.repository import Repository
from ephemeral_castle.manifests.rules import pgo_options
from ephemeral_castle.manifests.rules.fields import ERROR, fault
from ephemeral_castle.manifests.rules.rule import Rule, Setting
from ephemeral_castle.model.finding import Finding

ID = "pgo-immediate"


def find(repository: Repository, setting: Setting) -> Iterator[Finding]:
    """Looks at the options of every restore."""
    for cluster, path, words in pgo_options.restores(repository):
        if pgo_options.value(words, "--type") == "immediate":
            yield fault(
                ID,
                ERROR,
                cluster,
                path,
                "`--type=immediate` drops every change after the backup, and the restore reports success",
                hints=("take the option away: the restore then replays to the end of what was archived",),
            )


RULE = Rule(
    ID,
    "a restore of a PostgresCluster stops at the end of the backup",
    "With `--type=immediate` recovery ends as soon as the backup is consistent: the newest rows, archived but "
    "later than the backup, are not replayed. The job succeeds, nothing warns. Without the option everything comes "
    "back. For a point in the past `--type=time` with `--target` is meant.",
    "pgBackRest, option type; tried with 2.45: the rows after the backup are gone",
    find,
    ("F154",),
)
