"""The probe's pods: made early, asked at the end, taken away."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable

from ephemeral_castle.errors import CastleError, Permanent, Transient
from ephemeral_castle.manifests import ready
from ephemeral_castle.model.step import Observation, State
from ephemeral_castle.probes.kubernetes import pods, tried
from ephemeral_castle.probes.kubernetes.options import KubernetesOptions
from ephemeral_castle.spi import marks
from ephemeral_castle.spi.driver import Context
from ephemeral_castle.spi.kubernetes import Cluster, Ref
from ephemeral_castle.spi.onward import onward

PAUSE = 0.5  # seconds between two rounds of questions
ONE = 20.0  # seconds for one round in one pod


class Inside:
    """One run's probe."""

    def __init__(self, ctx: Context) -> None:
        self.ctx = ctx
        self.options: KubernetesOptions = ctx.options
        self.labels = {marks.MARK: marks.own(ctx), "castle.life": str(ctx.life), "castle.layer": ctx.layer.id}

    async def standing(self) -> Observation:
        """Whether the pods of this life are ready."""
        cluster = await self.ctx.cluster()
        nodes = await self._nodes(cluster)
        for node in nodes:
            if pods.serving(await cluster.get(_pod(node))).stage is not pods.Stage.READY:
                return Observation(State.NOT_REACHED, f"none is ready on {node}")
        return self._made(nodes)

    async def make(self) -> Observation:
        """Makes them, and waits until those of the nodes are ready; the one with a volume is waited for at the end.

        Raises:
            Transient: one does not become ready in time, with the cause. Permanent: somebody else has that namespace.
        """
        cluster = await self.ctx.cluster()
        await self._not_anothers(cluster)
        nodes = await self._nodes(cluster)
        space, *others = pods.manifests(nodes, self.options.image, self.labels, claim=self.options.claim)
        await cluster.apply(space)
        await self._account(cluster)
        await asyncio.gather(*(cluster.apply(each) for each in others))
        limit = self.options.timeout
        await asyncio.gather(*(cluster.until(_pod(node), pods.serving, timeout=limit) for node in nodes))
        return self._made(nodes)

    async def _not_anothers(self, cluster: Cluster) -> None:
        space = Ref("v1", "Namespace", pods.SPACE)
        live = await cluster.get(space)
        if live is not None and live["metadata"].get("deletionTimestamp"):  # of the last run, a moment ago
            live = await cluster.until(space, ready.absent, timeout=self.options.timeout)
        if live is None or (live["metadata"].get("labels") or {}).get(marks.MARK) == marks.own(self.ctx):
            return
        raise Permanent(
            f"the namespace `{pods.SPACE}` is somebody else's",
            where=f"layer `{self.ctx.layer.id}`",
            why="it does not carry this castle's mark",
            state="it was not touched",
            hints=[f"kubectl get namespace {pods.SPACE} --show-labels", "rename or remove it", onward(self.ctx)],
        )

    async def _account(self, cluster: Cluster) -> None:
        """A pod needs its namespace's account, which a controller makes a moment after the namespace."""
        account = Ref("v1", "ServiceAccount", "default", pods.SPACE)
        await cluster.until(account, ready.exists, timeout=30.0)

    async def _nodes(self, cluster: Cluster) -> list[str]:
        return sorted(each["metadata"]["name"] for each in await cluster.list("v1", "Node") if pods.takes_pods(each))

    def _made(self, nodes: list[str]) -> Observation:
        return Observation(State.REACHED, f"on {', '.join(nodes)}", {"nodes": nodes}, renews=True)

    async def ask(self) -> Observation:
        """Asks until all is well, and takes the pods away.

        Raises:
            Permanent: something is not well in time; the pods stay for whoever looks.
        """
        cluster = await self.ctx.cluster()
        nodes = list(self.ctx.facts(f"{self.ctx.layer.id}.pods").get("nodes") or await self._nodes(cluster))
        clock = self.ctx.world.clock
        until = clock.monotonic() + self.options.timeout
        while faults := await self._faults(cluster, nodes):
            if clock.monotonic() >= until:
                raise self._failed(faults)
            self.ctx.progress(faults[0])
            await clock.sleep(PAUSE)
        await cluster.delete(Ref("v1", "Namespace", pods.SPACE))
        services = f"{len(self.options.services)} services" if self.options.services else "names"
        more = [each for each, told in (("a volume", self.options.claim), ("webhooks", self.options.webhooks)) if told]
        return Observation(
            State.REACHED, f"{', '.join([services, *more])}: seen from {', '.join(nodes)}", {"nodes": nodes}
        )

    async def _faults(self, cluster: Cluster, nodes: list[str]) -> list[str]:
        looks = [self._seen_from(cluster, node) for node in nodes]
        if self.options.claim:
            looks.append(self._volume(cluster))
        if self.options.webhooks:
            looks.append(_listed(tried.changes(cluster)))
        return [fault for found in await asyncio.gather(*looks) for fault in found]

    async def _seen_from(self, cluster: Cluster, node: str) -> list[str]:
        asked = pods.asked(node, self.options.services, self.options.domain)
        argv = ["sh", "-c", pods.ASK, "ask", *asked]
        try:
            result = await cluster.run(pods.SPACE, pods.name_of(node), argv, timeout=ONE)
        except CastleError as error:
            return [f"the pod on {node}: {error.why or error.message}"]
        lines = [line.split("|", 1) for line in result.out.splitlines() if "|" in line]
        found = [f"from {node}: {what.replace('.:', ':')}: {why}" for what, why in lines]
        return found or ([] if result.ok else [f"from {node}: {result.last_words(1)}"])

    async def _volume(self, cluster: Cluster) -> list[str]:
        wrong = await tried.classes(cluster)
        if wrong:
            return [wrong]
        try:
            await cluster.until(Ref("v1", "Pod", pods.CLAIM, pods.SPACE), pods.serving, timeout=PAUSE)
        except (Transient, Permanent) as late:
            return [f"a claim that names no class has no volume yet: {late.why}"]
        return []

    def _failed(self, faults: list[str]) -> Permanent:
        return Permanent(
            "the cluster is not as pods need it",
            where=f"layer `{self.ctx.layer.id}`, namespace `{pods.SPACE}`",
            why="; ".join(faults[:4]),
            state="the data are home; the probe's pods stay, so that one can look from inside them",
            hints=[f"kubectl exec -n {pods.SPACE} -it POD -- sh", onward(self.ctx)],
        )


def _pod(node: str) -> Ref:
    return Ref("v1", "Pod", pods.name_of(node), pods.SPACE)


async def _listed(look: Awaitable[str]) -> list[str]:
    said = await look
    return [said] if said else []
