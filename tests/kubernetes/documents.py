"""Documents for a schema, made by a seeded walk of it: mostly right, often wrong on purpose."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any

TEXTS = (
    "", "a", "ab", "abcdef", "x", "y<z", "bad", "req", "dup", "g1", "no", "ok", "A B", "ünï", "a\n", "-a", "a.b", "1",
    "42%", "4x2", "10", "1h", "90m", "1d", "-5s", "1.5h", "2031-01-01T00:00:00Z", "2020-02-30T00:00:00Z", "2020-01-01",
    "aGVsbG8=", "a===", "1Gi", "2Gi", "500m", "1e3", "https://a.example.com/x?y=1", "http://x", "/abs", "%zz",
    "10.0.0.0/8", "10.1.0.0/33", "192.168.1.1", "010.1.1.1", "::1", "1.2.3", "2.0.0-rc.1", "aa:bb:cc:dd:ee:ff", "a@b.c",
    "550e8400-e29b-41d4-a716-446655440000", "x" * 64, "host.example.com", "a,b", "AB", "aaa",
)  # fmt: skip
NUMBERS = (0, 1, -1, 2, 3, 5, 7, 10, 100, 101, -6, 2**31, 2**53, 2**63, 0.5, 1.0, 1.5, 2.5, 99.25, 1e21, 1e-7, -0.0)
NAMES = ("x", "bad", "ok-1", "X", "a_b", "a..b", "x" * 254, "-a", "a/b", "fine.name")
KEYS = ("a", "a/b", "A b", "/x", "x/", "a/b/c", "x" * 64)


class Maker:
    """Makes documents; the same ones for the same seed."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def document(self, api: str, kind: str, schema: Mapping[str, Any]) -> dict[str, Any]:
        """One document of a kind."""
        made = self._of(schema, 0)
        body = made if isinstance(made, dict) else {}
        return {**body, "apiVersion": api, "kind": kind, "metadata": {"name": "x"} if self._now(0.7) else self._meta()}

    def _now(self, share: float) -> bool:
        return self._random.random() < share

    def _any(self, depth: int = 0) -> Any:
        pick = self._random.choice
        if depth > 2 or self._now(0.7):
            return pick([pick(TEXTS), pick(TEXTS), pick(NUMBERS), pick((True, False, None))])
        if self._now(0.5):
            return [self._any(depth + 1) for _ in range(self._random.randint(0, 3))]
        return {pick(("a", "b", "k", "bogus")): self._any(depth + 1) for _ in range(self._random.randint(0, 3))}

    def _of(self, schema: Mapping[str, Any], depth: int) -> Any:
        pick, kind = self._random.choice, schema.get("type")
        if depth and self._now(0.06):
            return self._any()
        if schema.get("enum") and self._now(0.7):
            return pick(schema["enum"])
        if kind == "object":
            return self._object(schema, depth)
        if kind == "array":
            return [self._of(schema.get("items") or {}, depth + 1) for _ in range(pick((0, 1, 1, 2, 2, 3)))]
        numbers = [each for each in NUMBERS if isinstance(each, int)]
        plain = {"string": TEXTS, "integer": numbers, "number": NUMBERS, "boolean": (True, False)}
        return pick(plain.get(str(kind), (*TEXTS, *NUMBERS)))

    def _object(self, schema: Mapping[str, Any], depth: int) -> dict[str, Any]:
        properties, required = schema.get("properties") or {}, schema.get("required") or ()
        share = min(0.5, 6 / max(len(properties), 1)) if depth else 0.9
        made = {
            key: self._of(each, depth + 1)
            for key, each in properties.items()
            if (key in required and self._now(0.93)) or self._now(share)
        }
        more = schema.get("additionalProperties")
        for _ in range(self._random.randint(0, 3) if more else 0):
            made[self._random.choice(("a", "b", "banned"))] = self._of(
                more if isinstance(more, dict) else {}, depth + 1
            )
        if self._now(0.03):
            made["bogus"] = self._any()
        return made

    def _meta(self) -> dict[str, Any]:
        pick = self._random.choice
        made: dict[str, Any] = {"name": pick(NAMES)}
        if self._now(0.3):
            made["labels"] = {pick(KEYS): pick(("", "v", "a b", "x" * 64))}
        if self._now(0.3):
            made["annotations"] = {pick(KEYS): "v"}
        if self._now(0.2):
            made["finalizers"] = [pick(("a/b", "orphan", "x y"))]
        if self._now(0.1):
            made[pick(("bogus", "lables"))] = "x"
        return made
