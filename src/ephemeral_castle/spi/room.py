"""Where a drill's castle stands on this computer."""

from __future__ import annotations

from typing import Protocol


class Room(Protocol):
    """The corner of this computer that a drill makes for itself: namespace, podman, the way to the treasury."""

    @property
    def name(self) -> str:
        """Name of its network namespace."""
        ...

    def maker(self) -> str:
        """Id of the run that made what is there; "" when nothing says so."""
        ...

    def going(self) -> bool:
        """Whether its removal has begun, and did not end."""
        ...

    async def stands(self) -> bool:
        """Whether all of it stands since this boot."""
        ...

    async def make(self, run: str) -> None:
        """Makes what is missing, for this run; its id is written down first."""
        ...

    async def left(self) -> list[str]:
        """What there is of it, also when it does not stand; empty when there is no trace."""
        ...

    async def remove(self, mark: str) -> None:
        """Removes all of it. May be repeated.

        Raises:
            Refused: a container or volume in it does not carry this mark; nothing was removed.
        """
        ...
