"""Every secret of a castle, by name, for tests that look where none may be."""

from __future__ import annotations

import asyncio
from typing import Any

from ephemeral_castle.world.clock import SystemClock
from ephemeral_castle.world.keys import KeyFile
from ephemeral_castle.world.objects import S3Objects
from ephemeral_castle.world.s3 import Endpoint
from ephemeral_castle.world.sigv4 import Credentials
from ephemeral_castle.world.vault import TreasuryVault
from tests.e2e.castles import TestCastle


def all_secrets(castle: TestCastle) -> dict[str, str]:
    """The key file's own secrets and everything in the vault of a castle that keeps its treasury itself."""
    keys = KeyFile.load(castle.base / "castle.key")
    found = {"identity": keys.identity.reveal(), "treasury/secret_key": keys.secret_key.reveal()}
    state = castle.base / "here" / "state" / f"{castle.name}.treasury"
    address: Any = castle.data("status")["addresses"]["treasury"]
    endpoint = Endpoint(f"https://{address}", castle.name, castle.name, ca=(state / "tls" / "ca.pem").read_text())

    async def work() -> None:
        async with S3Objects(endpoint, Credentials(keys.access_key, keys.secret_key), SystemClock()) as objects:
            vault = TreasuryVault(objects, keys)
            for name in await vault.names():
                secret = await vault.get(name)
                assert secret is not None
                found[name] = secret.reveal()

    asyncio.run(work())
    return found
