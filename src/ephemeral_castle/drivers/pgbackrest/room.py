"""The drill's namespace: made, filled from the repository, removed."""

from __future__ import annotations

import asyncio

from ephemeral_castle.drivers.pgbackrest import objects, waiting
from ephemeral_castle.drivers.pgbackrest.objects import RUN, Shape
from ephemeral_castle.drivers.pgbackrest.part import Part
from ephemeral_castle.errors import CastleError, Permanent
from ephemeral_castle.model.step import Observation
from ephemeral_castle.spi.kubernetes import Cluster, Ref
from ephemeral_castle.spi.part import NOT_REACHED, REACHED

GONE = 240.0  # seconds for a namespace and all in it
CLAUSES = {  # words of pgBackRest -> what a person does
    "no backup set found": "the repository is empty, or its path, stanza or cipher is another one",
    "CryptoError": "the cipher pass is not the one of the backup",
    "FileMissingError": "the repository has no such stanza: look at path and bucket",
    "ProtocolError": "the bucket refuses the key",
    "HostConnectError": "the bucket cannot be reached from the cluster",
}


class Restore(Part):
    """A pod of the drill serves what the repository holds."""

    async def observe(self) -> Observation:
        """Whether this run's pod serves already."""
        pod = await self.look((await self.shape()).pod)
        if pod is None or (pod["metadata"].get("annotations") or {}).get(RUN) != self.ctx.run:
            return Observation(NOT_REACHED, "not there")
        if not waiting.serving(pod):
            return Observation(NOT_REACHED, "it is being restored")
        return Observation(REACHED, f"namespace {self.space.name}", {"namespace": self.space.name})

    async def act(self) -> Observation | None:
        """Removes what an earlier drill left, makes the namespace and all in it, waits until the pod serves.

        Raises:
            Permanent: the restore failed, with pgBackRest's words. Transient: it takes longer than `wait`.
        """
        shape, cluster = await self.shape(), await self.cluster()
        found = await self.look(self.space)
        if found is not None and (found["metadata"].get("annotations") or {}).get(RUN) != self.ctx.run:
            self.ctx.progress("removing what an earlier drill left")
            await self.removed()
        await self.ctx.intent("create", kind="namespace", name=self.space.name)
        await cluster.apply(objects.namespace(shape))
        await self._fill(cluster, shape)
        self.ctx.progress(f"restoring from {shape.living.where}")
        title = f"the restore of `{self.layer}`"
        try:
            await cluster.until(shape.pod, waiting.judged, timeout=self.options.wait, title=title)
        except Permanent as error:
            raise self._failed(error) from error
        return Observation(REACHED, f"namespace {self.space.name}", {"namespace": self.space.name})

    async def undo(self) -> str:
        """The namespace goes, whatever came of it."""
        return await self.removed()

    async def removed(self) -> str:
        """Deletes the namespace by its uid, and waits until nothing of it is left."""
        cluster = await self.cluster()
        found = await self.look(self.space)
        if found is None:
            return f"listed: there is no namespace {self.space.name}"
        await self.ctx.intent("destroy", kind="namespace", name=self.space.name, id=found["metadata"]["uid"])
        await cluster.delete(self.space, uid=str(found["metadata"]["uid"]))
        await cluster.until(self.space, waiting.gone, timeout=GONE, title=f"the end of {self.space}")
        return f"namespace {self.space.name} removed"

    async def _fill(self, cluster: Cluster, shape: Shape) -> None:
        """Copies first: a pod whose Secret comes later waits for a kubelet's next look."""
        made = [objects.closed(shape), objects.files(shape), *filter(None, [objects.claim(shape)])]
        originals = objects.sources(shape.living, self.options.namespace)
        found = await asyncio.gather(*(self._original(cluster, ref, optional) for ref, optional in originals))
        made += [objects.copied(shape, each) for each in found if each is not None]
        for each in made:
            await self.look(Ref.of(each))
        await asyncio.gather(*(cluster.apply(each) for each in made))
        if await self.look(shape.pod) is None:
            await cluster.create(objects.pod(shape))

    async def _original(self, cluster: Cluster, ref: Ref, optional: bool) -> dict[str, object] | None:  # noqa: FBT001
        found = await cluster.get(ref)
        if found is None and not optional:
            raise Permanent(
                f"{ref} is not there, and the backups cannot be read without it",
                where=str(self.ref),
                why="`configuration` of the PostgresCluster names it",
                state="the living database was not touched; the drill's namespace is removed",
                hints=[f"kubectl get {ref.kind.lower()} -n {ref.namespace} {ref.name}", "castle drill"],
            )
        return found

    def _failed(self, error: CastleError) -> Permanent:
        said = " ".join((error.why or error.message).split())
        cause = next((text for words, text in CLAUSES.items() if words in said), "")
        log = f"kubectl logs -n {self.space.name} {objects.POD} -c {objects.ORDER}"
        hints = [*filter(None, [cause]), f"castle drill --keep, then: {log}", "castle drill"]
        return Permanent(
            f"database `{self.layer}` does not come back from its repository",
            where=f"namespace {self.space.name}",
            why=said[-1500:],
            state="the living database was not touched; a return after a total loss would fail like this",
            hints=hints,
        )


class Remove(Restore):
    """Nothing of the drill is left in the cluster."""

    async def observe(self) -> Observation:
        """By the namespace: all that the drill made lies in it."""
        if await self.look(self.space) is None:
            return Observation(REACHED, f"listed: there is no namespace {self.space.name}")
        return Observation(NOT_REACHED, f"namespace {self.space.name} is there")

    async def act(self) -> Observation | None:
        """Removes it."""
        await self.removed()
        return None

    async def undo(self) -> str:
        """There is nothing to take back."""
        return "nothing to undo"
