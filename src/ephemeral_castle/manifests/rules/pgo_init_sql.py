"""SQL for newborn clusters that runs again in a restored one."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ephemeral_castle.manifests.repository import Repository
from ephemeral_castle.manifests.rules import pgo
from ephemeral_castle.manifests.rules.contents import content
from ephemeral_castle.manifests.rules.fields import NOTE, dig, fault, text
from ephemeral_castle.manifests.rules.rule import Rule, Setting
from ephemeral_castle.model.finding import Finding

ID = "pgo-init-sql"
INSERT = re.compile(r"\binsert\s+into\b(?:(?!on\s+conflict)[^;])*;", re.IGNORECASE)
FIELD = ("spec", "databaseInitSQL")


def find(repository: Repository, setting: Setting) -> Iterator[Finding]:
    """Looks at the scripts that are here."""
    for cluster in pgo.clusters(repository):
        name, key = (text(dig(cluster.manifest, *FIELD, part)) for part in ("name", "key"))
        made = content(repository, "ConfigMap", cluster.namespace, name) if name else None
        script = (made.values or {}).get(key) if made else None
        bare = re.sub(r"--[^\n]*|/\*.*?\*/", "", script or "", flags=re.DOTALL)
        found = INSERT.search(bare)
        if found and made:
            said = " ".join(found[0].split())[:60]
            message = f"`{key}` runs in every newborn cluster, a restored one too, and inserts again: `{said}`"
            hints = (
                "write `INSERT … ON CONFLICT DO NOTHING`; a row that proves survival comes from outside, not from here",
            )
            yield fault(ID, NOTE, made.maker, ("data", key), message, hints=hints, key=True)


RULE = Rule(
    ID,
    "the init SQL of a PostgresCluster inserts rows",
    "PGO runs `databaseInitSQL` once for each cluster object, so again in a restored database. Rows are then there "
    "twice; and a row that is to prove that data survived also stands in a brand-new, empty database, where it "
    "proves nothing.",
    "PGO, databaseInitSQL; a marker that an init script wrote",
    find,
    ("F155",),
)
