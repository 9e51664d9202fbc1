"""How a text stands in the YAML that Flux writes before it fills in variables, and what it is read as afterwards. Pure.

Flux substitutes in the marshalled object, where the quotes of the file are gone: `"${PORT}"` is written `${PORT}` and
read back as a number. Texts that need quotes keep them. Source: encode.go and emitterc.go of yaml.v2.
"""

from __future__ import annotations

import re
from typing import Any

from ephemeral_castle.manifests.load import plain
from ephemeral_castle.manifests.scalars import NoNumber, meaning

BASE_60 = re.compile(r"[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+(?:\.[0-9_]*)?")
SIMPLE = re.compile(r"[A-Za-z0-9_./+~^\\][A-Za-z0-9_./@:%+=~^\\-]*(?<!:)")
ESCAPES = {"\t": "\\t", '"': '\\"', "\\": "\\\\", "\r": "\\r", "\0": "\\0", "\a": "\\a", "\b": "\\b", "\x1b": "\\e"}
FIRST = frozenset("#,[]{}&*!|>'\"%@`")  # no plain text begins with one


class Broken(ValueError):
    """What Flux would read is no YAML, or more than one value."""


def emitted(text: str) -> tuple[str, str]:
    """In which style a text is written ("", "'", '"' or "|"), and what then stands there, without the quotes."""
    if "\n" in text:
        return "|", text
    if not _is_text(text) or BASE_60.fullmatch(text) or not text.isprintable():
        return '"', "".join(_escaped(char) for char in text)
    return ("", text) if _may_be_plain(text) else ("'", text.replace("'", "''"))


def _escaped(char: str) -> str:
    if char in ESCAPES:
        return ESCAPES[char]
    if char.isprintable():
        return char
    code = ord(char)
    return f"\\x{code:02X}" if code < 0x100 else f"\\u{code:04X}" if code < 0x10000 else f"\\U{code:08X}"


def _is_text(text: str) -> bool:
    try:
        return isinstance(meaning(text), str)
    except NoNumber:
        return False


def _may_be_plain(text: str) -> bool:
    if not text or text[0] in FIRST or text != text.strip(" \t") or text.startswith(("---", "...")):
        return False
    if text[0] in "-?:" and text[1:2] in ("", " ", "\t"):
        return False
    return ": " not in text and not text.endswith(":") and not re.search(r"[ \t]#|:\t", text)


def reread(text: str, style: str, *, item: bool = False) -> Any:
    """What a text means after substitution.

    Args:
        text: with the values in it.
        style: in which the text before it was written.
        item: whether it is an item of a list, which may become a mapping.

    Raises:
        Broken: it cannot be read, or is more than one value.
    """
    if style == "|":
        return text
    if style == "" and SIMPLE.fullmatch(text):
        try:
            return meaning(text)
        except NoNumber as error:
            raise Broken(f"`{error}` is no number of JSON") from None
    value, faults = plain(f"{'-' if item else 'it:'} {style}{text}{style}\n")
    if faults or not isinstance(value, dict | list) or len(value) != 1:
        why = faults[0].message if faults else "it is more than one value"
        raise Broken(why.removeprefix("invalid YAML: "))
    return value[0] if isinstance(value, list) else value.get("it")


def rekeyed(text: str, style: str) -> str:
    """What a key means after substitution.

    Args:
        text: with the values in it.
        style: in which the key before it was written.

    Raises:
        Broken: it is none any more.
    """
    if style == "|":
        return text
    value, faults = plain(f"{style}{text}{style}: it\n")
    if faults or not isinstance(value, dict) or list(value.values()) != ["it"]:
        raise Broken("it is no key")
    return str(next(iter(value)))
