"""What all parts of the driver share."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from ephemeral_castle.drivers.pgbackrest import living
from ephemeral_castle.drivers.pgbackrest.living import Living
from ephemeral_castle.drivers.pgbackrest.objects import LAYER, Shape, space
from ephemeral_castle.drivers.pgbackrest.options import PgbackrestOptions
from ephemeral_castle.errors import NotFound, Refused
from ephemeral_castle.model.step import Observation
from ephemeral_castle.spi import marks, part
from ephemeral_castle.spi.kubernetes import Cluster, Manifest, Ref
from ephemeral_castle.spi.part import REACHED

UNTOUCHED = "nothing was changed"
RETAIN = "Retain"


class Part(part.Part[PgbackrestOptions]):
    """One action of the driver on one step."""

    async def cluster(self) -> Cluster:
        """The cluster of the living database."""
        return await self.ctx.cluster()

    @property
    def ref(self) -> Ref:
        """The PostgresCluster."""
        return Ref(living.API, living.KIND, self.options.cluster, self.options.namespace)

    @property
    def space(self) -> Ref:
        """The drill's namespace."""
        return Ref("v1", "Namespace", space(marks.name(self.ctx), self.layer))

    @property
    def marks(self) -> dict[str, str]:
        """Labels of all that the drill makes."""
        return {marks.MARK: marks.own(self.ctx), LAYER: self.layer, "castle.name": marks.name(self.ctx)}

    async def postgres_cluster(self) -> Manifest:
        """The PostgresCluster.

        Raises:
            Refused: it is not there: nobody but its operator may make it.
        """
        found = await (await self.cluster()).get(self.ref)
        if found is not None:
            return found
        raise Refused(
            f"there is no {self.ref}",
            where=self.ctx.layer.position,
            why="castle does not run this database and so cannot bring it back; made anew by Flux, it would begin "
            "empty over a repository that is full",
            state=UNTOUCHED,
            hints=["kubectl get postgrescluster -A", "docs/guides/adopt.md says how such a database comes home"],
        )

    async def living(self) -> Living:
        """What a drill has to know of it; raises what `living.read` does."""
        cluster, space = await self.cluster(), self.options.namespace
        wanted = f"{living.CLUSTER}={self.options.cluster}"
        instance = f"{wanted},{living.DATA}=postgres"
        found, pods, claims = await asyncio.gather(
            self.postgres_cluster(),
            cluster.list("v1", "Pod", space, labels=instance),
            cluster.list("v1", "PersistentVolumeClaim", space, labels=f"{wanted},{living.ROLE}={living.VOLUME}"),
        )
        return living.read(found, pods, claims, self.options)

    async def shape(self) -> Shape:
        """What the drill's objects are made from."""
        known = await self.living()
        storage_class = self.options.storage_class or known.storage_class
        if storage_class:
            await self._goes(storage_class)
        return Shape(self.space.name, self.marks, self.ctx.run, known, storage_class, self.options.preload)

    async def _goes(self, name: str) -> None:
        """Refuses a class whose volumes stay when they are deleted: a copy of all data would be left behind."""
        found = await (await self.cluster()).get(Ref("storage.k8s.io/v1", "StorageClass", name))
        if found is not None and found.get("reclaimPolicy") != RETAIN:
            return
        why = "there is none of that name" if found is None else "its volumes are kept when their claim is deleted"
        raise Refused(
            f"storage class `{name}` cannot carry a drill",
            where=self.ctx.layer.position,
            why=f"{why}; the drill's copy must go with the drill",
            state=UNTOUCHED,
            hints=["kubectl get storageclass", "name another one as `storage_class` of the layer", "castle drill"],
        )

    async def look(self, ref: Ref) -> Manifest | None:
        """An object of the drill, or None.

        Raises:
            Refused: something else has that name.
        """
        found = await (await self.cluster()).get(ref)
        if found is None or is_ours(found, self.marks):
            return found
        raise Refused(
            f"{ref} has the name of ours but not our mark",
            why="somebody else made it; castle changes, enters and deletes only what it marked",
            state="it was not touched",
            hints=[f"kubectl get {ref.kind.lower()} {ref.name} --show-labels", "castle drill, when it is gone"],
        )


def is_ours(found: Manifest, wanted: Mapping[str, str]) -> bool:
    """Whether an object carries the marks of this castle's drills."""
    labels: Mapping[str, Any] = found["metadata"].get("labels") or {}
    return all(labels.get(key) == wanted[key] for key in (marks.MARK, LAYER))


class Look(Part):
    """The living database stands, and its repository can be reached from elsewhere."""

    async def observe(self) -> Observation:
        """Reads the PostgresCluster and its pods."""
        try:
            found = (await self.shape()).living
        except NotFound as error:  # the cluster has no such kind
            raise Refused(f"there is no {self.ref}", why=error.why or str(error), state=UNTOUCHED) from error
        size = {"bytes": found.size, "storage_class": found.storage_class}
        facts = {"repository": found.where, "major": found.major, "system_id": found.system_id, **size}
        kept = {"stanza": living.STANZA, "system_id": found.system_id, "namespace": self.options.namespace}
        return Observation(REACHED, f"PostgreSQL {found.major}, {found.where}", {**facts, f"home:{self.layer}": kept})

    async def act(self) -> Observation | None:
        """There is nothing to do but to look."""
        return await self.observe()
