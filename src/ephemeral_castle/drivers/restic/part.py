"""What all parts of the driver share."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Mapping
from typing import Any

from ephemeral_castle.drivers.restic.access import where
from ephemeral_castle.drivers.restic.options import ResticOptions
from ephemeral_castle.drivers.restic.outside import Outside
from ephemeral_castle.drivers.restic.place import Place
from ephemeral_castle.errors import CastleError
from ephemeral_castle.model.step import Observation
from ephemeral_castle.spi import part
from ephemeral_castle.spi.driver import Context
from ephemeral_castle.spi.part import REACHED

PRESENT, ABSENT = "present", "absent"


@dataclasses.dataclass
class Desk:
    """What one runner keeps for one layer. Nothing here outlives the process."""

    outside: Outside | None = None

    async def close(self) -> None:
        """Removes the container for proofs."""
        if self.outside is not None:
            with contextlib.suppress(CastleError):
                await self.outside.remove()


class Part(part.Part[ResticOptions]):
    """One action of the driver on one step."""

    def __init__(self, ctx: Context, desk: Desk) -> None:
        super().__init__(ctx)
        self.desk = desk

    @property
    def survey(self) -> Mapping[str, Any]:
        """What the survey found."""
        return self.facts("survey")

    @property
    def lineage(self) -> Mapping[str, Any]:
        """What the record knows about this treasure."""
        found = self.ctx.record.lineage.get(self.layer, {})
        return found if isinstance(found, dict) else {}

    def place(self, *, old: bool = False) -> Place:
        """The volume of a life."""
        return Place(self.ctx, old=old)

    def outside(self) -> Outside:
        """The container for proofs; ended with the run."""
        self.desk.outside = self.desk.outside or Outside(self.ctx)
        self.desk.outside.ctx = self.ctx
        return self.desk.outside

    def where(self) -> str:
        """The repository, for messages."""
        return where(self.ctx)

    def waived(self) -> Observation | None:
        """Steps on the old files do not apply when there are none, or no repository yet."""
        presence = self.survey.get("presence", PRESENT)
        if presence == PRESENT:
            return None
        return Observation(REACHED, waived=str(self.survey.get("reason", presence)))
