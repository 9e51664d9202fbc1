"""The door to castle's own maintenance page. Implemented in `world.pages`, played by `world.simulated_names`."""

from __future__ import annotations

from typing import Protocol

from ephemeral_castle.spi.secret import Secret


class Pages(Protocol):
    """A maintenance page outside of the machines, which castle itself can serve while they are away."""

    @property
    def address(self) -> str:
        """Where it answers, or would."""
        ...

    @property
    def shown(self) -> bool:
        """Whether it answers now."""
        ...

    @property
    def ending(self) -> bool:
        """Whether it answers now, and when it ends is settled."""
        ...

    async def show(self, castle: str, retry: int, chain: str, key: Secret | None) -> None:
        """Answers every request with 503, on port 80, and with a certificate also on 443.

        Args:
            castle: name for the text.
            retry: seconds after which a client should ask again.
            chain: PEM text of the certificate and its authorities, or "".
            key: its private key.
        """
        ...

    async def end(self, at: float) -> None:
        """Ends it at a Unix second, which may have passed; no error when there is none."""
        ...
