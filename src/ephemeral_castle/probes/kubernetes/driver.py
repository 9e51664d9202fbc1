"""Probe `kubernetes-probe`: hands each step to what knows it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from ephemeral_castle.model.castle import Layer, Verb
from ephemeral_castle.model.step import Effect, Observation, Phase, Retry, State, Step
from ephemeral_castle.probes.kubernetes.options import KubernetesOptions
from ephemeral_castle.spi.claims import Claim
from ephemeral_castle.spi.driver import Context, Request

if TYPE_CHECKING:
    from ephemeral_castle.probes.kubernetes.inside import Inside


class KubernetesProbe:
    """A layer that proves: what pods see of the cluster, and that it takes what it is given."""

    name = "kubernetes-probe"
    Options: Any = KubernetesOptions

    def plan(self, layer: Layer, options: KubernetesOptions, request: Request, /) -> Sequence[Step]:
        """A look at the standing cluster first; pods as soon as there are nodes; their answers at the very end.

        What a rebirth would meet again in the next life is found while nothing is lost.
        """
        make = partial(Step, layer=layer.id, driver=self.name, exact=True, params={"v": 1})
        steps: list[Step] = []
        if request.verb is Verb.REBIRTH and (options.claim or options.webhooks):
            steps.append(
                make(id=f"{layer.id}.before", action="before", title="storage class and webhooks that stand",
                     phase=Phase.PREPARE, effect=Effect.READ, needs=("old-machines?", "old-cluster?"),
                     retry=Retry(attempts=1), deadline=90.0, weight=0.3)
            )  # fmt: skip
        if request.verb not in (Verb.REBIRTH, Verb.RAISE, Verb.DRILL):
            return steps
        limit = options.timeout + 30
        serving = tuple(f"{token}:{need}?" for need in layer.needs for token in ("serving", "open"))
        pods = make(id=f"{layer.id}.pods", action="pods", title="a pod on every node", phase=Phase.APPLY,
                    effect=Effect.CONVERGE, needs=("cluster?", "cluster-api?"), deadline=limit, weight=3)  # fmt: skip
        inside = make(id=f"{layer.id}.inside", action="inside", title=_title(options), phase=Phase.VERIFY,
                      effect=Effect.CONVERGE, needs=(pods.id, *serving), provides=("served", f"served:{layer.id}"),
                      deadline=limit, retry=Retry(attempts=1), clock="served", weight=1)  # fmt: skip
        return [*steps, pods, inside]

    def claims(self, layer: Layer, options: KubernetesOptions, request: Request, /) -> Sequence[Claim]:
        """See `claims.wanted`."""
        from ephemeral_castle.probes.kubernetes.claims import wanted

        return wanted(options, request)

    async def observe(self, step: Step, ctx: Context, /) -> Observation:
        """Looks; what only the act can know is not reached."""
        if step.action == "before":
            from ephemeral_castle.probes.kubernetes.before import before

            return await before(ctx)
        if step.action == "pods":
            return await self._inside(ctx).standing()
        return Observation(State.NOT_REACHED, "not asked yet")

    async def act(self, step: Step, ctx: Context, /) -> Observation | None:
        """Makes the pods, or asks them and takes them away."""
        inside = self._inside(ctx)
        return await (inside.make() if step.action == "pods" else inside.ask())

    async def settled(self, ctx: Context, /) -> str:
        """It leaves nothing behind; what it asks needs pods, and so is asked in a run only."""
        del ctx
        return ""

    def _inside(self, ctx: Context) -> Inside:
        from ephemeral_castle.probes.kubernetes.inside import Inside

        return Inside(ctx)


def _title(options: KubernetesOptions) -> str:
    what = ["names", "services", *(["a volume"] if options.claim else []), *(["webhooks"] if options.webhooks else [])]
    return f"{', '.join(what)}, as pods of every node see them"
