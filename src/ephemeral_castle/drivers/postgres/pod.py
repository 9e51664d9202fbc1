"""A database at home in a pod of a Kubernetes cluster, without an operator: a StatefulSet, and PgBouncer beside it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from ephemeral_castle.drivers.postgres import pods
from ephemeral_castle.drivers.postgres.errand import Errand
from ephemeral_castle.drivers.postgres.hub import Hub
from ephemeral_castle.drivers.postgres.image import POSTGRES, STOP, STOPPING
from ephemeral_castle.drivers.postgres.options import PostgresOptions
from ephemeral_castle.drivers.postgres.own import Own
from ephemeral_castle.drivers.postgres.place import RUNNING, Door, Standing, read_words
from ephemeral_castle.drivers.postgres.raising import ENDING, Raising
from ephemeral_castle.drivers.postgres.session import OPENING, Session
from ephemeral_castle.drivers.postgres.shape import LAYER, LIFE, POOLER, SERVER, Shape
from ephemeral_castle.drivers.postgres.volumes import LOOK, Volumes
from ephemeral_castle.errors import CastleError, NotFound, Permanent, Refused, Transient, Unreachable
from ephemeral_castle.postgres import datadir
from ephemeral_castle.spi import marks
from ephemeral_castle.spi.driver import Context
from ephemeral_castle.spi.jobs import JobKey, Jobs
from ephemeral_castle.spi.kubernetes import Manifest, Ref
from ephemeral_castle.spi.ways import raised_here, way
from ephemeral_castle.spi.world import Result

BEGIN = 180.0  # seconds until a pod's order begins: scheduled, image pulled
COMING = 60.0  # seconds for a pod that is on its way by itself, after a reboot for example
MORE = 128 << 20  # bytes of memory that a server uses beside its shared buffers, at the least
ROOM = 1 << 62  # bytes; how much is left is not known
CLEAN = 'grep -q "^Database cluster state: *shut down$" /pg/control && echo yes || echo no'


class PodPlace:
    """One life's pods of one `postgres` layer; see `place.Place`. `old`: the life that this run ends."""

    def __init__(self, ctx: Context, *, old: bool = False) -> None:
        self.ctx = ctx
        self.old = old
        self.options: PostgresOptions = ctx.options
        self.name = ctx.layer.id
        self.life = ctx.old_life if old else ctx.life
        self.known: Mapping[str, Any] = ctx.record.lineage.get(self.name, {}) if old else {}
        self.namespace = str(self.known.get("namespace") or self.options.namespace)

    async def state(self, *, pooler: bool = False) -> str:
        """Of the StatefulSet and its pod; of the Deployment and its pods."""
        own = await self.own()
        if not pooler:
            return (await self._seen(own))[0]
        deployment, found = await asyncio.gather(
            own.get("apps/v1", "Deployment", self.shape().pooler), own.of("pooler", "Pod")
        )
        return pods.state_of(deployment, found)

    async def at_rest(self) -> bool:
        """Whether no pod is wanted and none is left: the kubelet and the controllers start again what stopped.

        Or its server was ended on castle's word, and the container only waits for its end.
        """
        state, _ = await self._seen(await self.own())
        return state in pods.AT_REST

    async def listed(self) -> bool | None:
        """By its claim, or a volume that has lost it.

        A folder on a node, or a disk of a class, is no object that could be listed: where a life is known to have had
        one, it is for `standing` to look.
        """
        if self._lived:
            return True
        return await self._volumes(await self.own()).anything()

    async def standing(self) -> Standing:
        """The pod, and what lies on its volume where no server runs, seen by a pod that only looks.

        Raises:
            Unreachable: the cluster does not answer, or the volume's node does not.
        """
        own = await self.own()
        state, pod = await self._seen(own)
        if state == pods.STARTING:
            state, pod = await self._come_up(own, state, pod)
        if state == RUNNING:
            return Standing(state, None)
        if state == pods.HELD:
            result = await self._enter(own, ["sh", "-c", LOOK])
            return Standing(state, datadir.judge(result.out.splitlines()))
        return Standing(state, await self._volumes(own).lies())

    async def _come_up(self, own: Own, state: str, pod: Manifest | None) -> tuple[str, Manifest | None]:
        try:
            await own.cluster.until(self._ref, pods.up, timeout=COMING, title=f"database `{self.name}`")
        except Transient:
            return state, pod
        return await self._seen(own)

    async def start(self, files: Mapping[str, str], order: Sequence[str]) -> None:
        """Ends what stands of it first: see `Raising.database`."""
        own = await self.own()
        await Raising(own, self.shape()).database(self._volumes(own), files, order)

    async def keep(self) -> None:
        """Takes the order out of the StatefulSet: a pod on an empty volume would carry it out once more."""
        await Raising(await self.own(), self.shape()).order(["serve"])

    async def address(self) -> str:
        """The Service's, which stays whatever becomes of the pod; made where it is missing."""
        own = await self.own()
        service = await own.get("v1", "Service", self.name)
        if service is None:
            await Raising(own, self.shape()).services()
            service = await own.get("v1", "Service", self.name)
        found = str((service or {}).get("spec", {}).get("clusterIP", ""))
        if not found:
            raise Transient(f"Service {self.namespace}/{self.name} has no address", hints=["castle resume"])
        return found

    async def start_pooler(self, files: Mapping[str, str]) -> None:
        """A pod of the Deployment with these files."""
        started = f"{self.ctx.run}-{self.ctx.world.clock.now():.3f}"
        await Raising(await self.own(), self.shape()).pooler(files, started)

    async def door(self) -> Door:
        """Behind the pooler's Service, whatever kind it is."""
        own, name = await self.own(), self.shape().pooler
        service = await own.get("v1", "Service", name)
        if service is None:
            raise NotFound(f"there is no Service {self.namespace}/{name}", hints=["castle resume"])
        spec = service["spec"]
        if spec["type"] == "NodePort":
            address = pods.node_address(await own.cluster.list("v1", "Node"), self.shape().node)
            if not address:
                raise Transient("no node of the cluster is ready", hints=["castle status"])
            return Door(address, int(spec["ports"][0]["nodePort"]))
        if spec["type"] == "LoadBalancer":
            given = await own.cluster.until(Ref.of(service), pods.addressed, timeout=BEGIN)
            first = (given or service)["status"]["loadBalancer"]["ingress"][0]
            return Door(str(first.get("ip") or first.get("hostname")), self.options.pooler_port)
        return Door(str(spec["clusterIP"]), self.options.pooler_port)

    def networks(self) -> Sequence[str]:
        """Which networks pods have is the cluster's matter: every login needs its password, wherever it comes from."""
        return ("0.0.0.0/0", "::/0")

    async def run(self, *argv: str, stdin: bytes = b"", timeout: float = 60.0) -> Result:
        """In the server's container."""
        return await self._enter(await self.own(), argv, stdin=stdin, timeout=timeout)

    async def job(self, name: str, *argv: str, timeout: float, again: bool = False) -> Result:
        """In the server's container."""
        own = await self.own()

        async def enter(argv: Sequence[str], *, timeout: float) -> Result:
            return await self._enter(own, argv, timeout=timeout)

        jobs = Jobs(enter, f"pod {self.namespace}/{self.shape().pod}")
        return await jobs.do(JobKey(self.ctx.run, name), argv, timeout=timeout, again=again)

    async def aside(
        self, name: str, files: Mapping[str, str], argv: Sequence[str], *, timeout: float, begun: bool
    ) -> Result:
        """In a pod of its own."""
        errand = Errand(await self.own(), self.shape(), self.ctx.run)
        return await errand.aside(name, files, argv, timeout=timeout, begun=begun)

    async def peek(self, script: str, *args: str, timeout: float) -> tuple[str, Result]:
        """In the server's container."""
        own = await self.own()
        state, pod = await self._seen(own)
        if state != RUNNING:
            return state, Result(0, "", "")
        if not pods.serves(pod):
            return state, Result(1, "", "it is still being brought home")
        return state, await self._enter(own, ["sh", "-c", script, "castle-look", *args], timeout=timeout)

    async def hub(self) -> Hub:
        """Once its order is done; that it failed is told as soon as it is known."""
        own, title = await self.own(), f"database `{self.name}`"
        if await self.at_rest():
            raise Unreachable(f"{title} is stopped", where=str(self._ref))
        try:
            await own.cluster.until(self._ref, pods.begun, timeout=BEGIN, title=title)
            await own.cluster.until(self._ref, pods.serving, timeout=OPENING, title=title)
        except (Permanent, Transient) as error:
            raise await self._down(own, title, error) from error
        await own.look(self._ref)
        argv = ["perl", "/usr/local/bin/castle-sessions"]
        return Hub(await own.cluster.spawn(self.namespace, self._ref.name, argv, container=SERVER))

    async def _down(self, own: Own, title: str, error: CastleError) -> Unreachable:
        why = error.why or error.message
        if pods.failed_order(await own.look(self._ref)) is not None:
            _, why, _ = await self.last_words()
        return Unreachable(f"{title} does not come up", where=str(self._ref), why=why)

    async def pooler_session(self) -> Session:
        """In the pooler's pod."""
        own = await self.own()
        found = [pod for pod in await own.of("pooler", "Pod") if pods.serves(pod, POOLER)]
        if not found:
            raise Unreachable(f"no pod of PgBouncer of `{self.name}` runs", where=f"namespace {self.namespace}")
        name = str(found[0]["metadata"]["name"])
        argv = ["psql", "-qAtX", "-h", "/tmp", "-p", str(self.options.pooler_port),  # noqa: S108 - in the container
                "-U", "pgbouncer", "pgbouncer"]  # fmt: skip
        process = await own.cluster.spawn(self.namespace, name, argv, container=POOLER)
        return Session(process, f"PgBouncer in pod {self.namespace}/{name}")

    async def stop(self) -> str:
        """The server ends while its container stays, is asked for the control data, and only then taken away.

        The pod is marked before: whoever looks after a runner that was killed here must ask the container, since the
        cluster calls it running.
        """
        own = await self.own()
        raising, pod = Raising(own, self.shape()), await own.look(self._ref)
        if pod is None or pods.deleted(pod) or not pods.serves(pod):
            await raising.end()
            return await self._volumes(own).glimpse("cat /pg/control")
        await own.cluster.patch(self._ref, {"metadata": {"annotations": {pods.STOPS: self.ctx.run}}})
        result = await self._enter(own, ["sh", "-c", STOP], timeout=ENDING)
        if not result.ok:
            raise Transient("the database does not stop", why=result.last_words())
        await raising.unwanted()
        await own.delete(pod)
        return result.out

    async def stop_pooler(self) -> None:
        """Its pod goes, and none is made."""
        own = await self.own()
        deployment = await own.get("apps/v1", "Deployment", self.shape().pooler)
        if deployment is not None:
            await own.cluster.patch(Ref.of(deployment), {"spec": {"replicas": 0}})

    async def stopped_cleanly(self) -> bool:
        """By its container, where that waits for its end; else read from its volume."""
        own = await self.own()
        state, _ = await self._seen(own)
        if state == pods.HELD:
            result = await self._enter(own, ["sh", "-c", f"({STOP}) > /dev/null && {CLEAN}"], timeout=ENDING)
            return result.out.strip() == "yes"
        return (await self._volumes(own).glimpse(CLEAN)).strip() == "yes"

    async def last_words(self) -> tuple[int, str, int]:
        """From the pod's state, where its order wrote them."""
        own = await self.own()
        words = pods.failed_order(await own.look(self._ref)) or ""
        if words.lstrip()[:1].isdigit():
            return read_words(words.lstrip())
        return 0, words.strip() or await own.cluster.explain(self._ref), ROOM

    def told(self) -> Mapping[str, Any]:
        """Namespace and kind of volume, and that it is on no machine any more."""
        shape = self.shape()
        where = {"namespace": self.namespace, "node": shape.node, "storage_class": shape.storage_class}
        return {**where, "machine": None, "pooler": None}

    async def way_in(self, command: str) -> tuple[Mapping[str, Any], str, str]:
        """Through the API server."""
        pod = self._ref.name
        where = {"namespace": self.namespace, "pod": pod}
        how = f"kubectl exec -it -n {self.namespace} {pod} -c {SERVER} -- {command}"
        return where, f"in pod {self.namespace}/{pod}", how

    async def own(self) -> Own:
        """All objects of this database in this life.

        Raises:
            Unreachable: its cluster cannot be asked.
        """
        try:
            cluster = await self.ctx.cluster(old=self.old)
        except Refused:
            raise
        except CastleError as error:  # its absence, or a closed door, is no word on the data: they may lie on a node
            why = error.why or str(error)
            raise Unreachable(f"the cluster of database `{self.name}` cannot be asked", why=why) from error
        return Own(cluster, self._marks(), self.namespace)

    def shape(self) -> Shape:
        """What its objects are made from."""
        options, world = self.options, self.ctx.world
        treasury = way(self.ctx.request, world.access)
        address = world.enclosure.gateway if raised_here(self.ctx.request) else treasury.address
        return Shape(
            castle=self.ctx.request.castle.name,
            layer=self.name,
            namespace=self.namespace,
            marks=self._marks(),
            image=self.ctx.world.images.reference(POSTGRES),
            treasury=(treasury.host, address) if address else ("", ""),
            node=str(self.known.get("node", options.node or "")),
            storage_class=str(self.known.get("storage_class", options.storage_class or "")),
            size=options.size,
            repo2_size=options.repo2_size,
            memory=options.shared_buffers + MORE,
            port=options.port,
            pooler_port=options.pooler_port,
            expose=options.expose,
        )

    def _marks(self) -> dict[str, str]:
        return {marks.MARK: marks.own(self.ctx), LAYER: self.name, LIFE: str(self.life)}

    @property
    def _lived(self) -> bool:
        """Whether the record knows data of it. What was sealed on a class's volume may be gone: castle deletes it."""
        sealed = (self.known.get("seal") or {}).get("life") == self.life
        return bool(self.known) and (bool(self.shape().node) or not sealed)

    def _volumes(self, own: Own) -> Volumes:
        return Volumes(own, self.shape(), self.ctx.run, lived=self._lived)

    @property
    def _ref(self) -> Ref:
        return Ref("v1", "Pod", self.shape().pod, self.namespace)

    async def _seen(self, own: Own) -> tuple[str, Manifest | None]:
        """How the database stands, and its pod."""
        controller, pod = await asyncio.gather(own.get("apps/v1", "StatefulSet", self.name), own.look(self._ref))
        state = pods.state_of(controller, [pod] if pod else [])
        if state == RUNNING and pods.may_be_held(pod):
            held = await self._enter(own, ["test", "-e", STOPPING])
            return (pods.HELD if held.ok else RUNNING), pod
        return state, pod

    async def _enter(self, own: Own, argv: Sequence[str], *, stdin: bytes = b"", timeout: float = 60.0) -> Result:
        where, pod = str(self._ref), self._ref.name
        if await own.look(self._ref) is None:
            raise Unreachable(f"{where} does not run")
        try:
            return await own.cluster.run(self.namespace, pod, argv, container=SERVER, stdin=stdin, timeout=timeout)
        except NotFound as error:
            raise Unreachable(f"{where} does not run", why=error.why or str(error)) from error
