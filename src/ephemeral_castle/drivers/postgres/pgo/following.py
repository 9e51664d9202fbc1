"""A birth is followed until its server takes rows; why a restore gave up is told as soon as it did."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ephemeral_castle.drivers.postgres.pgo import seen
from ephemeral_castle.drivers.postgres.pgo.vocabulary import INITIALIZED, RESTORE
from ephemeral_castle.drivers.postgres.place import RUNNING
from ephemeral_castle.errors import CastleError, Permanent, Transient
from ephemeral_castle.postgres.exits import explain

if TYPE_CHECKING:
    from ephemeral_castle.drivers.postgres.pgo.place import PgoPlace

POLL = 0.5
STANDS = "the cluster stands; the backups are untouched"


async def follow(place: PgoPlace) -> None:
    """Until the server takes rows.

    Raises:
        CastleError: the restore failed for good; in its own words.
    """
    told = ""
    while True:
        cluster = await place.cluster()
        state = await place.state()
        if state == RUNNING and seen.identifier(cluster):
            return
        await _judge(place, cluster)
        if state != told:
            told = state
            place.ctx.progress(f"PostgresCluster {place.namespace}/{place.name} is {state}")
        await place.ctx.world.clock.sleep(POLL)


async def forget_failed(place: PgoPlace) -> None:
    """A restore that gave up is not begun again by what was mended, only by the end of its Job."""
    if seen.failed_restore(await place.restore_pods()) is None:
        return
    own = await place.own()
    for job in await place.jobs(RESTORE):
        await own.delete(job)


async def _judge(place: PgoPlace, cluster: Any) -> None:
    if seen.failed_restore(await place.restore_pods()) is not None:
        error = await _cause(place)
        if not isinstance(error, Transient):
            raise error
    given_up = seen.condition(cluster, INITIALIZED)
    if given_up.get("status") == "False":
        raise Permanent(
            f"the operator could not restore database `{place.layer}`",
            where=str(place.ref),
            why=str(given_up.get("message") or given_up.get("reason")),
            state=f"{STANDS}; no database serves",
            hints=["castle doctor", "castle resume, once it is mended"],
        )


async def _cause(place: PgoPlace) -> CastleError:
    code, said, _ = await place.last_words()
    return explain(code or 1, said, "restore", where=str(place.ref))
