"""Secrets that stand in a definition in plain text: found for a warning, masked in every excerpt."""

from __future__ import annotations

import re

from ephemeral_castle.definition.nodes import Node, Scalar, leaves

_KEY = r"(?:password|passwd|passphrase|secret|token|(?:^|[_-])key)"
_SECRET_KEY = re.compile(_KEY + r"$", re.IGNORECASE)
_REFERENCE = re.compile(r"secret:[A-Za-z0-9][A-Za-z0-9._/-]*")
_FILE = re.compile(r"(?:~|\.{0,2})/\S*")
_PUBLIC_KEY = re.compile(r"(?:ssh|ecdsa|sk)-[a-z0-9@.-]+ AAAA")
_LOOKS_SECRET = re.compile(
    r"AGE-SECRET-KEY-1|-----BEGIN [A-Z ]*PRIVATE KEY|\b(?:AKIA|ASIA)[A-Z0-9]{16}\b|://[^/\s:@]+:[^/\s@]+@"
)
_LINE = re.compile(
    r"((?:password|passwd|passphrase|secret|token|\bkey|[_-]key)[\"']?\s*:\s+)(?![\"']?secret:)(\S.*)", re.IGNORECASE
)


def plain_secrets(root: Node) -> list[tuple[str, Scalar]]:
    """Values that look like secrets, each with its key, in document order.

    A key that ends in password, passphrase, secret, token or key (`access_key`) marks its value, unless that is a
    reference (`secret:NAME`), the path of a file or a public SSH key; private keys and URLs with a password are known
    by their look.
    """
    return [(key, leaf) for key, leaf in leaves(root) if _suspicious(key, leaf)]


def mask_line(line: str) -> str:
    """A line of a file that could not be parsed, with stars for what looks like a secret."""
    masked = _LINE.sub(lambda match: match.group(1) + "*" * len(match.group(2)), line)
    found = _LOOKS_SECRET.search(masked)
    return masked if found is None else masked[: found.start()] + "*" * (len(masked) - found.start())


def _suspicious(key: str, leaf: Scalar) -> bool:
    if leaf.value is None or isinstance(leaf.value, bool) or not leaf.text:
        return False
    if _LOOKS_SECRET.search(leaf.text):
        return True
    if not _SECRET_KEY.search(key):
        return False
    if _REFERENCE.fullmatch(leaf.text) or _FILE.fullmatch(leaf.text):
        return False
    return not all(_PUBLIC_KEY.match(line) for line in leaf.text.splitlines())
