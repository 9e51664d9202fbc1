"""What a treasury can do, tried and not believed: servers exist that accept a condition and ignore it."""

from __future__ import annotations

import asyncio
import secrets
from typing import TYPE_CHECKING

from ephemeral_castle.errors import CastleError, Conflict
from ephemeral_castle.spi.driver import Check
from ephemeral_castle.world.s3_answers import MAX_SKEW

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from ephemeral_castle.world.objects import S3Objects

FOLDER = ".castle-probe/"
RACERS = 16
SECTION = "treasury"
_ANOTHER_SERVER = "use a server with atomic conditional writes: AWS S3, versitygw, MinIO, Ceph"


async def probe(objects: S3Objects, *, rounds: int = 2, here: str = "") -> list[Check]:
    """Writes test objects under `.castle-probe/`, shows what the server does with them, and removes them.

    Args:
        objects: the castle's prefix, with a key that may write and delete there.
        rounds: races of 16 clients for one key.
        here: directory of a treasury that castle itself keeps on this computer: nobody else can make its bucket
            otherwise, and a lock in it would bind nobody who is root; "" for a server of somebody's.

    Returns:
        One check per ability. When the treasury cannot be reached at all: that one only.
    """
    folder = f"{FOLDER}{secrets.token_hex(8)}/"
    try:
        await objects.must_exist("looking at the treasury")
    except CastleError as error:
        return [_failed("the treasury answers", error)]
    checks = [Check("the treasury answers", ok=True, fact=objects.client.where, section=SECTION)]
    try:
        checks += [await _try(title, test(objects, folder)) for title, test in _TESTS]
        checks.append(await _try("of 16 clients one wins", _race(objects, folder, rounds)))
        checks += [await _try(title, look(objects)) for title, look in _LOOKS]
        checks.append(_copies(here) if here else await _try("object lock", _lock(objects)))
    finally:
        checks.append(await _try("test objects are removed", _clean(objects, folder)))
    return checks


def _failed(title: str, error: CastleError) -> Check:
    fact = f"{error.message}: {error.why}" if error.why else error.message
    return Check(title, ok=False, fact=fact, mend=error.hints[-1] if error.hints else "", section=SECTION)


async def _try(title: str, test: Awaitable[Check]) -> Check:
    try:
        return await test
    except CastleError as error:
        return _failed(title, error)


def _check(title: str, fact: str, *, ok: bool | None, mend: str = "", **data: object) -> Check:
    return Check(title, ok=ok, fact=fact, mend="" if ok else mend, section=SECTION, data=data)


def _nonce() -> bytes:
    return secrets.token_hex(16).encode()


async def _wins(write: Awaitable[str]) -> bool:
    try:
        await write
    except Conflict:
        return False
    return True


async def _read_after_write(objects: S3Objects, folder: str) -> Check:
    key, title = folder + "read", "what was written is read back at once"
    for body in (_nonce(), _nonce()):
        await objects.put(key, body)
        found = await objects.get(key)
        listed = [stat.key async for stat in objects.list(folder)]
        if found is None or found[0] != body or key not in listed:
            fact = "an older state came back: a cache stands between"
            return _check(title, fact, ok=False, mend="reach the server without that cache")
    return _check(title, "yes, and listed", ok=True)


async def _create_if_absent(objects: S3Objects, folder: str) -> Check:
    key, title = folder + "create", "a second create is refused (If-None-Match)"
    await objects.create(key, _nonce())
    refused = not await _wins(objects.create(key, _nonce()))
    fact = "refused with 412" if refused else "the second create replaced the first"
    return _check(title, fact, ok=refused, mend=_ANOTHER_SERVER)


async def _swap_if_unchanged(objects: S3Objects, folder: str) -> Check:
    key, title = folder + "swap", "a stale write is refused (If-Match)"
    first = await objects.put(key, _nonce())
    await objects.swap(key, _nonce(), first)
    refused = not await _wins(objects.swap(key, _nonce(), first))
    fact = "refused with 412" if refused else "a write with a stale ETag replaced a newer object"
    return _check(title, fact, ok=refused, mend=_ANOTHER_SERVER)


async def _race(objects: S3Objects, folder: str, rounds: int) -> Check:
    title = f"of {RACERS} clients one wins"
    # Sixteen connections are opened first: handshakes would spread the writes and hide a race.
    await asyncio.gather(*(objects.exists() for _ in range(RACERS)))
    winners = []
    for number in range(rounds):
        key = f"{folder}race-{number}"
        won = await asyncio.gather(*(_wins(objects.create(key, _nonce())) for _ in range(RACERS)))
        winners.append(sum(won))
    fact = f"winners in {rounds} races: {', '.join(map(str, winners))}"
    return _check(title, fact, ok=set(winners) == {1}, mend=_ANOTHER_SERVER, winners=winners)


async def _versions(objects: S3Objects) -> Check:
    kept = await objects.versioning()
    fact = "the bucket keeps every version" if kept else "off: what is deleted or overwritten is gone"
    return _check("versions", fact, ok=kept or None, mend="turn versioning on for this bucket", enabled=kept)


async def _lock(objects: S3Objects) -> Check:
    locked = await objects.object_lock()
    fact = "the bucket can lock objects" if locked else "off: the custodian's key can delete versions"
    mend = "make the bucket with object lock; most servers cannot turn it on later"
    return _check("object lock", fact, ok=locked or None, mend=mend, enabled=locked)


def _copies(here: str) -> Check:
    """In place of the lock, for a treasury on this computer."""
    fact = "none that castle knows: this treasury dies with the disk of this computer, and its root can delete it"
    mend = f"copy {here} to another computer regularly, or name an S3 server elsewhere under `treasury`"
    return _check("copies elsewhere", fact, ok=None, mend=mend, directory=here)


async def _clock(objects: S3Objects) -> Check:
    await objects.exists()
    skew = objects.client.skew
    if skew is None:
        return _check("clocks agree", "the server tells no time", ok=None)
    ahead = f"the server is {abs(skew):.0f} s {'ahead' if skew > 0 else 'behind'}"
    fact = "yes" if abs(skew) < 2 else ahead
    return _check(
        "clocks agree", fact, ok=abs(skew) <= MAX_SKEW, mend="set the clock of this computer right", skew=skew
    )


async def _clean(objects: S3Objects, folder: str) -> Check:
    removed = await objects.remove_all(folder)
    left = [stat.key async for stat in objects.list(folder)]
    return _check("test objects are removed", f"{removed} removed, {len(left)} left", ok=not left, mend="castle doctor")


_TESTS: tuple[tuple[str, Callable[[S3Objects, str], Awaitable[Check]]], ...] = (
    ("what was written is read back at once", _read_after_write),
    ("a second create is refused (If-None-Match)", _create_if_absent),
    ("a stale write is refused (If-Match)", _swap_if_unchanged),
)
_LOOKS: tuple[tuple[str, Callable[[S3Objects], Awaitable[Check]]], ...] = (
    ("versions", _versions),
    ("clocks agree", _clock),
)
