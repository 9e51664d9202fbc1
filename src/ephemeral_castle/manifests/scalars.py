"""What a plain scalar means to the tools of Kubernetes: YAML 1.1 by Go's rules. Pure.

`1e3` is a number, `12:30` a text, a date a text. kubectl and Flux's controllers take `yes`, `on` and `n` for booleans,
as yaml.v2 does; kustomize reads with yaml.v3, where only `true` and `false` are. Source: resolve.go of both.
"""

from __future__ import annotations

import re
from typing import Any

TRUE = frozenset(["y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"])
FALSE = frozenset(["n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"])
NULL = frozenset(("", "~", "null", "Null", "NULL"))
INTEGER = re.compile(r"[-+]?(0[xX][0-9a-fA-F]+|0[bB][01]+|0[oO]?[0-7]+|0|[1-9][0-9]*)")
FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
NO_NUMBER = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
OTHER_THAN_TEXT = frozenset("+-.0123456789~yYnNtTfFoO")  # what begins with another character is a text
LARGEST, SMALLEST = 2**64 - 1, -(2**63)  # integers of Go; beyond them a number is a float
INFINITE = (float("inf"), float("-inf"))


class NoNumber(ValueError):
    """A plain scalar that YAML takes for a number and JSON does not know: `.inf`, `.nan`."""


def meaning(text: str, *, words: bool = True) -> Any:
    """The value of a plain scalar: None, bool, int, float or str.

    Args:
        text: of the scalar.
        words: whether `yes`, `no`, `on`, `off`, `y` and `n` are booleans, too.

    Raises:
        NoNumber: it is infinite or no number at all.
    """
    if text and text[0] not in OTHER_THAN_TEXT:
        return None if text in NULL else text
    if text in NULL:
        return None
    if text in TRUE or text in FALSE:
        return text in TRUE if words or text.lower() in ("true", "false") else text
    return _number(text)


def _number(text: str) -> Any:
    digits = text.replace("_", "")
    if INTEGER.fullmatch(digits):
        return _integer(digits)
    if FLOAT.fullmatch(digits):
        return _float(digits, text)
    if NO_NUMBER.fullmatch(text):
        raise NoNumber(text)
    return text


def _float(digits: str, text: str) -> float | str:
    value = float(digits)
    return text if value in INFINITE else value  # Go's parser refuses what does not fit, and it stays a text


def _integer(digits: str) -> Any:
    sign, body = (-1, digits[1:]) if digits[0] == "-" else (1, digits.lstrip("+"))
    if len(body) > 70:  # digits, also of base 2; Python refuses thousands of them
        return _float(digits, digits) if body[0] != "0" else digits
    base = 0 if body[:2].lower() in ("0x", "0b", "0o") else 8 if len(body) > 1 and body[0] == "0" else 10
    value = sign * int(body, base)
    return value if SMALLEST <= value <= LARGEST else float(value)
