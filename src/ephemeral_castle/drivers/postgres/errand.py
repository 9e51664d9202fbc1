"""Pods that do one thing over a database's volumes and end: a look, a restore in place."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import Mapping, Sequence

from ephemeral_castle.drivers.postgres import objects, pods, podspec
from ephemeral_castle.drivers.postgres.own import Own
from ephemeral_castle.drivers.postgres.shape import PART, Shape
from ephemeral_castle.errors import CastleError, Permanent, Transient, Unreachable
from ephemeral_castle.spi.kubernetes import Manifest, Ref
from ephemeral_castle.spi.world import Result

GLIMPSE = 60.0  # seconds for a look; the image lies on the node since the database ran there
ENDING = 90.0  # seconds for a pod to vanish
LINES = 50  # of a log


class Errand:
    """Sends pods over the volumes of one database.

    Args:
        own: its objects.
        shape: what pods are made from.
        run: id of the run: an errand is done once in it.
    """

    def __init__(self, own: Own, shape: Shape, run: str) -> None:
        self.own = own
        self.shape = shape
        self.run = run

    async def glimpse(self, script: str, folder: str = "") -> str:
        """What a script of sh(1) says that only reads `/pg`: the volume's, or that of a folder of its node.

        Raises:
            Unreachable: it could not look: the volume's node does not answer, or the volume cannot be mounted.
        """
        for left in await self.own.of("look", "Pod"):
            await self.own.delete(left, grace=0)
        await self.home()
        name = f"{self.shape.layer}-look-{secrets.token_hex(3)}"
        pod = await self.own.cluster.create(podspec.glimpse(self.shape, name, script, folder))
        try:
            seen = await self.own.cluster.until(Ref.of(pod), pods.done, timeout=GLIMPSE, title=f"pod {name}")
        except (Permanent, Transient) as error:
            raise self._blind(error.why or error.message) from error
        finally:
            with contextlib.suppress(CastleError):
                await self.own.delete(pod, grace=0)
        end = pods.ended(seen, "look")
        if end is None or end.get("exitCode") != 0:
            raise self._blind(str((end or {}).get("message") or (end or {}).get("reason") or "its pod was ended"))
        return str(end.get("message", ""))

    async def home(self) -> None:
        """The namespace in which pods of ours run: it may have been deleted, and folders on nodes are there still."""
        if await self.own.cluster.get(Ref("v1", "Namespace", self.shape.namespace)) is None:
            await self.own.cluster.apply(objects.namespace(self.shape))

    def _blind(self, why: str) -> Unreachable:
        return Unreachable(
            f"the volume of database `{self.shape.layer}` cannot be looked at",
            where=f"namespace {self.shape.namespace}",
            why=why,
            state="nothing was changed",
            hints=["castle status"],
        )

    async def empty(self, disk: Manifest, *, timeout: float) -> Result:
        """Empties the folder of one volume; may be done again."""
        await self.home()
        name = f"{self.shape.layer}-empty-{disk['metadata']['labels'][PART]}"
        ref = Ref("v1", "Pod", name, self.shape.namespace)
        await self._cleared(ref)
        pod = await self.own.cluster.create(podspec.emptying(self.shape, name, disk, self.run))
        return await self._awaited(ref, pod, timeout)

    async def _cleared(self, ref: Ref) -> None:
        """No pod of a former errand is there."""
        pod = await self.own.look(ref)
        if pod is not None:
            await self.own.delete(pod, grace=0)
            await self.own.cluster.until(ref, pods.gone, timeout=ENDING, title=f"the end of {ref}")

    async def aside(
        self, name: str, files: Mapping[str, str], argv: Sequence[str], *, timeout: float, begun: bool
    ) -> Result:
        """See `place.Place.aside`. The result's output are the last lines that it said, of both kinds."""
        ref = Ref("v1", "Pod", f"{self.shape.layer}-{name}", self.shape.namespace)
        pod = await self.own.look(ref)
        if pod is not None and not (begun and self._goes_on(pod)):
            await self._cleared(ref)
            pod = None
        if pod is None and files:
            await self.own.put(objects.secret(self.shape, self.shape.layer, files))
        if pod is None:
            pod = await self.own.cluster.create(podspec.aside(self.shape, ref.name, files, argv, self.run))
        return await self._awaited(ref, pod, timeout)

    def _goes_on(self, pod: Manifest) -> bool:
        """Whether this run began it, and it works still or has succeeded."""
        ours = pod["metadata"].get("annotations", {}).get("castle.run") == self.run
        return ours and not pods.deleted(pod) and pod.get("status", {}).get("phase") != "Failed"

    async def _awaited(self, ref: Ref, pod: Manifest, timeout: float) -> Result:
        try:
            seen = await self.own.cluster.until(ref, pods.done, timeout=timeout, title=str(ref))
        except asyncio.CancelledError:
            with contextlib.suppress(CastleError):
                await self.own.delete(pod)
            raise
        except Transient as error:
            state = "it may go on; who asks again finds it"
            raise Unreachable(f"{ref} has not ended", why=error.why, state=state, hints=["castle resume"]) from error
        end = pods.ended(seen, "aside")
        if end is None:
            raise Unreachable(
                f"{ref} ended without a word",
                why="its node was started anew, or it was evicted",
                state="what it had done so far stands",
                hints=["castle resume"],
            )
        said = await self.own.cluster.log(ref.namespace, ref.name, lines=LINES)
        if end["exitCode"] == 0:
            await self.own.delete(pod, grace=0)
        return Result(int(end["exitCode"]), said, "")
