"""A value that must not be seen: repr, str, format and JSON all give a placeholder."""

from __future__ import annotations

from typing import Protocol

REDACTED = "[redacted]"


class Secret:
    """Wraps one secret text. Only `reveal()` gives it out; comparing and hashing work, printing does not."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The text itself, for the one process that needs it."""
        return self._value

    def __repr__(self) -> str:
        return REDACTED

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return REDACTED

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        return hash(self._value)

    def __reduce__(self) -> str:
        raise TypeError("a Secret cannot be pickled")


class SecretSource(Protocol):
    """Where secrets come from and where generated ones are kept before they are used."""

    async def get(self, name: str) -> Secret | None:
        """The secret of that name, or None where there is none (never an empty text)."""
        ...

    async def put(self, name: str, value: Secret) -> None:
        """Stores a generated secret durably; returns only when another computer could read it."""
        ...
