"""A plan: steps in order with all their edges, and a digest that is equal for equal plans."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from ephemeral_castle.model.castle import Verb
from ephemeral_castle.model.step import Effect, Phase, Retry, Step


@dataclass(frozen=True)
class Plan:
    """Steps in a topological order; `edges[id]` are the ids that must be done before.

    `request`: what was asked besides the verb (flags that hold for this run only), JSON.
    """

    castle: str
    site: str
    verb: Verb
    steps: tuple[Step, ...]
    edges: Mapping[str, tuple[str, ...]]
    roles: Mapping[str, str]
    request: Mapping[str, Any]

    @cached_property
    def by_id(self) -> dict[str, Step]:
        """Steps by id."""
        return {step.id: step for step in self.steps}

    @cached_property
    def digest(self) -> str:
        """Twelve hex digits over the canonical JSON form."""
        return hashlib.sha256(json.dumps(self.to_json(), sort_keys=True).encode()).hexdigest()[:12]

    def descendants(self, step_id: str) -> set[str]:
        """Every step that directly or indirectly waits for `step_id`."""
        found: set[str] = set()
        for step in self.steps:  # topological: one pass is enough
            if any(need == step_id or need in found for need in self.edges[step.id]):
                found.add(step.id)
        return found

    def to_json(self) -> dict[str, Any]:
        """Plain JSON data; `from_json` is its inverse."""
        return {
            "v": 1,
            "castle": self.castle,
            "site": self.site,
            "verb": self.verb.value,
            "steps": [dataclasses.asdict(step) for step in self.steps],
            "edges": {key: list(value) for key, value in self.edges.items()},
            "roles": dict(self.roles),
            "request": dict(self.request),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Plan:
        """Reads a stored plan, also of an older castle: unknown keys of steps are ignored."""
        return cls(
            castle=data["castle"],
            site=data["site"],
            verb=Verb(data["verb"]),
            steps=tuple(_step(raw) for raw in data["steps"]),
            edges={key: tuple(value) for key, value in data["edges"].items()},
            roles=data.get("roles", {}),
            request=data.get("request", {}),
        )


def _step(raw: Mapping[str, Any]) -> Step:
    known = {f.name for f in dataclasses.fields(Step)}
    kept = {key: value for key, value in raw.items() if key in known}
    kept["phase"] = Phase(kept["phase"])
    kept["effect"] = Effect(kept["effect"])
    kept["retry"] = Retry(**kept.get("retry", {}))
    kept["needs"] = tuple(kept.get("needs", ()))
    kept["provides"] = tuple(kept.get("provides", ()))
    return Step(**kept)
