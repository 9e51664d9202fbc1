"""The plan of a `kubeconfig` layer: pure."""

from __future__ import annotations

from collections.abc import Sequence

from ephemeral_castle.drivers.kubeconfig.options import KubeconfigOptions
from ephemeral_castle.model.castle import Layer
from ephemeral_castle.model.step import Effect, Phase, Retry, Step
from ephemeral_castle.spi.driver import Request

NAME = "kubeconfig"
CHECK = "check"
STANDS = ("old-cluster", "cluster-api", "cluster-worker", "cluster-dns", "cluster")


def plan(layer: Layer, options: KubeconfigOptions, request: Request) -> Sequence[Step]:
    """One look, ahead of all that enters the cluster: is it the one that is meant, and may castle do there its work?

    Nothing raises the cluster, and nothing wipes it.
    """
    del request
    title = f"the cluster of context `{options.context}`, and our rights"
    return [
        Step(f"{layer.id}.{CHECK}", layer.id, NAME, CHECK, title,
             Phase.PREPARE, Effect.READ, provides=(*STANDS, f"open:{layer.id}"), exact=True, recheck=True,
             retry=Retry(attempts=4, delay=1.0, factor=2.0, ceiling=8.0), deadline=120.0, weight=0.3)
    ]  # fmt: skip
