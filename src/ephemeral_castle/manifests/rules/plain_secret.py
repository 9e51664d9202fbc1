"""Secrets that anybody who has the repository can read."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator

from ephemeral_castle.manifests.repository import Object, Repository
from ephemeral_castle.manifests.rules.fields import WARNING, Path, fault, mapping, scalars, text
from ephemeral_castle.manifests.rules.rule import Rule, Setting
from ephemeral_castle.model.finding import Finding

ID = "plain-secret"
PLACEHOLDER = re.compile(
    r"\s*|.*(\$\{|\$\(|<[^>]+>|\{\{|…|\.\.\.|\*\*).*"
    r"|(?i:.*(change|replace|your|example|todo|dummy|placeholder|redacted|xxx| here).*)"
    r"|(?i:(my|the|some|a|test|foo|bar|secret|password|token|admin|value)([-_ ][a-z-]+)*)",
    re.DOTALL,
)
TELLING = re.compile(
    r"(?i).*(pass|pwd|token|secret|credential|private|api.?key|access.?key|auth|\.key|\.conf|dsn|salt).*"
)
RANDOM = re.compile(r"(?=.*[a-z])(?=.*[A-Z])(?=.*[0-9])[A-Za-z0-9+/=_-]{20,}")
SQL = re.compile(r"\bPASSWORD\s+'([^']+)'", re.IGNORECASE)
KEY = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----")


def find(repository: Repository, setting: Setting) -> Iterator[Finding]:
    """Looks at Secrets in plain, and for passwords and private keys in ConfigMaps."""
    for one in repository.objects:
        if one.group:
            continue
        if one.kind == "Secret":
            yield from _secret(one)
        elif one.kind == "ConfigMap":
            yield from _config(one)


def _secret(one: Object) -> Iterator[Finding]:
    if text(one.manifest.get("type")).startswith("kubernetes.io/service-account-token"):
        return
    for field in ("data", "stringData"):
        for key, value in mapping(one.manifest.get(field)).items():
            plain = _decoded(text(value)) if field == "data" else text(value)
            telling = TELLING.fullmatch(key) or RANDOM.fullmatch(plain) or KEY.search(plain)
            if plain and telling and not PLACEHOLDER.fullmatch(plain.strip()):
                message = f"`{key}` lies in the repository in plain; base64 is no encryption"
                yield fault(ID, WARNING, one, (field, key), message, hints=HINTS, key=True)
                return


def _config(one: Object) -> Iterator[Finding]:
    for path, value in scalars(one.manifest.get("data"), ("data",)):
        for pattern, what in ((KEY, "a private key"), (SQL, "a password")) if isinstance(value, str) else ():
            found = pattern.search(value)
            if found and not PLACEHOLDER.fullmatch(found[found.lastindex or 0]):
                at: Path = path
                message = f"{what} in a ConfigMap, in plain"
                yield fault(ID, WARNING, one, at, message, hints=HINTS, key=True)


def _decoded(value: str) -> str:
    try:
        return base64.b64decode(value, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return value


HINTS = (
    "take it from a store by an ExternalSecret, or encrypt the file with sops",
    "and change it: what was pushed once stays in the history",
)

RULE = Rule(
    ID,
    "a secret lies in the repository in plain",
    "Whoever can read the repository, its mirrors, its backups or its history has it. base64 is a spelling. A "
    "store with an ExternalSecret, sops or a SealedSecret keep it out; what was pushed once has to be changed. "
    "Values that look like placeholders are let pass.",
    "a repository whose first init script held the database's password",
    find,
    ("F149", "F188"),
)
