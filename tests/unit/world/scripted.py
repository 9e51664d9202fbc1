"""An Exec that answers from a script and remembers what it was asked."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from ephemeral_castle.spi.world import Process, Result


class ScriptedExec:
    """`answer(argv)` decides; every call is kept in `calls`."""

    def __init__(self, answer: Callable[[list[str]], Result]) -> None:
        self._answer = answer
        self.calls: list[list[str]] = []

    async def run(
        self,
        argv: Sequence[str],
        *,
        stdin: bytes = b"",
        env: Mapping[str, str] | None = None,
        timeout: float = 60.0,
    ) -> Result:
        self.calls.append(list(argv))
        return self._answer(list(argv))

    async def spawn(self, argv: Sequence[str], *, env: Mapping[str, str] | None = None) -> Process:
        raise NotImplementedError
