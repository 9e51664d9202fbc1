"""Users' passwords: castle's own, in Secrets that the operator adopts and sets in the server."""

from __future__ import annotations

import base64
import hashlib
import hmac
from typing import TYPE_CHECKING

from ephemeral_castle.drivers.postgres.configuration import secret
from ephemeral_castle.drivers.postgres.pgo import manifests
from ephemeral_castle.drivers.postgres.pgo.vocabulary import PGUSER, users
from ephemeral_castle.spi.kubernetes import Ref
from ephemeral_castle.spi.secret import Secret

if TYPE_CHECKING:
    from ephemeral_castle.drivers.postgres.own import Own
    from ephemeral_castle.drivers.postgres.pgo.part import Operated
    from ephemeral_castle.spi.kubernetes import Manifest


async def hand_over(part: Operated, own: Own) -> list[str]:
    """Makes Secrets that are missing, and mends those with another password; gives the users that were mended.

    The operator finds a Secret by its labels, whatever its name; without one it would make a password up.
    """
    place, there, mended = part.operated(), await _known(part, own), []
    for user in part.options.users:
        password = await secret(part, f"{part.layer}/user/{user}")
        known = there.get(user)
        if known is None:
            await own.put(manifests.user_secret(place.namespace, place.name, user, part.labels(), password.reveal()))
        elif not _same(known, password.reveal()):
            ref = Ref("v1", "Secret", str(known["metadata"]["name"]), place.namespace)
            coded = base64.b64encode(password.reveal().encode()).decode()
            # Without its verifier the operator makes another, of this password.
            await own.cluster.patch(ref, {"data": {"password": coded, "verifier": None}})
            mended.append(user)
    return mended


async def learn(part: Operated, own: Own) -> None:
    """Castle's secrets hold the passwords that a living cluster's Secrets hold, where castle knew of none."""
    there = await _known(part, own)
    for user in part.options.users:
        name = f"{part.layer}/user/{user}"
        coded = (there.get(user, {}).get("data") or {}).get("password", "")
        if coded and await part.ctx.secrets.get(name) is None:
            await part.ctx.secrets.put(name, Secret(base64.b64decode(coded).decode()))


async def others(part: Operated, own: Own) -> list[str]:
    """Users whose Secret is missing, or holds another password than castle's."""
    there = await _known(part, own)
    found = []
    for user in part.options.users:
        password = await part.ctx.secrets.get(f"{part.layer}/user/{user}")
        if password is None or user not in there or not _same(there[user], password.reveal()):
            found.append(user)
    return found


async def unset(part: Operated, own: Own) -> list[str]:
    """Users whose Secret the operator has not read yet: it adds the verifier that it sets in the server."""
    there = await _known(part, own)
    return [user for user in part.options.users if "verifier" not in (there.get(user, {}).get("data") or {})]


async def _known(part: Operated, own: Own) -> dict[str, Manifest]:
    place = part.operated()
    found = await own.cluster.list("v1", "Secret", place.namespace, labels=users(place.name))
    return {str((each["metadata"].get("labels") or {}).get(PGUSER, "")): each for each in found}


def _same(found: Manifest, password: str) -> bool:
    given = base64.b64decode((found.get("data") or {}).get("password", ""))
    return hmac.compare_digest(hashlib.sha256(given).digest(), hashlib.sha256(password.encode()).digest())
