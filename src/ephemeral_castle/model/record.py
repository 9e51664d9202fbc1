"""The record: what the treasury knows about a castle (`castle.json`), changed by compare-and-swap only."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Record:
    """One castle, as any computer finds it.

    Attributes:
        id: UUID minted at the first raise; names collide, ids do not.
        name: the castle's name.
        recipient: age recipient of the castle's key file; another one means another castle.
        life: number of the life that stands (or stood last); 0 before the first raise.
        pending_life: life that a run is raising now, 0 when none.
        site: name of the active site.
        computer: machine id of the computer that carries the ground.
        inventory: what was created in each life: {"life": [{"kind", "id", "name"}]}.
        lineage: per treasure layer: system id, stanza, path, timeline, last seal, last proof.
        writers: access key id of each life's writer identity, by life; revoked ones are dropped.
        addresses: where services of the active life answer.
        run: id of the last run that changed the record.
        nonce: fresh in every version, against equal ETags.
    """

    id: str
    name: str
    recipient: str
    life: int = 0
    pending_life: int = 0
    site: str = ""
    computer: str = ""
    inventory: Mapping[str, Any] = field(default_factory=dict)
    lineage: Mapping[str, Any] = field(default_factory=dict)
    writers: Mapping[str, str] = field(default_factory=dict)
    addresses: Mapping[str, Any] = field(default_factory=dict)
    run: str = ""
    nonce: str = ""

    def to_json(self) -> dict[str, Any]:
        """Plain data for `castle.json`."""
        return {"v": 1, **dataclasses.asdict(self)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Record:
        """Reads a stored record; unknown keys are ignored."""
        known = {f.name for f in dataclasses.fields(cls)}
        return cls(**{key: value for key, value in data.items() if key in known})
