"""Driver `external-secrets`: hands each step to the part that knows it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ephemeral_castle.drivers.external_secrets import steps
from ephemeral_castle.drivers.external_secrets.options import ExternalSecretsOptions
from ephemeral_castle.model.castle import Layer
from ephemeral_castle.model.step import Observation, Step
from ephemeral_castle.spi.claims import Claim
from ephemeral_castle.spi.driver import Context, Request

if TYPE_CHECKING:
    from ephemeral_castle.drivers.external_secrets.part import Part


class ExternalSecretsDriver:
    """Secrets from a store outside the castle, brought into the cluster by the External Secrets Operator."""

    name = steps.NAME
    Options: Any = ExternalSecretsOptions

    def plan(self, layer: Layer, options: ExternalSecretsOptions, request: Request, /) -> Sequence[Step]:
        """See `steps.plan`."""
        return steps.plan(layer, options, request)

    def claims(self, layer: Layer, options: ExternalSecretsOptions, request: Request, /) -> Sequence[Claim]:
        """See `claims.wanted`."""
        from ephemeral_castle.drivers.external_secrets.claims import wanted

        return wanted(options, request)

    async def observe(self, step: Step, ctx: Context, /) -> Observation:
        """Looks."""
        return await self._part(step, ctx).observe()

    async def act(self, step: Step, ctx: Context, /) -> Observation | None:
        """Asks the operator to read the store, and waits until it has."""
        return await self._part(step, ctx).act()

    async def look(self, ctx: Context, /) -> Mapping[str, Any]:
        """For `castle status`."""
        from ephemeral_castle.drivers.external_secrets.looking import look

        return await look(ctx)

    async def settled(self, ctx: Context, /) -> str:
        """Whether store and secrets are well as they stand."""
        from ephemeral_castle.drivers.external_secrets.looking import settled

        return await settled(ctx)

    def _part(self, step: Step, ctx: Context) -> Part:
        from ephemeral_castle.drivers.external_secrets.before import Before
        from ephemeral_castle.drivers.external_secrets.ready import Ready
        from ephemeral_castle.drivers.external_secrets.synced import Synced, Whole

        parts: dict[str, type[Part]] = {"before": Before, "store": Ready, "synced": Synced, "whole": Whole}
        return parts[step.action](ctx)
