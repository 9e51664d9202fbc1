"""The record as a drill sees it: a castle that stands nowhere; and the one thing that a drill may write there."""

from __future__ import annotations

import dataclasses
import uuid
from collections.abc import Callable, Mapping
from typing import Any

from ephemeral_castle.errors import Refused
from ephemeral_castle.journal.record import RecordStore
from ephemeral_castle.model.record import Record


class DrillRecords(RecordStore):
    """Reads like after a total loss. Of any change, only newer proofs reach the record.

    Args:
        store: the castle's record.
        name: the name of the drill's castle.
    """

    def __init__(self, store: RecordStore, name: str) -> None:
        self._store = store
        self._name = name
        self._memory: Record | None = None

    async def load(self) -> tuple[Record, str] | None:
        """See `RecordStore`."""
        found = await self._store.load()
        return None if found is None else (self._seen(found[0]), found[1])

    async def create(self, record: Record) -> Record:
        """Never.

        Raises:
            Refused: a castle without a record has nothing to rehearse.
        """
        raise Refused(
            f"castle `{record.name}` has no record in this treasury",
            why="a drill brings back what lies in the treasury, and there is nothing",
            state="nothing was changed",
            hints=["look at `treasury.url` in the definition", "castle status"],
        )

    async def update(self, change: Callable[[Record], Record]) -> Record:
        """See `RecordStore`."""

        def proofs_only(record: Record) -> Record:
            return dataclasses.replace(record, lineage=with_proofs(record.lineage, change(record).lineage))

        return self._seen(await self._store.update(proofs_only))

    def _seen(self, record: Record) -> Record:
        return dataclasses.replace(
            record, name=self._name, site="", pending_life=0, inventory={}, writers={}, addresses={}
        )


class UnrecordedDrill(DrillRecords):
    """Of a castle that was never raised, and whose treasures lie elsewhere: a record in memory, for one drill.

    What is proven stands in the drill's report alone.
    """

    async def create(self, record: Record) -> Record:
        """Keeps it in memory. Its id is made from key and name: so each drill knows what the one before it left."""
        made = uuid.uuid5(uuid.NAMESPACE_URL, f"castle:{record.recipient}:{record.name}")
        self._memory = dataclasses.replace(record, id=str(made))
        return self._memory

    async def update(self, change: Callable[[Record], Record]) -> Record:
        """In memory, where there is no record; else as `DrillRecords`."""
        if self._memory is None:
            return await super().update(change)
        self._memory = change(self._memory)
        return self._memory


def with_proofs(lineage: Mapping[str, Any], wished: Mapping[str, Any]) -> dict[str, Any]:
    """A lineage with the proofs of another one, where they are newer than its own."""
    found = dict(lineage)
    for name, facts in wished.items():
        proof, known = facts.get("proof"), (lineage.get(name) or {}).get("proof") or {}
        if name in lineage and proof and float(proof["at"]) > float(known.get("at", 0)):
            found[name] = {**lineage[name], "proof": proof}
    return found
