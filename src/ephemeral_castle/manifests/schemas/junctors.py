"""`allOf`, `anyOf`, `oneOf` and `not`: they only validate, and of several failures the best fit is told.

Source: `schemaPropsValidator` and `Result` of k8s.io/kube-openapi.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from ephemeral_castle.manifests.schemas.fault import INVALID, NAME, Fault

NAMES = ("anyOf", "oneOf", "allOf", "not")


class Member(Protocol):
    """A compiled schema."""

    def __call__(self, value: Any) -> list[Fault] | None:
        """Its faults with a value."""
        ...

    def weight(self, value: Any) -> int:
        """How many of its checks began on a value, as the server counts them to find the best fit."""
        ...


class Junctors:
    """The junctors of one node."""

    def __init__(self, schema: Mapping[str, Any], compiled: Callable[[Mapping[str, Any]], Member]) -> None:
        self.any, self.one, self.all = ([compiled(each) for each in schema.get(name) or ()] for name in NAMES[:3])
        self.other = compiled(schema["not"]) if schema.get("not") is not None else None

    def __call__(self, value: Any) -> list[Fault]:
        """What they say of a value."""
        out: list[Fault] = []
        if self.any:
            out += _any(self.any, value)
        if self.one:
            out += _one(self.one, value)
        if self.all:
            out += _all(self.all, value)
        if self.other is not None and not self.other(value):
            out.append(_says("must not validate the schema (not)"))
        return out

    def weight(self, value: Any) -> int:
        """How many checks inside of them count for the node that has them."""
        total = sum(each.weight(value) for each in self.all)
        for members in (self.any, self.one):
            if members:
                fits = next((each for each in members if not each(value)), None)
                total += fits.weight(value) if fits else max(each.weight(value) for each in members)
        return total


def _says(words: str) -> Fault:
    return Fault(INVALID, "", f'"{NAME}" {words}', nowhere=True)


def _any(members: Sequence[Member], value: Any) -> list[Fault]:
    failures = []
    for member in members:
        found = member(value)
        if not found:
            return []
        failures.append((member, found))
    return [_says("must validate at least one schema (anyOf)"), *_best(failures, value)]


def _one(members: Sequence[Member], value: Any) -> list[Fault]:
    results = [(member, member(value)) for member in members]
    failures = [(member, found) for member, found in results if found]
    valid = len(results) - len(failures)
    if valid == 1:
        return []
    if valid:
        return [_says(f"must validate one and only one schema (oneOf). Found {valid} valid alternatives")]
    return [_says("must validate one and only one schema (oneOf). Found none valid"), *_best(failures, value)]


def _all(members: Sequence[Member], value: Any) -> list[Fault]:
    results = [member(value) for member in members]
    if not any(results):
        return []
    none = ". None validated" if all(results) else ""
    return [*(fault for each in results for fault in each or ()), _says(f"must validate all the schemas (allOf){none}")]


def _best(failures: Sequence[tuple[Member, list[Fault]]], value: Any) -> list[Fault]:
    """The faults of the member that came furthest; the first of several."""
    return max(failures, key=lambda each: each[0].weight(value))[1]
