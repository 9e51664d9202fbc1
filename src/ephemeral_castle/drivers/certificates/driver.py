"""Driver `certificates`: each step of the plan to the part that does it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ephemeral_castle.drivers.certificates import steps
from ephemeral_castle.drivers.certificates.options import CertificatesOptions
from ephemeral_castle.model.castle import Layer, Verb
from ephemeral_castle.model.step import Observation, Step
from ephemeral_castle.spi.driver import Context, Request


class CertificatesDriver:
    """One certificate: issued by the castle's own CA or by ACME, kept in the vault, carried to each new life."""

    name = steps.NAME
    Options: Any = CertificatesOptions

    def plan(self, layer: Layer, options: CertificatesOptions, request: Request, /) -> Sequence[Step]:
        """See `steps.plan`."""
        return steps.plan(layer, options, request)

    def reads(self, layer: Layer, options: CertificatesOptions, request: Request, /) -> Mapping[str, str]:
        """Certificates of a private CA."""
        if options.acme is None or request.verb not in (*steps.RAISING, Verb.DRILL):
            return {}
        return {file: f"{layer.id}.look" for file in (options.acme.ca, options.acme.root) if file}

    async def observe(self, step: Step, ctx: Context, /) -> Observation:
        """Reads the vault; before a run also asks whether the CA answers, where it will be needed."""
        # Cryptography takes its time to import, and a plan needs none of it.
        from ephemeral_castle.drivers.certificates import looking, ready

        match step.action:
            case "look":
                return await looking.before(ctx)
            case "drilled":
                return await ready.drilled(ctx)
            case "renew":
                return await ready.Renew(ctx).observe()
            case "obtain":
                return await ready.Obtain(ctx).observe()
            case _:
                return await ready.Ready(ctx).observe()

    async def act(self, step: Step, ctx: Context, /) -> Observation | None:
        """Has a certificate issued, and gives it to the services."""
        from ephemeral_castle.drivers.certificates import ready

        match step.action:
            case "look" | "drilled":
                return None
            case "renew":
                return await ready.Renew(ctx).act()
            case "obtain":
                return await ready.Obtain(ctx).act()
            case _:
                await ready.Ready(ctx).act()
                return None

    async def look(self, ctx: Context, /) -> Mapping[str, Any]:
        """For `castle status`."""
        from ephemeral_castle.drivers.certificates import looking

        return await looking.status(ctx)

    async def settled(self, ctx: Context, /) -> str:
        """Whether services would be given the same certificate again."""
        from ephemeral_castle.drivers.certificates import ready

        return await ready.settled(ctx)
