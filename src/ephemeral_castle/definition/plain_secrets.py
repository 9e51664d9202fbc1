"""Secrets that stand in a definition in plain text: found for a warning."""

from __future__ import annotations

import re

from ephemeral_castle.definition.nodes import Node, Scalar, leaves
from ephemeral_castle.model.masking import KEY, LOOKS_SECRET

_SECRET_KEY = re.compile(KEY + r"$", re.IGNORECASE)
_REFERENCE = re.compile(r"secret:[A-Za-z0-9][A-Za-z0-9._/-]*")
_FILE = re.compile(r"(?:~|\.{0,2})/\S*")
_PUBLIC_KEY = re.compile(r"(?:ssh|ecdsa|sk)-[a-z0-9@.-]+ AAAA")


def plain_secrets(root: Node) -> list[tuple[str, Scalar]]:
    """Values that look like secrets, each with its key, in document order.

    A key that ends in password, passphrase, secret, token or key (`access_key`) marks its value, unless that is a
    reference (`secret:NAME`), the path of a file or a public SSH key; private keys and URLs with a password are known
    by their look.
    """
    return [(key, leaf) for key, leaf in leaves(root) if _suspicious(key, leaf)]


def _suspicious(key: str, leaf: Scalar) -> bool:
    if leaf.value is None or isinstance(leaf.value, bool) or not leaf.text:
        return False
    if LOOKS_SECRET.search(leaf.text):
        return True
    if not _SECRET_KEY.search(key):
        return False
    if _REFERENCE.fullmatch(leaf.text) or _FILE.fullmatch(leaf.text):
        return False
    return not all(_PUBLIC_KEY.match(line) for line in leaf.text.splitlines())
