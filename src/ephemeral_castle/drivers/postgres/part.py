"""What all parts of the driver share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ephemeral_castle.drivers.postgres.desk import Desk
from ephemeral_castle.drivers.postgres.layout import Layout, layout_of
from ephemeral_castle.drivers.postgres.options import PostgresOptions
from ephemeral_castle.drivers.postgres.outside import Outside
from ephemeral_castle.drivers.postgres.place import Place
from ephemeral_castle.drivers.postgres.places import place_of
from ephemeral_castle.drivers.postgres.session import Session
from ephemeral_castle.model.step import Observation
from ephemeral_castle.spi import part
from ephemeral_castle.spi.driver import Context
from ephemeral_castle.spi.part import REACHED
from ephemeral_castle.spi.ways import raised_here

PRESENT = "present"


class Part(part.Part[PostgresOptions]):
    """One action of the driver on one step."""

    def __init__(self, ctx: Context, desk: Desk) -> None:
        super().__init__(ctx)
        self.desk = desk

    @property
    def layout(self) -> Layout:
        """How server, pgBackRest and the container for proofs are laid out."""
        return layout_of(self.ctx)

    async def listed(self) -> bool | None:
        """Whether anything is there that can carry the old life's data; None when nobody could tell.

        A machine with its volume, or a cluster's: what a cluster holds that no ground carries, it lists itself.
        """
        if not self.options.namespace or raised_here(self.ctx.request):
            listed = self.facts_of_ground().get("volumes")
            return None if listed is None else bool(listed)
        return await self.place(old=True).listed()

    @property
    def survey(self) -> Mapping[str, Any]:
        """What the survey found."""
        return self.facts("survey")

    def start_from(self, fact: str) -> Any:
        """A fact ("label", "archive_start") of the backup that a return starts from: this run's, or the proven one."""
        return self.facts("backup").get(fact) or self.survey.get(f"proven_{fact}")

    @property
    def arrived(self) -> Mapping[str, Any]:
        """What is known of the data once this run brought them back, into a new life or in place; else nothing."""
        return self.facts("home") or self.facts("rewind")

    @property
    def lineage(self) -> Mapping[str, Any]:
        """What the record knows about this treasure."""
        found = self.ctx.record.lineage.get(self.layer, {})
        return found if isinstance(found, dict) else {}

    def place(self, *, old: bool = False) -> Place:
        """Database and pooler of a life."""
        return place_of(self.ctx, old=old)

    def outside(self) -> Outside:
        """The container for proofs; ended with the run."""
        self.desk.outside = self.desk.outside or Outside(self.ctx)
        self.desk.outside.ctx = self.ctx
        return self.desk.outside

    async def session(self, database: str = "postgres", name: str = "a", *, old: bool = False) -> Session:
        """An open session. A database that has its data already is started again if it does not run."""
        if not old and self.arrived:
            await self.still_awake()
        return await self.desk.session(self.ctx, database, name, old=old)

    async def still_awake(self) -> None:
        """The computer may have been started anew since an earlier runner brought the data home; asked once."""
        from ephemeral_castle.drivers.postgres.awake import awake  # it is made of parts itself

        async with self.desk.waking:
            if self.ctx.life not in self.desk.awake:
                await awake(self, old=False)
                self.desk.awake.add(self.ctx.life)

    def waived(self) -> Observation | None:
        """Steps on the old treasure do not apply when there is none."""
        presence = self.survey.get("presence", PRESENT)
        if presence == PRESENT:
            return None
        return Observation(REACHED, waived=str(self.survey.get("reason", presence)))
