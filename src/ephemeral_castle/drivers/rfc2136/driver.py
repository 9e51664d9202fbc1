"""Driver `rfc2136`: each step of the plan to the part that does it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ephemeral_castle.drivers.rfc2136 import looking, steps
from ephemeral_castle.drivers.rfc2136.looking import names_of
from ephemeral_castle.drivers.rfc2136.moving import Lower, Maintenance, Page, Remove, Switch, settled
from ephemeral_castle.drivers.rfc2136.options import Rfc2136Options
from ephemeral_castle.model.castle import Layer
from ephemeral_castle.model.step import Observation, State, Step
from ephemeral_castle.spi.driver import Context, Request

PARTS: Mapping[str, type[Lower | Page | Maintenance | Switch | Remove]] = {
    "lower-ttl": Lower, "page": Page, "maintenance": Maintenance, "switch": Switch, "remove": Remove,
}  # fmt: skip
TAKEN_BACK: Mapping[str, type[Lower | Page | Maintenance]] = {
    "lower-ttl": Lower, "page": Page, "maintenance": Maintenance,
}  # fmt: skip


class Rfc2136Driver:
    """Names on an authoritative server that takes signed dynamic updates: Knot, BIND and others."""

    name = steps.NAME
    Options: Any = Rfc2136Options

    def plan(self, layer: Layer, options: Rfc2136Options, request: Request, /) -> Sequence[Step]:
        """See `steps.plan`."""
        return steps.plan(layer, options, request)

    async def observe(self, step: Step, ctx: Context, /) -> Observation:
        """Asks the name servers."""
        match step.action:
            case "look":
                return await looking.before(ctx)
            case "answer":
                return await looking.after(ctx)
            case "meant":
                return await meant(ctx)
            case _:
                return await PARTS[step.action](ctx).observe()

    async def act(self, step: Step, ctx: Context, /) -> Observation | None:
        """Changes the zone, or waits for its servers."""
        match step.action:
            case "look" | "meant":
                return None
            case "answer":
                return await looking.wait_for_all(ctx)
            case _:
                return await PARTS[step.action](ctx).act()

    async def undo(self, step: Step, ctx: Context, /) -> str:
        """Old TTL and old address back."""
        return await TAKEN_BACK[step.action](ctx).undo()

    async def look(self, ctx: Context, /) -> Mapping[str, Any]:
        """For `castle status`."""
        return await looking.status(ctx)

    async def settled(self, ctx: Context, /) -> str:
        """Whether every server gives the addresses of this life, under its mark."""
        return await settled(ctx)


async def meant(ctx: Context) -> Observation:
    """The machines of a drill by the names that would lead to them."""
    found = {name: (await ctx.machine(machine)).address for name, machine in names_of(ctx).items()}
    text = ", ".join(f"{name} {address}" for name, address in found.items())
    return Observation(State.REACHED, text, {"meant": found})
