"""The record in the treasury: `castle.json`, changed by compare-and-swap only."""

from __future__ import annotations

import dataclasses
import json
import secrets
from collections.abc import Callable

from ephemeral_castle.errors import Conflict, Damaged, NotFound, Refused, Transient
from ephemeral_castle.model.record import Record
from ephemeral_castle.spi.world import Objects

KEY = "castle.json"
TRIES = 20


class RecordStore:
    """Loads and changes the record of one castle.

    Args:
        objects: the castle's prefix in the treasury.
        recipient: age recipient of this castle's key file; a record of another one is refused.
        nonce: gives a text that was never given before. A server's ETag may be the digest of the content, so two
            versions must never be equal.
    """

    def __init__(
        self, objects: Objects, recipient: str, nonce: Callable[[], str] = lambda: secrets.token_hex(16)
    ) -> None:
        self._objects = objects
        self._recipient = recipient
        self._nonce = nonce

    async def load(self) -> tuple[Record, str] | None:
        """The record and its ETag, or None before the first raise.

        Raises:
            Refused: the prefix belongs to another castle.
            Damaged: the object is no record.
        """
        got = await self._objects.get(KEY)
        if got is None:
            return None
        body, etag = got
        try:
            record = Record.from_json(json.loads(body))
        except (ValueError, TypeError, AttributeError) as error:
            raise Damaged(
                "the castle's record cannot be read",
                where=KEY,
                why=str(error),
                state="it was not touched",
                hints=["bring back an earlier version of the object in the bucket", "castle doctor"],
            ) from error
        self._refuse_other(record)
        return record, etag

    async def create(self, record: Record) -> Record:
        """Writes the first record; gives it as stored.

        Raises:
            Conflict: there is one already.
            Refused: there is one, of another castle.
        """
        self._refuse_other(record)
        new = dataclasses.replace(record, nonce=self._nonce())
        try:
            await self._objects.create(KEY, _body(new))
        except (Conflict, Transient) as error:
            # A lost answer, or a repeated request: whose nonce stands there tells.
            stored = await self.load()
            if stored is not None and stored[0].nonce == new.nonce:
                return new
            if stored is None:
                raise
            raise Conflict(
                "the castle has a record already",
                where=KEY,
                why=f"written by run {stored[0].run or 'unknown'}, life {stored[0].life}",
                state="it was not changed",
                hints=["castle status"],
            ) from error
        return new

    async def update(self, change: Callable[[Record], Record]) -> Record:
        """Applies `change` to the newest record and stores the result; gives it as stored.

        Args:
            change: pure. It is called again when somebody else was faster, and may see its own result when an answer
                was lost, so it must give the same whether applied once or twice.

        Raises:
            NotFound: there is no record.
            Refused: the prefix belongs to another castle.
            Conflict: others changed it every time.
        """
        fault: Conflict | Transient | None = None
        for _ in range(TRIES):
            loaded = await self.load()
            if loaded is None:
                raise NotFound("the castle has no record", where=KEY, hints=["castle raise"])
            new = dataclasses.replace(change(loaded[0]), nonce=self._nonce())
            self._refuse_other(new)
            try:
                await self._objects.swap(KEY, _body(new), loaded[1])
            except (Conflict, Transient) as error:
                stored = await self.load()
                if stored is None or stored[0].nonce != new.nonce:
                    if isinstance(error, Transient):
                        raise
                    fault = error
                    continue
            return new
        raise Conflict(
            "the castle's record could not be changed",
            where=KEY,
            why=f"somebody else changed it {TRIES} times in a row",
            state="it was not changed by us",
            hints=["castle status"],
        ) from fault

    def _refuse_other(self, record: Record) -> None:
        if record.recipient != self._recipient:
            raise Refused(
                "this prefix belongs to another castle",
                where=KEY,
                why=f"its record names `{record.name}` with key {record.recipient}, our key is {self._recipient}",
                state="nothing was changed",
                hints=["use that castle's key file, or another bucket or prefix in `treasury.url`", "castle doctor"],
            )


def _body(record: Record) -> bytes:
    return json.dumps(record.to_json(), sort_keys=True, indent=1).encode()
