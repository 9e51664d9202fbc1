"""Before anything: the image, the container for proofs, the standing database awake."""

from __future__ import annotations

from ephemeral_castle.drivers.postgres.awake import awake, awake_pooler
from ephemeral_castle.drivers.postgres.configuration import reader_files
from ephemeral_castle.drivers.postgres.image import POSTGRES
from ephemeral_castle.drivers.postgres.part import PRESENT, Part
from ephemeral_castle.drivers.postgres.place import ABSENT, RUNNING
from ephemeral_castle.drivers.postgres.sides import odd_one
from ephemeral_castle.drivers.postgres.whereabouts import elsewhere
from ephemeral_castle.errors import CastleError, Permanent, Refused, Transient
from ephemeral_castle.model.castle import Verb
from ephemeral_castle.model.step import Observation, Retry, State
from ephemeral_castle.postgres.states import Absent, Unknown
from ephemeral_castle.spi.cold import drop, see_dropped
from ephemeral_castle.spi.part import NOT_REACHED, REACHED

TRIES = 3  # of waking a database before it may be given up
LAST = Retry().attempts


class Image(Part):
    """The image that the database and proofs run in."""

    async def observe(self) -> Observation:
        """Whether the store of this computer has it."""
        there = await self.ctx.world.images.present(self.layout.recipe)
        return Observation(REACHED if there else NOT_REACHED, "" if there else "not built yet")

    async def act(self) -> Observation | None:
        """Builds it from Debian packages."""
        await self.ctx.world.images.build(self.layout.recipe, self.ctx.progress)
        return None


class Push(Part):
    """The image lies where the cluster's nodes pull it from."""

    @property
    def registry(self) -> str:
        """HOST:PORT, as this computer reaches it."""
        wanted = self.options.registry
        reach = self.ctx.request.site.reach.get(wanted)
        if reach is not None:
            return f"{reach.host}:{reach.port}"
        if "." in wanted or ":" in wanted:
            return wanted
        raise Permanent(
            f"the nodes of the cluster cannot pull the image of database `{self.layer}`",
            why=f"site `{self.ctx.request.site.name}` reaches no registry by the name `{wanted}`",
            state="nothing was changed",
            hints=[
                f"name it in the site: `reach: {{{wanted}: 127.0.0.1:5000}}`",
                "or name another one in the layer: `registry: HOST:PORT`",
            ],
        )

    async def observe(self) -> Observation:
        """Whether the registry has it."""
        there = await self.ctx.world.images.published(POSTGRES, self.registry)
        return Observation(REACHED if there else NOT_REACHED, self.registry if there else "not there yet")

    async def act(self) -> Observation | None:
        """Hands it over."""
        await self.ctx.world.images.publish(POSTGRES, self.registry, self.ctx.progress)
        return None


class Cold(Part):
    """With `--cold` the image is dropped; the container for proofs stands on it, so it goes first."""

    async def observe(self) -> Observation:
        """Whether the store has it no more."""
        return await see_dropped(self.ctx, self.layout.recipe)

    async def act(self) -> Observation | None:
        """Drops it."""
        await self.outside().remove()
        return await drop(self.ctx, self.layout.recipe)


class OutsideUp(Part):
    """The container for proofs, with the reader's identity."""

    async def observe(self) -> Observation:
        """Whether it runs for this run."""
        return Observation(REACHED if await self.outside().running() else NOT_REACHED)

    async def act(self) -> Observation | None:
        """Starts it."""
        fresh = self.ctx.record.life == 0 and self.ctx.request.new
        await self.outside().start(await reader_files(self, create=fresh))
        return Observation(REACHED)


class Revive(Part):
    """A database whose machine stands is awake: sealing needs it. Nothing is started where nothing is."""

    async def observe(self) -> Observation:
        """Running, or not there at all, or to be left as it is: stopped by the seal, or with its end begun."""
        if self.ctx.passed_no_return:
            return Observation(REACHED, "its end has begun")
        try:
            return await self._looked()
        except Refused:
            raise
        except CastleError as error:  # whoever cannot be asked has said nothing: `act` says what can be done
            return Observation(NOT_REACHED, f"it cannot be asked: {error.why or error}")

    async def _looked(self) -> Observation:
        away = await elsewhere(self.ctx)
        if away:  # the survey refuses, and offers the way out
            return Observation(REACHED, away, {"presence": ABSENT, "elsewhere": away})
        listed = await self.listed()
        if listed is None:  # not seen is not absent
            return Observation(State.UNKNOWN, "no layer of the ground has listed what stands of the old life")
        if not listed:
            return Observation(REACHED, "nothing of the old life is here", {"presence": ABSENT})
        self._not_sealed()
        place = self.place(old=True)
        there = await place.standing()
        if there.state == RUNNING:
            return Observation(REACHED, "running", {"presence": PRESENT})
        if there.state == ABSENT and there.cluster == Absent():
            return Observation(REACHED, "its machine has no data volume", {"presence": ABSENT})
        if there.state == ABSENT and isinstance(there.cluster, Unknown):
            why = f"no server stands, and {there.cluster.why}"
            return Observation(REACHED, why, {"presence": ABSENT, "elsewhere": why})
        if self.facts("mark") and await place.stopped_cleanly():
            return Observation(REACHED, "stopped behind the mark: a start would write after it")
        odd = odd_one(self, there.cluster)
        if odd is not None:
            return Observation(REACHED, "left as it is: no server of this castle", {"presence": PRESENT, "odd": odd})
        return Observation(NOT_REACHED, there.state)

    def _not_sealed(self) -> None:
        """A backup or a look at the past must not wake what was sealed."""
        seal = self.lineage.get("seal") or {}
        if self.ctx.request.verb in (Verb.BACKUP, Verb.RESTORE) and seal.get("life") == self.ctx.old_life:
            raise Refused(
                "the castle is sealed",
                why="nothing may be written behind a seal, and a database that is started writes",
                state="nothing was changed",
                hints=["castle raise, to open it again"],
            )

    async def act(self) -> Observation | None:
        """Delivers the secrets again (memory forgets them) and starts both; or gives it up, where that was said."""
        try:
            await self._wake()
        except CastleError as error:
            surely = not isinstance(error, Transient) or self.ctx.attempt >= TRIES
            if not (surely and self.ctx.request.abandon_data):
                self._offer(error)
                raise
            why = f"it does not come up, and --abandon-data was given: {error.why or error}"
            return Observation(REACHED, why, {"presence": PRESENT})
        return None

    def _offer(self, error: CastleError) -> None:
        """Refuses at the last try, with the way out that a database has whose cluster cannot be brought to answer."""
        last = not isinstance(error, Transient) or self.ctx.attempt >= LAST
        can = self.options.namespace and self.ctx.request.verb in (Verb.REBIRTH, Verb.WIPE)
        if not (last and can) or isinstance(error, Refused):
            return
        words = "to give up what was written since the last archived change"
        raise Refused(
            f"database `{self.layer}` stands in the record, and cannot be brought to answer",
            where=error.where,
            why=f"{error.message}: {error.why}" if error.why else error.message,
            state="nothing was changed",
            hints=[
                "mend it, and again; `castle doctor` looks at the way there",
                f"only if it cannot be mended, {words}: castle {self.ctx.request.verb.value} --abandon-data",
            ],
        ) from error

    async def _wake(self) -> None:
        await awake(self, old=True)
        await awake_pooler(self, old=True)
        session = await self.session(old=True)
        if self.facts("marker-b"):
            await session.ask(self.layout.quiet)  # a start wakes heartbeat and vacuum; they must rest behind the fence
