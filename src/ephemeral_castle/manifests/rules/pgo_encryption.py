"""Backups in a bucket that anybody who reads the bucket can read."""

from __future__ import annotations

from collections.abc import Iterator

from ephemeral_castle.manifests.repository import Repository
from ephemeral_castle.manifests.rules import pgo
from ephemeral_castle.manifests.rules.fields import UNDECIDED, WARNING, fault
from ephemeral_castle.manifests.rules.living import advice
from ephemeral_castle.manifests.rules.rule import Rule, Setting
from ephemeral_castle.model.finding import Finding

ID = "pgo-encryption"


def find(repository: Repository, setting: Setting) -> Iterator[Finding]:
    """Looks at every repository in a bucket."""
    for cluster in pgo.clusters(repository):
        chosen = pgo.options(repository, cluster, pgo.BACKUPS)
        for found in pgo.clouds(cluster):
            option = f"{found.name}-cipher-type"
            if chosen.get(option) not in (None, "none"):
                continue
            sure = chosen.whole or chosen.get(option) == "none"
            message = (
                f"{found.name} ({found.place}) is not encrypted: `{option}` is not set"
                if sure
                else f"whether {found.name} is encrypted: a Secret of `configuration` is not here to be read"
            )
            alive = "leave it: a repository that has backups cannot be encrypted any more; add a second, encrypted one"
            unborn = (
                f"leave it where backups lie there; else set `{option}: aes-256-cbc` in `global` and "
                f"`{found.name}-cipher-pass` in the Secret, and keep the pass outside of the castle"
            )
            hints = advice(setting, cluster, alive=alive, unborn=unborn) if sure else ()
            yield fault(ID, WARNING if sure else UNDECIDED, cluster, found.location, message, key=True, hints=hints)


RULE = Rule(
    ID,
    "a pgBackRest repository in a bucket is not encrypted",
    "Whoever can read the bucket has every row. pgBackRest encrypts on the client with `repoN-cipher-type: "
    "aes-256-cbc` and a pass in `repoN-cipher-pass`. It is chosen when the repository is made: switched on later, "
    "every command fails, because the old files are plain. A living cluster gets a second, encrypted repository "
    "instead. The pass is needed for every restore, so it lies outside of the castle too.",
    "pgBackRest's user guide, repository encryption",
    find,
)
