"""Copies of the castle's repository in the treasury: the way back when its host is gone.

`git/index.age` says which revision was kept when; `git/COMMIT.bundle.age` is that commit with its history. Both are
encrypted to the castle's identity, for the repository may be private. The stock tools open them: age, then git.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from ephemeral_castle.errors import Conflict, Damaged, NotFound

if TYPE_CHECKING:
    from ephemeral_castle.spi.world import Objects

INDEX = "git/index.age"
LARGEST = 128 * 1024 * 1024  # bytes of one copy: it is encrypted and sent in one piece, from memory
KEPT = 3  # copies of one branch or tag
_TRIES = 8


@dataclass(frozen=True)
class Copy:
    """One revision in the treasury. `kept`: when, Unix seconds."""

    ref: str
    sha: str
    kept: float
    subject: str = ""
    committed: float = 0.0
    size: int = 0

    @property
    def key(self) -> str:
        """Its place in the treasury."""
        return f"git/{self.sha}.bundle.age"


class GitCopies:
    """The copies of one castle.

    Args:
        objects: the castle's prefix.
        encrypt: to the castle's identity.
        decrypt: its inverse; the second argument is the name for messages. Raises Damaged.
    """

    def __init__(
        self, objects: Objects, encrypt: Callable[[bytes], bytes], decrypt: Callable[[bytes, str], bytes]
    ) -> None:
        self._objects = objects
        self._encrypt = encrypt
        self._decrypt = decrypt

    async def all(self) -> list[Copy]:
        """Every copy, the newest first.

        Raises:
            Damaged: the list cannot be read.
        """
        return (await self._index())[0]

    async def load(self, copy: Copy) -> bytes:
        """The bundle of a copy.

        Raises:
            NotFound: it is gone from the treasury. Damaged: it cannot be decrypted.
        """
        found = await self._objects.get(copy.key)
        if found is None:
            raise NotFound("the copy of the repository is gone from the treasury", where=copy.key)
        return await asyncio.to_thread(self._decrypt, found[0], copy.key)

    async def has(self, copy: Copy) -> bool:
        """Whether the bundle itself is there."""
        return await self._objects.head(copy.key) is not None

    async def add(self, copy: Copy, bundle: bytes | None) -> None:
        """Keeps a copy as the newest of its ref, and lets go of the oldest ones.

        Args:
            copy: what it is.
            bundle: its content; None when it is there already.

        Raises:
            Conflict: others changed the list all the time. Damaged: the list cannot be read, so it is not overwritten.
        """
        if bundle is not None:
            await self._objects.put(copy.key, await asyncio.to_thread(self._encrypt, bundle))
        for _ in range(_TRIES):
            before, etag = await self._index()
            after = _with(before, copy)
            body = self._encrypt(json.dumps({"v": 1, "copies": [asdict(each) for each in after]}).encode())
            try:
                await (self._objects.swap(INDEX, body, etag) if etag else self._objects.create(INDEX, body))
            except Conflict:
                continue
            for key in {each.key for each in before} - {each.key for each in after}:
                await self._objects.delete(key)
            return
        raise Conflict("the list of the repository's copies cannot be written", where=INDEX, why="others changed it")

    async def _index(self) -> tuple[list[Copy], str]:
        found = await self._objects.get(INDEX)
        if found is None:
            return [], ""
        plain = self._decrypt(found[0], INDEX)
        try:
            copies = [_read(each) for each in json.loads(plain)["copies"]]
        except (ValueError, KeyError, TypeError):
            raise Damaged("the list of the repository's copies is not readable", where=INDEX) from None
        return copies, found[1]


def _read(raw: dict[str, Any]) -> Copy:
    """One entry, also of a newer castle: unknown keys are ignored."""
    return Copy(**{key: value for key, value in raw.items() if key in Copy.__dataclass_fields__})


def _with(copies: list[Copy], new: Copy) -> list[Copy]:
    """The list with a new first entry: at most KEPT of one ref."""
    others = [copy for copy in copies if (copy.ref, copy.sha) != (new.ref, new.sha)]
    same = [copy for copy in others if copy.ref == new.ref][: KEPT - 1]
    return [new, *(copy for copy in others if copy.ref != new.ref or copy in same)]
