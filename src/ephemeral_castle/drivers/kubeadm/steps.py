"""The plan of a `kubeadm` layer: pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ephemeral_castle.drivers.kubeadm.layout import Node, nodes
from ephemeral_castle.drivers.kubeadm.options import HERE, KubeadmOptions
from ephemeral_castle.errors import Permanent
from ephemeral_castle.model.castle import Layer, Verb
from ephemeral_castle.model.step import Effect, Phase, Retry, Step
from ephemeral_castle.spi.driver import Request
from ephemeral_castle.spi.ways import raised_here

NAME = "kubeadm"
DESTROYING = (Verb.REBIRTH, Verb.WIPE)
RAISING = (Verb.REBIRTH, Verb.RAISE, Verb.DRILL)
AGAIN = Retry(attempts=3, delay=1.0)


def plan(layer: Layer, options: KubeadmOptions, request: Request) -> Sequence[Step]:
    """Look first; the standing cluster answers once more; it goes with its machines; a new one is born on new ones.

    What needs a cluster may begin at `cluster-api` (the API server answers) or at `cluster-worker` (the first worker is
    ready, too); at `node:NAME`; or at `cluster`, when every node and the cluster's DNS are ready.

    Raises:
        Permanent: the layer does not say which machines it stands on. By `needs` all others know that castle raises
            this cluster, and that it ends with them.
    """
    if not raised_here(request):
        raise Permanent(
            f"layer `{layer.id}` does not say what it stands on",
            where=layer.position,
            why="none of its `needs` leads to a layer of role `ground`, whose machines become its nodes",
            state="nothing was changed",
            hints=["write `needs: [GROUND]` with the id of that layer", "castle plan"],
        )
    steps: list[Step] = []
    if request.verb in RAISING:
        steps += _prepare(layer, options, request)
    if request.verb is not Verb.DRILL:
        steps.append(
            _step(layer, "wake", "the cluster of the standing life", Phase.PREPARE, Effect.CONVERGE,
                  needs=("old-machines?", f"{layer.id}.image?"), provides=("old-cluster",), recheck=True,
                  deadline=900, weight=0.5)
        )  # fmt: skip
    if request.verb in DESTROYING:  # the old life may have had one, whatever the definition says now
        steps.append(
            _step(layer, "gone", "remove the load balancer of the old life", Phase.DESTROY, Effect.IRREVERSIBLE,
                  needs=(f"{layer.id}.wake",), weight=0.3)
        )  # fmt: skip
    if request.verb in RAISING:
        steps += _raising(layer, options, request)
    return steps


def _prepare(layer: Layer, options: KubeadmOptions, request: Request) -> list[Step]:
    steps = [
        _step(layer, "check", "look at programs, networks and registry", Phase.PREPARE, Effect.READ, needs=("room?",),
              retry=Retry(attempts=2), weight=0.1)
    ]  # fmt: skip
    if options.endpoint == HERE:
        before = (f"{layer.id}.cold",) if _cold_first(request) else ()
        if before:
            steps.append(_step(layer, "cold", DROP, Phase.PREPARE, Effect.CONVERGE))
        steps.append(
            _step(layer, "image", IMAGE, Phase.PREPARE, Effect.CONVERGE, needs=before, deadline=1800, weight=20)
        )
    return steps


DROP = "drop the cached image of the load balancer"
IMAGE = "image of the load balancer"


def _cold_first(request: Request) -> bool:
    return request.cold and request.verb is Verb.RAISE


def _raising(layer: Layer, options: KubeadmOptions, request: Request) -> list[Step]:
    steps: list[Step] = []
    before = [f"{layer.id}.check"]
    if options.endpoint == HERE:
        steps += _endpoint(layer, request)
        before.append(f"{layer.id}.endpoint")
    elif request.verb is Verb.RAISE:
        steps.append(
            _step(layer, "unused", "no load balancer that nobody needs", Phase.APPLY, Effect.CONVERGE,
                  needs=(f"{layer.id}.wake",), recheck=True, weight=0.1)
        )  # fmt: skip
    first, *others = nodes(options)
    steps += [_configure(layer, node) for node in (first, *others)]
    steps.append(
        _step(layer, "init", f"cluster {options.version} on {first.name}", Phase.APPLY, Effect.CONVERGE,
              needs=(f"{layer.id}.node-{first.name}", *before),
              provides=("cluster-api", f"address:{layer.id}", *_lonely(options)),
              params={"v": 1, "machine": first.name}, recheck=True, retry=AGAIN, deadline=900, weight=8)
    )  # fmt: skip
    steps += [_join(layer, options, node, before) for node, before in _turns(layer, others)]
    steps += _whole(layer, options, others)
    return steps


def _lonely(options: KubeadmOptions) -> tuple[str, ...]:
    """Without workers, the control plane carries everything."""
    return () if options.workers else ("cluster-worker",)


def _endpoint(layer: Layer, request: Request) -> list[Step]:
    steps, needs = [], [f"{layer.id}.image", "room?", f"{layer.id}.gone?"]
    if request.cold and request.verb is Verb.REBIRTH:
        cold = _step(layer, "cold", DROP, Phase.APPLY, Effect.CONVERGE, needs=(f"{layer.id}.gone",))
        again = Step(f"{layer.id}.image-cold", layer.id, NAME, "image", f"{IMAGE}, from nothing", Phase.APPLY,
                     Effect.CONVERGE, needs=(cold.id,), exact=True, deadline=1800, weight=20)  # fmt: skip
        steps += [cold, again]
        needs.append(again.id)
    steps.append(
        _step(layer, "endpoint", "load balancer before the API servers", Phase.APPLY, Effect.CONVERGE,
              needs=tuple(needs), recheck=True, weight=0.4)
    )  # fmt: skip
    return steps


def _configure(layer: Layer, node: Node) -> Step:
    return _step(
        layer, f"node-{node.name}", f"containerd and files of a node on {node.name}", Phase.APPLY, Effect.CONVERGE,
        needs=(f"machine:{node.name}", f"{layer.id}.check"), params={"v": 1, "machine": node.name}, recheck=True,
        weight=1,
    )  # fmt: skip


def _turns(layer: Layer, others: Sequence[Node]) -> list[tuple[Node, tuple[str, ...]]]:
    """Each node, and the join that it waits for: etcd takes one new member at a time, workers come all at once."""
    found: list[tuple[Node, tuple[str, ...]]] = []
    before: tuple[str, ...] = ()
    for node in others:
        found.append((node, before if node.control else ()))
        before = (f"{layer.id}.join-{node.name}",) if node.control else before
    return found


def _join(layer: Layer, options: KubeadmOptions, node: Node, before: tuple[str, ...]) -> Step:
    first_worker = bool(options.workers) and node.name == options.workers[0]
    also = ("cluster-worker",) if first_worker else ()
    return _step(
        layer, f"join-{node.name}", f"{node.name} joins", Phase.APPLY, Effect.CONVERGE,
        needs=(f"{layer.id}.init", f"{layer.id}.node-{node.name}", *before), provides=(f"node:{node.name}", *also),
        params={"v": 1, "machine": node.name}, recheck=True, retry=AGAIN, deadline=3 * options.timeout + 60, weight=5,
    )  # fmt: skip


def _whole(layer: Layer, options: KubeadmOptions, joined: Sequence[Node]) -> list[Step]:
    first = options.control[0]
    joins = tuple(f"{layer.id}.join-{node.name}" for node in joined)
    return [
        _step(layer, "dns", "names inside the cluster", Phase.APPLY, Effect.CONVERGE, needs=(f"{layer.id}.init",),
              provides=("cluster-dns",), retry=AGAIN, recheck=True, weight=0.5),
        _step(layer, "nodes", "every node is ready", Phase.APPLY, Effect.CONVERGE,
              needs=(*joins, f"{layer.id}.dns"), provides=("cluster", f"node:{first}", f"open:{layer.id}"),
              recheck=True, deadline=options.timeout + 60, weight=3),
    ]  # fmt: skip


def _step(layer: Layer, action: str, title: str, phase: Phase, effect: Effect, **more: Any) -> Step:
    more.setdefault("deadline", 120.0)
    return Step(f"{layer.id}.{action}", layer.id, NAME, action, title, phase, effect, exact=True, **more)
