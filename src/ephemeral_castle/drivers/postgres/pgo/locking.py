"""The lock is written from the answer, and proven, before anything relies on it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ephemeral_castle.drivers.postgres.pgo import birth
from ephemeral_castle.drivers.postgres.pgo.guard import ADMISSION, MADE_FROM, POLICY, Guard, active, manifests, signed
from ephemeral_castle.drivers.postgres.pgo.part import Operated
from ephemeral_castle.drivers.postgres.pgo.vocabulary import CRD
from ephemeral_castle.errors import CastleError, Permanent, Refused, Transient, Unreachable
from ephemeral_castle.manifests import ready as rules
from ephemeral_castle.model.castle import Verb
from ephemeral_castle.model.step import Observation
from ephemeral_castle.spi.kubernetes import Cluster, Manifest, Ref
from ephemeral_castle.spi.part import NOT_REACHED, REACHED

OPERATOR = 600.0  # seconds for the operator's definition to be there: Flux may be installing it
ACTIVE = 60.0  # seconds for a policy to be heeded by every API server
TICK = 0.3


class Lock(Operated):
    """An admission policy refuses any birth but the decided one; a timeline that begins is told to the record."""

    async def observe(self) -> Observation:
        """Whether the policy is this answer's, and refuses a probe."""
        cluster, guard = await self.ctx.cluster(), self.guard()
        found = await cluster.get(Ref(ADMISSION, POLICY, guard.name))
        if found is None or (found["metadata"].get("annotations") or {}).get(MADE_FROM) != guard.token:
            return Observation(NOT_REACHED, "no lock for this answer")
        if not await proven(cluster, guard):
            return Observation(NOT_REACHED, "the lock is not active yet")
        return self._locked(guard)

    async def act(self) -> Observation | None:
        """Writes it, and waits until a dry run is refused by just this lock."""
        self._only_reads()
        self.reached()
        cluster, guard = await self.ctx.cluster(), self.guard()
        await defined(self, cluster)
        await self._namespace(cluster)
        await self._nothing_in_the_way(cluster, guard)
        if not await locked(self, cluster, guard, self.labels()):
            raise Permanent(
                f"the lock before database `{self.layer}` does not hold",
                where=f"{POLICY} {guard.name}",
                why=f"a PostgresCluster that it must refuse was still accepted (dry run) after {ACTIVE:g} s",
                state="no database was begun; the backups are untouched",
                hints=[f"kubectl describe validatingadmissionpolicy {guard.name}", "castle resume"],
            )
        return self._locked(guard)

    def _locked(self, guard: Guard) -> Observation:
        facts: dict[str, Any] = {"guard": guard.name, "birth": guard.birth.answer, "options": list(guard.birth.options)}
        timeline = self.target().get("timeline") if guard.birth.answer == birth.RESTORE else None
        if timeline:
            facts[f"arriving:{self.layer}"] = {"timeline": int(str(timeline)) + 1, "life": self.ctx.life}
        return Observation(REACHED, f"only {_words(guard)}; a contradiction was refused (dry run)", facts)

    def _only_reads(self) -> None:
        """The operator always archives: only an account that may not write keeps a drill's server from it."""
        if self.ctx.request.verb is Verb.DRILL and self.ctx.world.identities is None:
            raise Refused(
                f"a drill of database `{self.layer}` would archive beside the living one",
                why="the treasury has one key for all, and the operator of the drill's server would write with it",
                state="the drill has begun no database; the living castle was not touched",
                hints=["give the treasury accounts: see docs/reference/treasury.md", "castle backup --prove"],
            )

    async def _namespace(self, cluster: Cluster) -> None:
        """One that somebody else made is used as it is."""
        name = self.wishes.namespace
        if await cluster.get(Ref("v1", "Namespace", name)) is None:
            meta = {"name": name, "labels": {"app.kubernetes.io/managed-by": "castle"}}
            await cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": meta})

    async def _nothing_in_the_way(self, cluster: Cluster, guard: Guard) -> None:
        """A PostgresCluster that somebody made before the lock may be empty, and writing into the repository."""
        place = self.operated()
        there = await cluster.get(place.ref)
        if there is None or guard.birth.answer == birth.STANDS:
            return
        own = await place.own()
        if own.has(there):
            return
        raise in_the_way(self, place.ref, there)


