"""Knots of a directed graph: nodes that all reach each other. Pure."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from typing import TypeVar

Key = TypeVar("Key", bound=Hashable)


def knots(graph: Mapping[Key, Sequence[Key]]) -> Iterator[list[Key]]:
    """Groups of nodes that all reach each other, and single ones that reach themselves (Tarjan's algorithm).

    Args:
        graph: each node with those that it points to; one that is only pointed to may be left out.
    """
    number: dict[Key, int] = {}
    low: dict[Key, int] = {}
    path: list[Key] = []
    inside: set[Key] = set()
    for root in graph:
        work = [(root, iter(graph[root]))] if root not in number else []
        while work:
            key, ahead = work[-1]
            if key not in number:
                number[key] = low[key] = len(number)
                path.append(key)
                inside.add(key)
            other = next(ahead, None)
            if other is not None:
                if other not in number:
                    work.append((other, iter(graph.get(other, ()))))
                elif other in inside:
                    low[key] = min(low[key], number[other])
                continue
            work.pop()
            if work:
                low[work[-1][0]] = min(low[work[-1][0]], low[key])
            if low[key] == number[key]:
                start = path.index(key)
                group, path[start:] = path[start:], []
                inside.difference_update(group)
                if len(group) > 1 or key in graph.get(key, ()):
                    yield group
