"""Objects of a cluster that carry this database's marks: no other is changed, entered or deleted."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from ephemeral_castle.drivers.postgres.shape import LAYER, LIFE, PART
from ephemeral_castle.errors import Conflict, Refused
from ephemeral_castle.spi.kubernetes import Cluster, Manifest, Ref
from ephemeral_castle.spi.marks import MARK

WIDE = ("PersistentVolume",)  # kinds of the whole cluster


class Own:
    """What belongs to one database in one life.

    Args:
        cluster: the API server.
        marks: labels that all of it carries.
        namespace: where it lies.
        taken: whether an object without marks was taken over, by a person's word.
    """

    def __init__(
        self,
        cluster: Cluster,
        marks: Mapping[str, str],
        namespace: str,
        taken: Callable[[Manifest], bool] = lambda _: False,
    ) -> None:
        self.cluster = cluster
        self.marks = marks
        self.namespace = namespace
        self._taken = taken

    def has(self, found: Manifest) -> bool:
        """Whether an object carries the marks, or was taken over."""
        labels = found["metadata"].get("labels") or {}
        return all(labels.get(key) == value for key, value in self.marks.items()) or self._taken(found)

    async def get(self, api: str, kind: str, name: str) -> Manifest | None:
        """An object of the namespace, or None.

        Raises:
            Refused: something else has that name.
        """
        return await self.look(Ref(api, kind, name, self.namespace))

    async def look(self, ref: Ref) -> Manifest | None:
        """As `get`, of any namespace or of none."""
        found = await self.cluster.get(ref)
        if found is not None and not self.has(found):
            raise _stranger(ref, found)
        return found

    async def of(self, part: str, kind: str, api: str = "v1") -> Sequence[Manifest]:
        """All objects of a kind that were made for one purpose."""
        return await self._listed(api, kind, {**self.marks, PART: part})

    async def all(self, kind: str, api: str = "v1") -> Sequence[Manifest]:
        """All objects of a kind."""
        return await self._listed(api, kind, self.marks)

    async def _listed(self, api: str, kind: str, wanted: Mapping[str, str]) -> Sequence[Manifest]:
        labels = ",".join(f"{key}={value}" for key, value in sorted(wanted.items()))
        found = await self.cluster.list(api, kind, "" if kind in WIDE else self.namespace, labels=labels)
        return [{"apiVersion": api, "kind": kind, **each} for each in found]  # a list's items come without them

    async def put(self, manifest: Manifest) -> Manifest:
        """Creates it, or brings ours to this form.

        Raises:
            Refused: something else has its name.
        """
        await self.look(Ref.of(manifest))
        return await self.cluster.apply(manifest)

    async def delete(self, found: Manifest, *, grace: int | None = None) -> None:
        """Deletes this very object; no error when it is gone, or when another has its name by now."""
        try:
            await self.cluster.delete(Ref.of(found), uid=str(found["metadata"].get("uid", "")), grace=grace)
        except Conflict:
            return


def _stranger(ref: Ref, found: Manifest) -> Refused:
    labels = found["metadata"].get("labels") or {}
    whose = {key: labels[key] for key in (MARK, LIFE, LAYER) if key in labels}
    owner = ", ".join(f"{key}={value}" for key, value in whose.items()) or "it has no mark of any castle"
    where = f"-n {ref.namespace} " if ref.namespace else ""
    return Refused(
        f"{ref} has the name of ours but not our mark",
        why=f"somebody else made it: {owner}; castle changes, enters and deletes only what it marked",
        state="it was not touched",
        hints=[
            f"look at it: kubectl {where}get {ref.kind.lower()} {ref.name} --show-labels",
            "remove or rename it if you know what it is, or give the layer another `namespace`",
            "castle resume",
        ],
    )
