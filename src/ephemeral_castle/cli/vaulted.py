"""Secrets by hand: what `castle secret` does in the castle's vault."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ephemeral_castle.cli.worlds import open_world
from ephemeral_castle.errors import NotFound, Refused
from ephemeral_castle.spi.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ephemeral_castle.model.castle import Castle, Site

OF_THE_KEY_FILE = ("treasury/access_key", "treasury/secret_key")


async def secret(castle: Castle, site: Site, action: str, name: str, value: str) -> Mapping[str, Any]:
    """One action on the vault.

    Raises:
        NotFound: there is no secret of that name.
        Refused: the name belongs to the key file.
    """
    opened = await open_world(castle, site)
    try:
        vault = opened.secrets.vault
        by_hand = {*opened.keys.secrets, *OF_THE_KEY_FILE}
        if action == "list":
            return {"names": sorted({*await vault.names(), *opened.keys.secrets})}
        if action == "get":
            found = await opened.secrets.get(name)
            if found is None:
                raise NotFound(f"this castle has no secret `{name}`", hints=["castle secret list"])
            return {"name": name, "value": found.reveal()}
        if name in by_hand:
            raise Refused(
                f"`{name}` is kept in the key file, which wins over the vault",
                where=castle.treasury.keys,
                state="nothing was changed",
                hints=["change it in the key file"],
            )
        if action == "put":
            await vault.put(name, Secret(value))
            return {"name": name, "done": "stored"}
        await vault.delete(name)
        return {"name": name, "done": "deleted"}
    finally:
        await opened.close()
