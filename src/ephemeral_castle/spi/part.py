"""What the actions of every driver have in common; a driver's own `Part` adds what only it knows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Generic, TypeVar

from ephemeral_castle.model.castle import Role
from ephemeral_castle.model.step import Observation, State
from ephemeral_castle.spi.driver import Context

Options = TypeVar("Options")
REACHED, NOT_REACHED, PARTIAL = State.REACHED, State.NOT_REACHED, State.PARTIAL


class Part(Generic[Options]):
    """One action of a driver on one step. `observe` never changes anything.

    Attributes:
        ctx: what the engine gives this step.
        options: of the layer, as the driver's model read them.
        layer: the layer's id.
    """

    def __init__(self, ctx: Context) -> None:
        self.ctx = ctx
        self.options: Options = ctx.options
        self.layer = ctx.layer.id

    async def observe(self) -> Observation:
        """Relative to the step's goal."""
        return Observation(NOT_REACHED)

    async def act(self) -> Observation | None:
        """Does it."""
        return None

    async def undo(self) -> str:
        """Takes it back."""
        return "nothing to undo"

    def facts(self, action: str) -> Mapping[str, Any]:
        """Facts of another step of this layer."""
        return self.ctx.facts(f"{self.layer}.{action}")

    def facts_of_ground(self) -> Mapping[str, Any]:
        """What the ground layer listed of the standing life; empty when none has listed anything.

        The ground is known by its role: what a layer `needs` may be named in any order, or through other layers.
        """
        grounds = (layer.id for layer in self.ctx.request.site.layers if layer.role is Role.GROUND)
        return next((facts for facts in (self.ctx.facts(f"{ground}.revive") for ground in grounds) if facts), {})
