"""What the parts of the driver `pgo` share beside those of the driver `postgres`."""

from __future__ import annotations

from ephemeral_castle.drivers.postgres.configuration import identity, secret
from ephemeral_castle.drivers.postgres.part import Part
from ephemeral_castle.drivers.postgres.pgo import birth
from ephemeral_castle.drivers.postgres.pgo.birth import Birth, Repository
from ephemeral_castle.drivers.postgres.pgo.guard import Guard
from ephemeral_castle.drivers.postgres.pgo.options import PgoOptions
from ephemeral_castle.drivers.postgres.pgo.place import PgoPlace
from ephemeral_castle.drivers.postgres.shape import MANAGED
from ephemeral_castle.drivers.postgres.sides import path_of
from ephemeral_castle.errors import Refused
from ephemeral_castle.model.castle import Verb
from ephemeral_castle.postgres.config import S3Repository
from ephemeral_castle.postgres.moment import Moment
from ephemeral_castle.spi import marks
from ephemeral_castle.spi.ways import Way, way


class Operated(Part):
    """A part whose database an operator runs."""

    @property
    def wishes(self) -> PgoOptions:
        """The layer's options."""
        found: PgoOptions = self.ctx.options
        return found

    def operated(self, *, old: bool = False) -> PgoPlace:
        """The PostgresCluster of this run's life, or of the old one."""
        return PgoPlace(self.ctx, old=old)

    def labels(self, *, old: bool = False) -> dict[str, str]:
        """Of all that castle makes for it."""
        return {**MANAGED, "castle.name": marks.name(self.ctx), **self.operated(old=old).marks()}

    def birth(self) -> Birth:
        """How it is to be born, by what the survey decided and the seal marked."""
        plan = str(self.survey["plan"])
        if plan != birth.RESTORE:
            return Birth(birth.CREATE if plan == birth.CREATE else birth.STANDS)
        target = self.target()
        if self.moment is not None:
            return Birth.at(self.moment, str(target["name"]))
        label = str(self.start_from("label") or self.survey["label"])
        return Birth.restored(label, target.get("timeline") or "", str(target.get("name", "")))

    @property
    def moment(self) -> Moment | None:
        """What a restore in place was told, once it was rehearsed; None in a run that brings home what was sealed."""
        rehearsed = self.facts("rehearse")
        return Moment(**rehearsed["moment"]) if rehearsed else None

    def target(self) -> dict[str, object]:
        """Where the history must come: the mark of this run's seal, or the recorded one's, or what the survey found."""
        sealed = self.facts("mark").get("mark") or (self.survey.get("seal") or {}).get("mark")
        return dict(sealed or self.survey["target"])

    @property
    def secret_name(self) -> str:
        """Of the Secret that leads to the repository."""
        return self.wishes.secret or f"{self.operated().name}-s3"

    def reached(self) -> Way:
        """Where pods find the treasury.

        Raises:
            Refused: at an address that its name must be told to mean, which the operator tells no pod.
        """
        found = way(self.ctx.request, self.ctx.world.access)
        if found.address not in ("", found.host):
            raise Refused(
                f"the pods of database `{self.layer}` cannot find the treasury by its name",
                why=f"`{found.host}` is to mean {found.address} there, and the operator puts no names into its pods",
                state="no database was begun; the backups are untouched",
                hints=[f"let the cluster's DNS know {found.host} as {found.address}, and drop `treasury` of its layer"],
            )
        return found

    async def s3(self, *, reads: bool = False) -> S3Repository:
        """The repository, with the identity of this life; a drill's `reads` only, and so does a copy's."""
        treasury, there = self.ctx.world.access, self.reached()
        kind = "reader" if reads or self.ctx.request.verb is Verb.DRILL else "writer"
        key, value = await identity(self, kind, self.ctx.life)
        cipher = await secret(self, f"{self.layer}/cipher", create=self.survey.get("plan") == birth.CREATE)
        return S3Repository(
            bucket=treasury.bucket,
            region=treasury.region,
            host=there.host,
            port=there.port,
            path=path_of(self),
            key=key,
            key_secret=value.reveal(),
            cipher_pass=cipher.reveal(),
            path_style=treasury.path_style,
            ca_file=birth.ca_file() if treasury.ca else "",
            retention_full=self.options.retention_full,
        )

    async def repository(self) -> Repository:
        """The same as the operator is told, without secrets."""
        return birth.repository(await self.s3(), self.secret_name, self.options.process_max)

    def guard(self, *, old: bool = False, wiping: bool = False) -> Guard:
        """The lock for the answer of this run."""
        place = self.operated(old=old)
        given = Birth(birth.STANDS) if old else self.birth()
        return Guard(marks.own(self.ctx), self.layer, place.namespace, place.name, path_of(self), given,
                     place.life, wiping)  # fmt: skip
