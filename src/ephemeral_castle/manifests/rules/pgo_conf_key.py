"""Files of pgBackRest that it does not read: a key that does not end in `.conf`, or a text without a section."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ephemeral_castle.manifests.repository import Object, Repository
from ephemeral_castle.manifests.rules import pgo
from ephemeral_castle.manifests.rules.contents import Content, content
from ephemeral_castle.manifests.rules.fields import ERROR, Path, fault
from ephemeral_castle.manifests.rules.rule import Rule, Setting
from ephemeral_castle.model.finding import Finding

ID = "pgo-conf-key"
FILES = (".ca", ".crt", ".key", ".pem")  # certificates and keys that options point to


def find(repository: Repository, setting: Setting) -> Iterator[Finding]:
    """Looks at what the Secrets and ConfigMaps of a `configuration` will hold."""
    for cluster in pgo.clusters(repository):
        for section in (pgo.BACKUPS, pgo.SOURCE):
            for path, kind, name in pgo.projected(cluster, section):
                made = content(repository, kind, cluster.namespace, name)
                if made is not None and made.values:
                    yield from _wrong(cluster, path, f"{kind} `{name}`", made)


def _wrong(cluster: Object, path: Path, which: str, made: Content) -> Iterator[Finding]:
    values = made.values or {}
    files = {name: value for name, value in values.items() if name.endswith(".conf")}
    if not files and not any(name.endswith(FILES) for name in values):
        listed = ", ".join(f"`{name}`" for name in list(values)[:5])
        message = f"pgBackRest reads files that end in `.conf`, and {which} has {listed} only"
        hints = (f"give it a key `s3.conf` that holds `[global]` and the options; it is made at {made.maker.mark}",)
        yield fault(ID, ERROR, cluster, path, message, hints=hints)
    for name, value in files.items():
        if value is None or re.match(r"\s*(#.*\n\s*)*\[", value):
            continue
        message = f"`{name}` of {which} begins without a section"
        hints = (f"its first line is `[global]`; it is made at {made.maker.mark}",)
        says = "ERROR: [029]: key/value found outside of section"
        yield fault(ID, ERROR, cluster, path, message, hints=hints, says=says)


RULE = Rule(
    ID,
    "a file of pgBackRest's configuration is not read, or cannot be",
    "PGO projects the Secrets and ConfigMaps of `configuration` into pgBackRest's directory of configuration, "
    "which takes files that end in `.conf` and need a section `[global]` before the first option. Bare keys such "
    "as `AWS_ACCESS_KEY_ID` mean nothing there: an ExternalSecret writes the file by its `target.template`.",
    "pgBackRest, option config-include-path; PGO's documentation of S3 backups",
    find,
    ("F151",),
)
