"""The load balancer of a life that is over goes; its machines are the ground's to destroy."""

from __future__ import annotations

from ephemeral_castle.drivers.kubeadm.endpoint import Endpoint, Seen
from ephemeral_castle.drivers.kubeadm.former import recorded
from ephemeral_castle.drivers.kubeadm.options import HERE
from ephemeral_castle.drivers.kubeadm.part import Part
from ephemeral_castle.model.step import Observation
from ephemeral_castle.spi.part import NOT_REACHED, REACHED


class Gone(Part):
    """Nothing of the old life's load balancer is left: known by our mark and by the number of the life."""

    async def observe(self) -> Observation:
        """By listing."""
        left = await self._left()
        if left:
            return Observation(NOT_REACHED, "still there: " + ", ".join(each.name for each in left))
        listed = [each for entry in self.facts_before() for each in entry]
        return Observation(REACHED, "listed: none is left", {"destroyed": listed})

    def facts_before(self) -> list[list[dict[str, object]]]:
        """What an earlier look of this step listed."""
        return [self.ctx.facts(f"{self.layer}.gone").get("destroyed", [])]

    async def _left(self) -> list[Seen]:
        return [seen for seen in await Endpoint(self.ctx).all() if seen.ours and seen.life == self.ctx.old_life]

    async def act(self) -> Observation:
        """Removes it, by id. What it was is written down first."""
        left = await self._left()
        listed = [{"kind": "container", "id": seen.id, "name": seen.name, "life": seen.life} for seen in left]
        await self.ctx.intent("destroy", inventory=listed)
        await Endpoint(self.ctx).remove(left)
        still = await self._left()
        if still:
            return Observation(NOT_REACHED, "still there: " + ", ".join(each.name for each in still))
        return Observation(REACHED, "listed: none is left", {"destroyed": listed})


class Unused(Part):
    """The definition names another way to the API servers, and castle's own stands beside it no more."""

    async def observe(self) -> Observation:
        """By listing."""
        left = await self._left()
        if left:
            return Observation(NOT_REACHED, "nobody needs: " + ", ".join(each.name for each in left))
        return Observation(REACHED, "listed: none is left")

    async def _left(self) -> list[Seen]:
        """Of this life only where its record says that it was born without: its nodes would lose their way."""
        own, others = await Endpoint(self.ctx).found(self.ctx.life)
        without = recorded(self.ctx, self.ctx.life).get("endpoint", HERE) != HERE
        return [*others, *([own] if own is not None and without else [])]

    async def act(self) -> None:
        """Removes them, by id: nothing is in them."""
        await Endpoint(self.ctx).remove(await self._left())
