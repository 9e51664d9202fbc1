"""Paths of repositories: pgBackRest takes absolute ones without empty parts."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ephemeral_castle.manifests.repository import Repository
from ephemeral_castle.manifests.rules import pgo
from ephemeral_castle.manifests.rules.fields import ERROR, WARNING, dig, fault, mapping, text
from ephemeral_castle.manifests.rules.rule import Rule, Setting
from ephemeral_castle.model.finding import Finding

ID = "pgo-repository-path"
PATH = re.compile(r"repo[1-4]-path")


def find(repository: Repository, setting: Setting) -> Iterator[Finding]:
    """Looks at every path, and at buckets that carry one."""
    for cluster in pgo.clusters(repository):
        for section in (pgo.BACKUPS, pgo.SOURCE):
            for name, value in mapping(dig(cluster.manifest, *section, "global")).items():
                says, message = _wrong(name, text(value)) if PATH.fullmatch(str(name)) else ("", "")
                if message:
                    at = (*section, "global", name)
                    yield fault(ID, ERROR, cluster, at, message, says=says, hints=(HINT,))
        for found in (*pgo.clouds(cluster), *filter(None, [pgo.source(cluster)])):
            field = pgo.PLACES.get(found.cloud, "")
            bucket = text(dig(found.manifest, found.cloud, field))
            if "/" in bucket or "://" in text(dig(found.manifest, found.cloud, "endpoint")):
                what = field if "/" in bucket else "endpoint"
                message = f"`{what}` is a bare name: what looks like a path or an address is not taken apart"
                hint = f"write the name alone; a path inside of the bucket is `global: {{{found.name}-path: /…}}`"
                severity = ERROR if what == field else WARNING
                yield fault(ID, severity, cluster, (*found.location, what), message, hints=(hint,))


def _wrong(name: str, value: str) -> tuple[str, str]:
    """PgBackRest's words and ours, empty for a path that it takes. A slash at the end it takes off itself."""
    if not value.startswith("/"):
        return f"ERROR: [032]: '{value}' must begin with / for '{name}' option", f"`{name}` does not begin with `/`"
    if "//" in value:
        return f"ERROR: [032]: '{value}' cannot contain // for '{name}' option", f"`{name}` holds an empty part"
    return "", ""


HINT = "begin it with one slash; if backups lie elsewhere in the bucket, name the path under which they lie"

RULE = Rule(
    ID,
    "the path of a pgBackRest repository is none",
    "pgBackRest refuses a path that does not begin with `/` or holds `//`; the operator then retries for ever. And "
    "a path that is legal but is not the one where the backups lie ends in `unable to open missing file "
    "backup.info`: compare it with the keys in the bucket, where no leading slash is shown.",
    "pgBackRest, the parser of options of type path",
    find,
    ("F152",),
)
