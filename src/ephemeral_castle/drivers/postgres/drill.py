"""The proof of a drill: what came back can be read to the last row, and is the castle's own last life."""

from __future__ import annotations

from typing import Any

from ephemeral_castle.drivers.postgres.home import DataProof
from ephemeral_castle.errors import Permanent
from ephemeral_castle.model.step import Observation, State
from ephemeral_castle.postgres import marker


class DrillProof(DataProof):
    """As after a total loss; and the backup counts as proven."""

    async def act(self) -> Observation | None:
        """Reads every table, looks for the marks, says what was proven."""
        marks = await self._marks()
        missing = [name for name, mark in marks.items() if not mark["found"]]
        if missing:
            raise Permanent(
                "what came back is not the castle's last life",
                why=f"it lacks {', '.join(missing)}: the backup is older than the record says, or of another castle",
                state="the living castle was not touched; its backups are as they were",
                hints=["castle backup --full --prove", "castle logs"],
            )
        seen = await super().act()
        if seen is None or seen.state is not State.REACHED:
            return seen
        label = str(self.start_from("label") or self.survey["label"])
        proof = {"label": label, "at": self.ctx.world.clock.now(), "run": self.ctx.run}
        found = {**seen.facts.get("markers", {}), **marks}
        facts = {**seen.facts, "markers": found, "label": label, f"sealed:{self.layer}": {"proof": proof}}
        return Observation(seen.state, f"{label}: {seen.detail}", facts)

    async def _marks(self) -> dict[str, Any]:
        """The row by which the recorded life began; and the marker of the proven backup where it is this one.

        A later backup need not have that marker: a restore to an earlier time may have taken it back.
        """
        session = await self.session()
        if not (await session.json(marker.SCHEMA_STATE))["marked"]:
            return {f"of life {self.ctx.record.life}": {"found": False}}
        newest = await session.json(marker.NEWEST_LIFE)
        life = int(newest["life"]) if newest else 0
        found: dict[str, Any] = {f"of life {self.ctx.record.life}": {"found": life >= self.ctx.record.life}}
        proof = self.lineage.get("proof") or {}
        if proof.get("label") == self.survey.get("label") and proof.get("by") != "drill" and proof:
            nonce = f"{proof['run']}-a"
            there = await session.json(marker.find_markers([nonce]))
            found["of the proven backup"] = {"id": nonce, "found": bool(there)}
        return found