def in_the_way(part: Operated, ref: Ref, there: Manifest) -> Refused:
    """The refusal of a PostgresCluster that stands where this life's is to be born."""
    born = "born by a restore" if "dataSource" in there["spec"] else "born empty, without `dataSource`"
    why = f"somebody applied it before castle had decided; it was {born}"
    if there["spec"].get("backups"):
        why += ", and its operator may have taken the repository over for it (stanza-upgrade)"
    return Refused(
        f"{ref} stands where database `{part.layer}` is to be brought home",
        why=why,
        state="it was not touched; the backups of the recorded database are in the repository still",
        hints=[
            f"look at it: kubectl -n {ref.namespace} get postgrescluster {ref.name} -o yaml",
            "take it out of the tree in Git, or let the tree read `dataSource` from castle's ConfigMap (`by: git`)",
            f"if nothing in it is needed: kubectl -n {ref.namespace} delete postgrescluster {ref.name}",
            "castle resume",
        ],
    )


async def locked(part: Operated, cluster: Cluster, guard: Guard, labels: Mapping[str, str]) -> bool:
    """Writes a lock; whether it was active in time: every API server has to hear of it."""
    for each in manifests(guard, labels):
        await cluster.apply(each)
    clock = part.ctx.world.clock
    end = clock.monotonic() + ACTIVE
    while not await proven(cluster, guard):
        if clock.monotonic() > end:
            return False
        await clock.sleep(TICK)
    return True


async def proven(cluster: Cluster, guard: Guard) -> bool:
    """Whether a dry run of what must not be is refused by this very lock."""
    try:
        await cluster.apply(guard.probe(), dry_run=True)
    except (Unreachable, Transient):
        raise
    except CastleError as error:
        return active(f"{error.message} {error.why}", guard)
    return False


async def heeded(cluster: Cluster, guard: Guard) -> str:
    """Why the lock that a life was born behind does not hold, "" when a dry run of what must not be was refused by it.

    Args:
        cluster: the API server.
        guard: any of this database: which birth was decided, only the lock itself still says.
    """
    found = await cluster.get(Ref(ADMISSION, POLICY, guard.name))
    token = ((found or {}).get("metadata", {}).get("annotations") or {}).get(MADE_FROM)
    if not token:
        return f"there is no {POLICY} {guard.name} of castle's"
    try:
        await cluster.apply(guard.probe(), dry_run=True)
    except (Unreachable, Transient):
        raise
    except CastleError as error:
        if signed(token) in f"{error.message} {error.why}":
            return ""
        return f"what must be refused was refused by another: {error.message}"
    return f"{POLICY} {guard.name} is there, and lets through what it must refuse"


async def defined(part: Operated, cluster: Cluster) -> None:
    """Waits for the operator's definition: whoever installs it may be at it.

    Raises:
        Permanent: it does not come.
    """
    ref = Ref("apiextensions.k8s.io/v1", "CustomResourceDefinition", CRD)
    try:
        await cluster.until(ref, rules.judge, timeout=OPERATOR, title="the operator PGO")
    except Transient as error:
        raise Permanent(
            f"database `{part.layer}` has no operator",
            where=f"CustomResourceDefinition {CRD}",
            why=error.why or error.message,
            state="no database was begun; the backups are untouched",
            hints=["install PGO in the cluster: by the tree in Git that the layer needs, or by hand", "castle resume"],
        ) from error


def _words(guard: Guard) -> str:
    if guard.birth.answer == birth.RESTORE:
        return f"a birth by restore ({' '.join(guard.birth.options)}) passes"
    return "a new database passes" if guard.birth.answer == birth.CREATE else "the standing database passes"
