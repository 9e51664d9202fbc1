"""What the record keeps of each treasure, and how it changes. Pure."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from ephemeral_castle.model.record import Record


def sealed_layers(record: Record, life: int) -> list[str]:
    """Layers whose seal ended this life."""
    return [name for name, known in record.lineage.items() if (known.get("seal") or {}).get("life") == life]


def joined(lineage: Mapping[str, Any], more: Mapping[str, Any]) -> dict[str, Any]:
    """A lineage with more facts for some of its layers."""
    return {**lineage, **{name: {**lineage.get(name, {}), **facts} for name, facts in more.items()}}


def arrived(lineage: Mapping[str, Any], born: Mapping[str, Any]) -> dict[str, Any]:
    """A lineage of a life that began: what was announced has come true."""
    kept = {
        name: {key: value for key, value in facts.items() if key != "arriving" or name not in born}
        for name, facts in lineage.items()
    }
    return joined(kept, born)


def unproven(record: Record) -> Record:
    """The record without what a drill may change in it: proofs, and the nonce of the version."""
    lineage = {
        name: {key: value for key, value in facts.items() if key != "proof"} for name, facts in record.lineage.items()
    }
    return dataclasses.replace(record, lineage=lineage, nonce="")


def unsealed(record: Record, layers: Sequence[str]) -> Record:
    """The record without seals of a life that goes on; how far its history must reach at least stays known."""
    lineage = dict(record.lineage)
    for name in layers:
        kept = dict(lineage[name])
        seal = kept.pop("seal")
        lineage[name] = {**kept, **_stays(seal)}
    return dataclasses.replace(record, lineage=lineage)


def _stays(seal: Mapping[str, Any]) -> dict[str, Any]:
    """What a seal that is taken out leaves in the record: what it says itself, else the mark of a database."""
    if "stays" in seal:
        return dict(seal["stays"])
    return {"mark": seal["mark"]["lsn"], "timeline": int(seal["mark"]["timeline"])}
