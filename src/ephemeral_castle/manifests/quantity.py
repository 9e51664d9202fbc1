"""Amounts as Kubernetes writes them: `4Gi`, `500M`, `0.5`, `1e9`. Pure.

Reference: https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/
"""

from __future__ import annotations

import math
import re
from decimal import Decimal
from typing import Any

_FORM = re.compile(r"([+-]?[0-9]*\.?[0-9]+)(?:([KMGTPE]i)|([mkMGTPE])|[eE]([+-]?[0-9]{1,2}))?")
_BINARY = {f"{letter}i": 1 << 10 * power for power, letter in enumerate("KMGTPE", 1)}
_DECIMAL = {"m": Decimal("0.001"), **{letter: Decimal(1000**power) for power, letter in enumerate("kMGTPE", 1)}}


def whole(text: Any) -> int | None:
    """The amount, rounded up as Kubernetes does; None where it is none."""
    found = _FORM.fullmatch(str(text)) if text is not None else None
    if found is None:
        return None
    number, binary, decimal, power = found.groups()
    scale = _BINARY[binary] if binary else _DECIMAL[decimal] if decimal else Decimal(10) ** int(power or 0)
    return math.ceil(Decimal(number) * scale)
