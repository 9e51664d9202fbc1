"""Driver `cert-manager`: hands each step to the part that knows it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ephemeral_castle.drivers.cert_manager import steps
from ephemeral_castle.drivers.cert_manager.options import CertManagerOptions
from ephemeral_castle.model.castle import Layer
from ephemeral_castle.model.step import Observation, Step
from ephemeral_castle.spi.claims import Claim
from ephemeral_castle.spi.driver import Context, Request

if TYPE_CHECKING:
    from ephemeral_castle.drivers.cert_manager.parts import Part


class CertManagerDriver:
    """Certificates that castle carries, in a cluster whose cert-manager takes them as they are."""

    name = steps.NAME
    Options: Any = CertManagerOptions

    def plan(self, layer: Layer, options: CertManagerOptions, request: Request, /) -> Sequence[Step]:
        """See `steps.plan`."""
        return steps.plan(layer, options, request)

    def claims(self, layer: Layer, options: CertManagerOptions, request: Request, /) -> Sequence[Claim]:
        """See `claims.wanted`."""
        from ephemeral_castle.drivers.cert_manager.claims import wanted

        return wanted(options, request)

    async def observe(self, step: Step, ctx: Context, /) -> Observation:
        """Looks."""
        return await self._part(step, ctx).observe()

    async def act(self, step: Step, ctx: Context, /) -> Observation | None:
        """Writes Secrets, or waits for Certificates."""
        return await self._part(step, ctx).act()

    async def look(self, ctx: Context, /) -> Mapping[str, Any]:
        """For `castle status`."""
        from ephemeral_castle.drivers.cert_manager.parts import look

        return await look(ctx)

    async def settled(self, ctx: Context, /) -> str:
        """Whether the Certificates are well as they stand."""
        from ephemeral_castle.drivers.cert_manager.parts import settled

        return await settled(ctx)

    def _part(self, step: Step, ctx: Context) -> Part:
        from ephemeral_castle.drivers.cert_manager.parts import Carried, Ready

        parts: dict[str, type[Part]] = {"carried": Carried, "ready": Ready}
        return parts[step.action](ctx)
