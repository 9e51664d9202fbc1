"""Certificates and keys that do not parse."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator

from ephemeral_castle.manifests.repository import Repository
from ephemeral_castle.manifests.rules.fields import ERROR, WARNING, fault, mapping, text
from ephemeral_castle.manifests.rules.rule import Rule, Setting
from ephemeral_castle.model.finding import Finding, Severity

ID = "pem-broken"
BLOCK = re.compile(r"-----BEGIN ([A-Z0-9 ]+)-----(.*?)-----END ([A-Z0-9 ]+)-----", re.DOTALL)


def find(repository: Repository, setting: Setting) -> Iterator[Finding]:
    """Looks at every text of Secrets and ConfigMaps that is a PEM file."""
    for one in repository.objects:
        if one.kind not in ("Secret", "ConfigMap") or one.group:
            continue
        for field in ("data", "stringData"):
            coded = field == "data" and one.kind == "Secret"
            for key, value in mapping(one.manifest.get(field)).items():
                plain = _decoded(text(value)) if coded else text(value)
                for severity, message in _wrong(plain) if "-----BEGIN " in plain else ():
                    hints = (
                        "write it as it was issued: header, base64 in lines of 64, footer, line breaks kept (`|`)",
                    )
                    yield fault(ID, severity, one, (field, key), f"`{key}`: {message}", hints=hints, key=True)


def _wrong(plain: str) -> Iterator[tuple[Severity, str]]:
    blocks = list(BLOCK.finditer(plain))
    if len(blocks) != plain.count("-----BEGIN "):
        yield ERROR, "a block has a header and no footer"
    for block in blocks:
        name, body, end = block.groups()
        lines = [line for line in body.splitlines() if line.strip()]
        if name != end:
            yield ERROR, f"a block begins as {name} and ends as {end}"
        elif "\\n" in body:
            continue  # inside of a text of JSON, with its line breaks
        elif not body.startswith(("\n", "\r\n")):
            yield ERROR, f"the {name} has lost its line breaks"
        elif any(line != line.strip() for line in lines):
            yield ERROR, f"lines of the {name} are set in"
        elif not any(":" in line for line in lines) and not _base64("".join(lines)):
            yield ERROR, f"the {name} is not base64"
        elif name == "EC PARAMETERS":
            yield WARNING, "a block of EC PARAMETERS stands ahead of the key: many programs stop at it"


def _base64(body: str) -> bool:
    try:
        return bool(base64.b64decode(body, validate=True))
    except binascii.Error:
        return "$" in body or "{" in body or "." * 3 in body or "…" in body  # a placeholder


def _decoded(value: str) -> str:
    try:
        return base64.b64decode(value, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return ""


RULE = Rule(
    ID,
    "a certificate or key does not parse",
    "A PEM file has a header, base64 and a footer, each on lines of its own. Quoting, folding (`>` instead of `|`) "
    "and cleaners of white space break it, and the program that loads it says little: a node stays in maintenance "
    "mode, a server does not start.",
    "RFC 7468; rebirths that lost hours to a line break",
    find,
    ("F16", "F17", "F45", "F141"),
)
