"""Answers about a repository that several rules ask for: worked out once for the repository asked last."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

from ephemeral_castle.manifests.repository import Repository

Answer = TypeVar("Answer")


class Once(Generic[Answer]):
    """A function of a repository alone, and its last answer. A repository never changes."""

    def __init__(self, ask: Callable[[Repository], Answer]) -> None:
        self.ask = ask
        self.last: tuple[Repository, Answer] | None = None

    def __call__(self, repository: Repository) -> Answer:
        """The answer, from memory where it is that of the repository asked last."""
        if self.last is None or self.last[0] is not repository:
            self.last = (repository, self.ask(repository))
        return self.last[1]
