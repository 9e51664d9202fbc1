"""What the API server would say against one value: a fault knows its path, its reason, and the server's words.

Faults are made where a check fails, with a path relative to the value there; whoever called that check puts its own
step before it. So a document without faults never pays for paths.

Source: `field.Error` of k8s.io/apimachinery, `kubeOpenAPIResultToFieldErrors` of k8s.io/apiextensions-apiserver.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final

# Marks the place of the field's own name inside of a detail: it is known only when the path is complete.
NAME: Final = "\0"


class Key(str):
    """A step of a path into a map of any keys, which field paths write `[key]`."""

    __slots__ = ()


Step = str | int

# Reasons, as `causes[].reason` carries them, and how messages begin for each.
INVALID: Final = "FieldValueInvalid"
TYPE: Final = "FieldValueTypeInvalid"
REQUIRED: Final = "FieldValueRequired"
UNSUPPORTED: Final = "FieldValueNotSupported"
DUPLICATE: Final = "FieldValueDuplicate"
FORBIDDEN: Final = "FieldValueForbidden"
TOO_LONG: Final = "FieldValueTooLong"
TOO_MANY: Final = "FieldValueTooMany"
NOT_FOUND: Final = "FieldValueNotFound"
UNKNOWN: Final = "UnknownField"  # of this package: the server answers 400 and gives no causes

_WORDS: Final = {
    INVALID: "Invalid value",
    TYPE: "Invalid value",
    REQUIRED: "Required value",
    UNSUPPORTED: "Unsupported value",
    DUPLICATE: "Duplicate value",
    FORBIDDEN: "Forbidden",
    TOO_LONG: "Too long",
    TOO_MANY: "Too many",
    NOT_FOUND: "Not found",
}
_NO_VALUE: Final = frozenset({REQUIRED, FORBIDDEN, TOO_LONG})
# After one of these the server does not evaluate the rules of a schema.
BLOCKING: Final = frozenset({UNSUPPORTED, REQUIRED, TOO_LONG, TOO_MANY, TYPE})


class Omitted:
    """Stands where the server leaves the bad value out."""


OMITTED: Final = Omitted()


class Raw(str):
    """A value that is already written as the server would show it."""

    __slots__ = ()


@dataclass(slots=True)
class Fault:
    """One fault, while the path to it grows.

    Attributes:
        reason: one of the reasons above.
        value: what is wrong, as the server shows it; OMITTED: it does not.
        detail: the rest of the sentence, with NAME where the path belongs.
        steps: of the path, the innermost first.
        dotted: the path is written "a.b", even through maps of any keys.
        nowhere: the server gives no path ("<nil>"); ours is kept for people.
        rule: the CEL rule that failed; "" for all others.
        shown: the path as the server writes it, where that is not the path of the value; "" where it is.
    """

    reason: str
    value: Any = OMITTED
    detail: str = ""
    steps: list[Step] = field(default_factory=list)
    dotted: bool = True
    nowhere: bool = False
    rule: str = ""
    shown: str = ""

    def under(self, step: Step) -> Fault:
        """Puts a step before the path."""
        self.steps.append(step)
        return self


def under(faults: Iterable[Fault], step: Step) -> list[Fault]:
    """Puts a step before the path of each."""
    return [fault.under(step) for fault in faults]


@dataclass(frozen=True, slots=True)
class Cause:
    """One fault as the server reports it.

    Attributes:
        reason: of `causes[].reason`; UNKNOWN for a field that the schema does not have.
        field: the path as the server writes it; "<nil>" where it gives none.
        message: the server's words, without the path.
        path: keys and indexes from the root of the document.
        rule: the CEL rule that failed; "" for all others.
    """

    reason: str
    field: str
    message: str
    path: tuple[Step, ...]
    rule: str = ""


def cause(fault: Fault) -> Cause:
    """Finishes a fault: its path is complete."""
    path = tuple(reversed(fault.steps))
    name = fault.shown or written(path, dotted=fault.dotted)
    shown = "<nil>" if fault.nowhere or not path else name
    detail = fault.detail.replace(NAME, name) if NAME in fault.detail else fault.detail
    words = _WORDS.get(fault.reason, fault.reason)
    if fault.reason not in _NO_VALUE and fault.value is not OMITTED:
        words = f"{words}: {shown_value(fault.value)}"
    return Cause(fault.reason, shown, f"{words}: {detail}" if detail else words, path, fault.rule)


def written(path: Iterable[Step], *, dotted: bool = False) -> str:
    """A path in the server's notation: `spec.users[1].name`, and `data[key]` unless dotted."""
    out = ""
    for step in path:
        if isinstance(step, int) or (isinstance(step, Key) and not dotted):
            out += f"[{step}]"
        else:
            out += f".{step}" if out else str(step)
    return out


def shown_value(value: Any) -> str:
    """A value as Go prints it in a message."""
    if isinstance(value, Raw):
        return str(value)
    if isinstance(value, str):
        return quoted(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return number(value)
    return go_json(value)


def go_json(value: Any) -> str:
    """JSON as Go's encoder writes it: keys in order, no spaces, `<`, `>` and `&` escaped."""
    if isinstance(value, dict):
        return "{" + ",".join(f"{go_json(str(key))}:{go_json(value[key])}" for key in sorted(value, key=str)) + "}"
    if isinstance(value, list):
        return "[" + ",".join(go_json(each) for each in value) + "]"
    if isinstance(value, float) or (value.__class__ is int and not -(2**63) <= value < 2**63):
        return number(float(value), widest=21)
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def number(value: float, *, widest: int = 6) -> str:
    """A floating point number as Go prints it: shortest, with an exponent from that many digits on (JSON: 21)."""
    from decimal import Decimal

    if value != value or value in (float("inf"), float("-inf")):  # noqa: PLR0124 NaN is the one that differs
        return "NaN" if value != value else ("+Inf" if value > 0 else "-Inf")  # noqa: PLR0124
    sign, digits, _ = Decimal(repr(value)).normalize().as_tuple()
    power = Decimal(repr(value)).adjusted() if value else 0
    text, minus = "".join(map(str, digits)), "-" if sign else ""
    if -5 < power < max(widest, 0):
        plain = f"{Decimal(repr(value)).normalize():f}"
        return plain if value or not sign else "-0"
    fraction = f".{text[1:]}" if len(text) > 1 else ""
    return f"{minus}{text[0]}{fraction}e{'-' if power < 0 else '+'}{abs(power):02d}"


_ESCAPES: Final = {"\a": "a", "\b": "b", "\f": "f", "\n": "n", "\r": "r", "\t": "t", "\v": "v", "\\": "\\", '"': '"'}


def quoted(text: str) -> str:
    """A string as Go's `%q` prints it."""
    if text.isprintable() and '"' not in text and "\\" not in text:
        return f'"{text}"'
    return '"' + "".join(_quoted(each) for each in text) + '"'


def _quoted(char: str) -> str:
    if char in _ESCAPES:
        return "\\" + _ESCAPES[char]
    if char.isprintable():
        return char
    code = ord(char)
    if code < 0x80:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
