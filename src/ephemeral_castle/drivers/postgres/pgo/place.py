"""A database at home in a PostgresCluster: the operator starts and keeps it, castle only tells it to."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from ephemeral_castle.drivers.postgres import pods
from ephemeral_castle.drivers.postgres.own import Own
from ephemeral_castle.drivers.postgres.pgo import seen
from ephemeral_castle.drivers.postgres.pgo.glimpse import Glimpse
from ephemeral_castle.drivers.postgres.pgo.options import PgoOptions
from ephemeral_castle.drivers.postgres.pgo.sessions import Sessions
from ephemeral_castle.drivers.postgres.pgo.vocabulary import API, DATABASE, INSTANCE, KIND, RESTORE, ROLE, where
from ephemeral_castle.drivers.postgres.place import ABSENT, RUNNING, Door, Standing
from ephemeral_castle.drivers.postgres.pod import ROOM
from ephemeral_castle.drivers.postgres.session import Session
from ephemeral_castle.drivers.postgres.shape import LAYER, LIFE
from ephemeral_castle.errors import CastleError, NotFound, Refused, Transient, Unreachable
from ephemeral_castle.model.castle import Verb
from ephemeral_castle.postgres.states import Absent, ClusterState
from ephemeral_castle.spi import marks
from ephemeral_castle.spi.driver import Context
from ephemeral_castle.spi.kubernetes import Manifest, Readiness, Ref, Stage
from ephemeral_castle.spi.world import Result

COMING = 180.0  # seconds for a server that is told to run, or is on its way by itself
ENDING = 180.0  # seconds for its pods to vanish
Many = Sequence[Manifest]
HELD = "castle.held"  # annotation of a PostgresCluster that castle keeps the operator from: the run


class PgoPlace:
    """One life's PostgresCluster of one `pgo` layer; see `place.Place`. `old`: the life that this run ends."""

    def __init__(self, ctx: Context, *, old: bool = False) -> None:
        self.ctx = ctx
        self.old = old
        self.options: PgoOptions = ctx.options
        self.layer = ctx.layer.id
        self.life = ctx.old_life if old else ctx.life
        lineage: Mapping[str, Any] = ctx.record.lineage.get(self.layer, {})
        known = lineage if old else {}
        self.uid = str(lineage.get("uid") or "") if lineage.get("life") == self.life else ""
        self.namespace = str(known.get("namespace") or self.options.namespace)
        self.name = str(known.get("cluster") or self.options.cluster or self.layer)

    @property
    def ref(self) -> Ref:
        """The PostgresCluster."""
        return Ref(API, KIND, self.name, self.namespace)

    def marks(self) -> dict[str, str]:
        """Labels of all that castle makes for it."""
        return {marks.MARK: marks.own(self.ctx), LAYER: self.layer, LIFE: str(self.life)}

    async def own(self) -> Own:
        """What carries castle's marks.

        Raises:
            Unreachable: its cluster cannot be asked.
        """
        try:
            cluster = await self.ctx.cluster(old=self.old)
        except Refused:
            raise
        except CastleError as error:  # its absence, or a closed door, is no word on the data: they may lie on a node
            why = error.why or str(error)
            raise Unreachable(f"the cluster of database `{self.layer}` cannot be asked", why=why) from error
        return Own(cluster, self.marks(), self.namespace, self._taken)

    def _taken(self, found: Manifest) -> bool:
        """Whether it is the PostgresCluster that castle took over, by its uid; or takes over in this very run."""
        if self.uid:
            return bool(found["metadata"].get("uid") == self.uid)
        mine = Ref.of({"apiVersion": API, "kind": KIND, **found}) == self.ref
        return mine and taking_over(self.ctx) and marks.MARK not in (found["metadata"].get("labels") or {})

    async def state(self, *, pooler: bool = False) -> str:
        """By the operator's objects."""
        own = await self.own()
        if pooler:
            deployment = await own.cluster.get(Ref("apps/v1", "Deployment", f"{self.name}-pgbouncer", self.namespace))
            if deployment is None:
                pooled = seen.pooled(await self._cluster(own))
                return ABSENT if pooled else seen.state_of(*await self._seen(own))
            ready = int(deployment.get("status", {}).get("readyReplicas", 0)) > 0
            return pods.STOPPED if not pods.wanted(deployment) else RUNNING if ready else pods.STARTING
        return seen.state_of(*await self._seen(own))

    async def at_rest(self) -> bool:
        """Whether no pod runs or is wanted, and the operator is kept from making one."""
        cluster, *rest = await self._seen(await self.own())
        state = seen.state_of(cluster, *rest)
        paused = cluster is None or bool(cluster["spec"].get("paused"))
        return state in (ABSENT, seen.LEFT) or (state == pods.STOPPED and paused)

    async def listed(self) -> bool | None:
        """By its object, and by its claims: they may stay behind it."""
        return await self.state() != ABSENT

    async def standing(self) -> Standing:
        """What lies on its volume is looked at only while no server runs on it."""
        own = await self.own()
        state = seen.state_of(*await self._seen(own))
        if state in (pods.STARTING, seen.RESTORES):
            state = await self._come(own, state)
        if state == RUNNING:
            return Standing(state, None)
        if state == ABSENT:
            return Standing(state, Absent())
        return Standing(state, await self._lies(own))

    async def _come(self, own: Own, state: str) -> str:
        try:
            await self._until_running(own)
        except Transient:
            return state
        return RUNNING

    async def _lies(self, own: Own) -> ClusterState:
        claims = await self._claims(own)
        if not claims:
            return Absent()
        return await Glimpse(own, self.name).lies(claims[0])

    async def start(self, files: Mapping[str, str], order: Sequence[str]) -> None:
        """The operator runs it again, as it was before it was held; `files` and `order` are not for it."""
        del files, order
        own = await self.own()
        await self.release()
        for each in await self.sets(own):
            if not pods.wanted(each):
                await own.cluster.patch(Ref.of(each), {"spec": {"replicas": 1}})
        await self._until_running(own)

    async def _until_running(self, own: Own) -> None:
        clock = self.ctx.world.clock
        end = clock.monotonic() + COMING
        while seen.leader(await self._pods(own)) is None:
            if clock.monotonic() > end:
                state = seen.state_of(*await self._seen(own))
                raise Transient(
                    f"database `{self.layer}` does not come up",
                    where=str(self.ref),
                    why=f"it is {state}; {await own.cluster.explain(self.ref)}".rstrip("; "),
                    hints=["castle status", "castle resume"],
                )
            await clock.sleep(0.5)

    async def keep(self) -> None:
        """`dataSource` stays where it is: the operator has its id, and without it would take any other for new."""

    async def address(self) -> str:
        """PgBouncer is told by the operator."""
        return f"{self.name}-primary.{self.namespace}.svc"

    async def start_pooler(self, files: Mapping[str, str]) -> None:
        """Its Deployment is wanted again."""
        del files
        own = await self.own()
        ref = Ref("apps/v1", "Deployment", f"{self.name}-pgbouncer", self.namespace)
        deployment = await own.cluster.get(ref)
        if deployment is not None and not pods.wanted(deployment):
            await own.cluster.patch(ref, {"spec": {"replicas": 1}})

    async def door(self) -> Door:
        """PgBouncer's Service, whatever kind it is; the server's own where a cluster has no PgBouncer."""
        own = await self.own()
        name = f"{self.name}-{'pgbouncer' if seen.pooled(await self._cluster(own)) else 'ha'}"
        service = await own.cluster.get(Ref("v1", "Service", name, self.namespace))
        if service is None:
            raise NotFound(f"there is no Service {self.namespace}/{name}", hints=["castle resume"])
        spec = service["spec"]
        port = spec["ports"][0]
        if spec["type"] == "NodePort":
            address = pods.node_address(await own.cluster.list("v1", "Node"), "")
            if not address:
                raise Transient("no node of the cluster is ready", hints=["castle status"])
            return Door(address, int(port["nodePort"]))
        if spec["type"] == "LoadBalancer":
            given = await own.cluster.until(Ref.of(service), pods.addressed, timeout=COMING)
            first = (given or service)["status"]["loadBalancer"]["ingress"][0]
            return Door(str(first.get("ip") or first.get("hostname")), int(port["port"]))
        return Door(str(spec["clusterIP"]), int(port["port"]))

    def networks(self) -> Sequence[str]:
        """The operator says who may come."""
        return ()

    async def run(self, *argv: str, stdin: bytes = b"", timeout: float = 60.0) -> Result:
        """In the leader's container."""
        own = await self.own()
        return await self._enter(own, argv, stdin=stdin, timeout=timeout)

    async def job(self, name: str, *argv: str, timeout: float, again: bool = False) -> Result:
        """In the leader's container. One that outlives its caller holds pgBackRest's lock until its end."""
        del name, again
        return await self.run(*argv, timeout=timeout)

    async def peek(self, script: str, *args: str, timeout: float) -> tuple[str, Result]:
        """In the leader's container."""
        own = await self.own()
        state = seen.state_of(*await self._seen(own))
        if state != RUNNING:
            return state, Result(0, "", "")
        return state, await self._enter(own, ["sh", "-c", script, "castle-look", *args], timeout=timeout)

    async def hub(self) -> Sessions:
        """One way in for each session: nothing of castle's lies in the operator's images."""
        own = await self.own()
        if await self.at_rest():
            raise Unreachable(f"database `{self.layer}` is stopped", where=str(self.ref))
        try:
            await self._until_running(own)
        except Transient as error:
            raise Unreachable(error.message, where=error.where, why=error.why, hints=error.hints) from error
        pod = seen.leader(await self._pods(own))
        if pod is None:
            raise Unreachable(f"database `{self.layer}` went away", where=str(self.ref))
        return Sessions(own.cluster, self.namespace, str(pod["metadata"]["name"]))

    async def pooler_session(self) -> Session:
        """PgBouncer has no console for castle."""
        raise Unreachable(f"PgBouncer of `{self.layer}` is the operator's", where=str(self.ref))

    async def hold(self) -> None:
        """Keeps the operator from it: it sets roles, makes pods and backs up, also behind a fence.

        What it has begun is waited for.
        """
        own = await self.own()
        if await self._cluster(own) is None:
            raise NotFound(f"there is no {self.ref}", hints=["castle status"])
        body = {"metadata": {"annotations": {HELD: self.ctx.run}}, "spec": {"paused": True}}
        await own.cluster.patch(self.ref, body)
        await own.cluster.until(self.ref, paused, timeout=30, title=str(self.ref))

    async def release(self) -> None:
        """The operator goes on, where castle held it."""
        own = await self.own()
        cluster = await self._cluster(own)
        if cluster is not None and HELD in (cluster["metadata"].get("annotations") or {}):
            await own.cluster.patch(self.ref, {"metadata": {"annotations": {HELD: None}}, "spec": {"paused": None}})

    async def stop(self) -> str:
        """The operator is held, the pod ends, and the control data are read from its volume."""
        own = await self.own()
        await self.hold()
        for each in await self.sets(own):
            if pods.wanted(each):
                await own.cluster.patch(Ref.of(each), {"spec": {"replicas": 0}})
        for pod in await self._pods(own):
            ref = Ref("v1", "Pod", pod["metadata"]["name"], self.namespace)
            await own.cluster.until(ref, pods.gone, timeout=ENDING, title=f"the end of {ref}")
        claims = await self._claims(own)
        if not claims:
            raise Unreachable(f"database `{self.layer}` has no volume", where=str(self.ref))
        return await Glimpse(own, self.name).control(claims[0])

    async def stop_pooler(self) -> None:
        """Its pods go, and none is made while the operator is held."""
        own = await self.own()
        ref = Ref("apps/v1", "Deployment", f"{self.name}-pgbouncer", self.namespace)
        if await own.cluster.get(ref) is not None:
            await self.hold()
            await own.cluster.patch(ref, {"spec": {"replicas": 0}})

    async def stopped_cleanly(self) -> bool:
        """By the control data on its volume."""
        own = await self.own()
        claims = await self._claims(own)
        if not claims:
            return False
        said = await Glimpse(own, self.name).control(claims[0])
        return any(line.split(":")[-1].strip() == "shut down" for line in said.splitlines() if "cluster state" in line)

    async def last_words(self) -> tuple[int, str, int]:
        """Of the restore's newest pod that failed."""
        own = await self.own()
        failed = seen.failed_restore(await self._pods(own, more=f",{RESTORE}"))
        if failed is None:
            return 0, await own.cluster.explain(self.ref), ROOM
        said = await own.cluster.log(self.namespace, str(failed["metadata"]["name"]), lines=30)
        return seen.exit_code(failed), said, ROOM

    def told(self) -> Mapping[str, Any]:
        """Namespace and name; and that it is on no machine, nor in a pod of castle's own."""
        return {"namespace": self.namespace, "cluster": self.name, "machine": None, "pooler": None,
                "node": None, "storage_class": None}  # fmt: skip

    async def way_in(self, command: str) -> tuple[Mapping[str, Any], str, str]:
        """Through the API server."""
        pod = seen.leader(await self._pods(await self.own()))
        name = str(pod["metadata"]["name"]) if pod else f"{self.name}-..."
        how = f"kubectl exec -it -n {self.namespace} {name} -c {DATABASE} -- {command}"
        return {"namespace": self.namespace, "pod": name}, f"in pod {self.namespace}/{name}", how

    async def cluster(self) -> Manifest | None:
        """The PostgresCluster, or None. Raises Refused: one of that name is not ours."""
        return await self._cluster(await self.own())

    async def restore_pods(self) -> Sequence[Manifest]:
        """Those of a restore."""
        return await self._pods(await self.own(), more=f",{RESTORE}")

    async def jobs(self, label: str) -> Sequence[Manifest]:
        """Jobs of the operator for it that carry a label."""
        own = await self.own()
        found = await own.cluster.list("batch/v1", "Job", self.namespace, labels=f"{where(self.name)},{label}")
        return [{"apiVersion": "batch/v1", "kind": "Job", **each} for each in found]

    async def _cluster(self, own: Own) -> Manifest | None:
        return await own.look(self.ref)

    async def _seen(self, own: Own) -> tuple[Manifest | None, Many, Many, Many]:
        cluster, sets, found, claims = await asyncio.gather(
            self._cluster(own), self.sets(own), self._pods(own), self._claims(own)
        )
        return cluster, sets, found, claims

    async def sets(self, own: Own) -> Sequence[Manifest]:
        """StatefulSets of its instances."""
        labels = f"{where(self.name)},{INSTANCE}"
        found = await own.cluster.list("apps/v1", "StatefulSet", self.namespace, labels=labels)
        return [{"apiVersion": "apps/v1", "kind": "StatefulSet", **each} for each in found]

    async def _pods(self, own: Own, more: str = "") -> Sequence[Manifest]:
        labels = f"{where(self.name)}{more or ',' + INSTANCE}"
        return await own.cluster.list("v1", "Pod", self.namespace, labels=labels)

    async def _claims(self, own: Own) -> Sequence[Manifest]:
        return await own.cluster.list(
            "v1", "PersistentVolumeClaim", self.namespace, labels=f"{where(self.name)},{ROLE}=pgdata"
        )

    async def _enter(self, own: Own, argv: Sequence[str], *, stdin: bytes = b"", timeout: float = 60.0) -> Result:
        pod = seen.leader(await self._pods(own))
        if pod is None:
            raise Unreachable(f"no pod of {self.ref} leads", hints=["castle status"])
        name = str(pod["metadata"]["name"])
        try:
            return await own.cluster.run(self.namespace, name, argv, container=DATABASE, stdin=stdin, timeout=timeout)
        except NotFound as error:
            raise Unreachable(f"pod {self.namespace}/{name} does not run", why=error.why or str(error)) from error


def taking_over(ctx: Context) -> bool:
    """Whether this run may take a PostgresCluster over that castle did not make: a person said so, nothing is known."""
    request = ctx.request
    return request.verb is Verb.RAISE and request.adopt and not ctx.record.lineage.get(ctx.layer.id)


def paused(cluster: Manifest | None) -> Readiness:
    """Judges whether the operator has seen that it is to leave it alone."""
    told = seen.condition(cluster, "Progressing")
    if told.get("status") == "False" and told.get("reason") == "Paused":
        return Readiness(Stage.READY)
    return Readiness(Stage.WAITING, "the operator has not said yet that it pauses")
