"""Checks of strings: length in characters, pattern, format.

Source: `stringValidator` and `formatValidator` of k8s.io/kube-openapi.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ephemeral_castle.manifests.schemas.fault import INVALID, NAME, TOO_LONG, TYPE, Fault, quoted
from ephemeral_castle.manifests.schemas.formats import FORMATS
from ephemeral_castle.manifests.schemas.patterns import BadPatternError, Matches, pattern

Check = Callable[[str], list[Fault]]


def known_format(name: str, kind: str, kinds: int) -> str:
    """A format as far as the server looks at it for a type; "" where it does not."""
    if kinds > 1:
        kind = ""
    if kind in ("", "string"):
        return name if name.replace("-", "") in FORMATS else ""
    allowed = {"integer": ("int32", "int64"), "number": ("float", "double")}.get(kind, ())
    return name if name in allowed else ""


def check(schema: Mapping[str, Any], form: str) -> Check | None:
    """Compiles what a schema asks of strings; None: nothing."""
    least, most, regular = schema.get("minLength"), schema.get("maxLength"), schema.get("pattern")
    holds = FORMATS.get(form.replace("-", "")) if form else None
    if least is None and most is None and not regular and holds is None:
        return None
    compiled: list[Matches | str | None] = []

    def matches(value: str) -> str:
        """What the pattern's message says of a value; "" where it matches, or nobody can tell."""
        if not compiled:
            compiled.append(_compiled(regular))
        found = compiled[0]
        if isinstance(found, str):
            return f"{regular}, but pattern is invalid: {found}"
        return "" if found is None or found(value) else str(regular)

    def checked(value: str) -> list[Fault]:
        out = []
        if most is not None and len(value) > most:
            out.append(Fault(TOO_LONG, detail=f"may not be more than {most} byte{'' if most == 1 else 's'}"))
        elif least is not None and len(value) < least:
            out.append(Fault(INVALID, value, f"{NAME} in body should be at least {least} chars long"))
        elif regular and (says := matches(value)):
            out.append(Fault(INVALID, value, f"{NAME} in body should match '{says}'"))
        if holds is not None and not holds(value):
            out.append(Fault(TYPE, value, f"{NAME} in body must be of type {form}: {quoted(value)}"))
        return out

    return checked


def _compiled(regular: Any) -> Matches | str | None:
    try:
        return pattern(str(regular))
    except BadPatternError as error:
        return str(error)
