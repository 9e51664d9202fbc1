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
from ephemeral_castle.model.castle import Role
from ephemeral_castle.model.step import Observation, State
from ephemeral_castle.spi.driver import Context

REACHED, NOT_REACHED, PARTIAL = State.REACHED, State.NOT_REACHED, State.PARTIAL
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


class Part:
    """One action of the driver on one step. `observe` never changes anything."""

    def __init__(self, ctx: Context, desk: Desk) -> None:
        self.ctx = ctx
        self.desk = desk
        self.options: ResticOptions = ctx.options
        self.layer = ctx.layer.id

    async def observe(self) -> Observation:
        """Relative to the step's goal."""
        return Observation(NOT_REACHED)

    async def act(self) -> Observation | None:
        """Does it."""
        return None

    def facts(self, action: str) -> Mapping[str, Any]:
        """Facts of another step of this layer."""
        return self.ctx.facts(f"{self.layer}.{action}")

    def facts_of_ground(self) -> Mapping[str, Any]:
        """What the ground layer listed of the standing life; empty when none has listed anything.

        The ground is known by its role: a layer of files may need other layers, or none.
        """
        grounds = (layer.id for layer in self.ctx.request.site.layers if layer.role is Role.GROUND)
        return next((facts for facts in (self.ctx.facts(f"{ground}.revive") for ground in grounds) if facts), {})

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
