"""What a rule of experience is: a fault that somebody met, and how to see it before anything is destroyed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from ephemeral_castle.manifests.repository import Repository
from ephemeral_castle.model.finding import Finding


@dataclass(frozen=True)
class Setting:
    """What rules may know beside the repository.

    Attributes:
        kubernetes: version of the cluster, (1, 36).
        living: subjects ("PostgresCluster tazlab/db") that were seen to live; None: nobody looked.
        brought: subjects ("Secret data/token", "Namespace blog") that come from outside of the repository.
        nodes: how many machines take pods; None: not known.
    """

    kubernetes: tuple[int, int] = (1, 36)
    living: frozenset[str] | None = None
    brought: frozenset[str] = frozenset()
    nodes: int | None = None


@dataclass(frozen=True)
class Rule:
    """One rule.

    Attributes:
        id: lower case with hyphens, as `castle explain` takes it.
        title: what it finds, one line.
        why: what happens otherwise, and what to do; a few sentences for `castle explain`.
        source: where this is known from.
        find: looks through a repository.
        failures: the numbered failures that it would have prevented ("F105").
    """

    id: str
    title: str
    why: str
    source: str
    find: Callable[[Repository, Setting], Iterator[Finding]]
    failures: tuple[str, ...] = field(default=())
