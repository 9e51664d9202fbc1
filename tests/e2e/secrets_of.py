"""Every secret of a castle, by name, for tests that look where none may be."""

from __future__ import annotations

from ephemeral_castle.world.keys import KeyFile
from ephemeral_castle.world.objects import S3Objects
from ephemeral_castle.world.vault import TreasuryVault
from tests.e2e.castles import TestCastle
from tests.e2e.objects import ask


def all_secrets(castle: TestCastle) -> dict[str, str]:
    """The key file's own secrets and everything in the vault of a castle that keeps its treasury itself."""
    keys = KeyFile.load(castle.base / "castle.key")

    async def work(objects: S3Objects) -> dict[str, str]:
        found = {"identity": keys.identity.reveal(), "treasury/secret_key": keys.secret_key.reveal()}
        vault = TreasuryVault(objects, keys)
        for name in await vault.names():
            secret = await vault.get(name)
            assert secret is not None
            found[name] = secret.reveal()
        return found

    return ask(castle, work)
