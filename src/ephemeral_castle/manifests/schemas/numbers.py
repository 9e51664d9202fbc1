"""Checks of numbers: range of the format, multiples, bounds.

Source: `numberValidator` of k8s.io/kube-openapi.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, Final

from ephemeral_castle.manifests.schemas.fault import INVALID, NAME, Fault, shown_value
from ephemeral_castle.manifests.schemas.fault import number as shown

LEAST: Final = -(2**63)
MOST: Final = 2**63 - 1
_FLOAT32: Final = 3.4028234663852886e38

Check = Callable[[Any], list[Fault]]


def is_whole(value: float) -> bool:
    """Whether the server takes a floating point number for an integer: below 2**53, and near enough."""
    if not -(2**53) < value < 2**53:
        return False
    near = float(int(value))
    return value == near or (value > 0 and near > 0 and abs(value - near) / (value + near) < 1e-9)


def check(schema: Mapping[str, Any], kind: str, form: str) -> Check | None:
    """Compiles what a schema asks of numbers; None: nothing.

    Args:
        schema: of the node.
        kind: its type, where it has exactly one.
        form: its format, where the server knows it.
    """
    low, high, step = (schema.get(each) for each in ("minimum", "maximum", "multipleOf"))
    kind = kind if kind in ("integer", "number") else ""
    form = form if kind else ""
    if low is None and high is None and step is None and not kind:
        return None

    def checked(value: Any) -> list[Fault]:
        out = []
        if not _fits(value, kind, form):
            out.append(_out_of_range(kind, form))
        factor = _cut(step) if value.__class__ is int else step
        if factor is not None and factor <= 0:
            says = f"factor MultipleOf declared for {NAME} must be positive: {shown_value(factor)}"
            out.append(Fault(INVALID, factor, says))
        elif step is not None and not _multiple(value, step):
            out.append(Fault(INVALID, value, f"{NAME} in body should be a multiple of {_bound(value, step)}"))
        if low is not None:
            _bounded(value, low, schema.get("exclusiveMinimum"), ("less", "greater"), out)
        if high is not None:
            _bounded(value, high, schema.get("exclusiveMaximum"), ("greater", "less"), out)
        return out

    return checked


def _cut(step: float | None) -> float | None:
    """A factor as the server takes it for integers: without what follows the point."""
    return step if step is None else int(step) if math.isfinite(step) else 0


def _fits(value: Any, kind: str, form: str) -> bool:
    if kind == "integer":
        if value.__class__ is float and not (value.is_integer() and LEAST <= value <= MOST):
            return False
        return bool(form != "int32" or -(2**31) <= value < 2**31)
    return not (form == "float" and abs(value) > _FLOAT32)


def _out_of_range(kind: str, form: str) -> Fault:
    of = f"with format {form}" if form else "(default format)"
    return Fault(INVALID, "", f"Checked value must be of type {kind} {of} in {NAME}", nowhere=True)


def _bound(value: Any, bound: float) -> str:
    return str(int(bound)) if value.__class__ is int and math.isfinite(bound) else shown(float(bound))


def _multiple(value: Any, step: float) -> bool:
    if value.__class__ is int:
        return bool(value % int(step) == 0)
    times = 1 / step * value if step < 1 else value / step
    return is_whole(times)


def _bounded(value: Any, bound: float, exclusive: object, words: tuple[str, str], out: list[Fault]) -> None:
    edge = int(bound) if value.__class__ is int and math.isfinite(bound) else float(bound)
    beyond = value < edge if words[0] == "less" else value > edge
    if beyond or (exclusive and value == edge):
        than = f"{words[1]} than" if exclusive else f"{words[1]} than or equal to"
        out.append(Fault(INVALID, value, f"{NAME} in body should be {than} {_bound(value, bound)}"))
