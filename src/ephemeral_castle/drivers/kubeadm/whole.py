"""The cluster as a whole: its DNS, and every node."""

from __future__ import annotations

import asyncio

from ephemeral_castle.drivers.kubeadm import coredns, scripts
from ephemeral_castle.drivers.kubeadm.join import JOINING
from ephemeral_castle.drivers.kubeadm.part import Part, said
from ephemeral_castle.errors import Transient
from ephemeral_castle.manifests.readiness import Stage
from ephemeral_castle.manifests.ready import judge
from ephemeral_castle.model.step import Observation
from ephemeral_castle.spi.kubernetes import Cluster, Ref
from ephemeral_castle.spi.part import NOT_REACHED, REACHED

DNS = Ref("apps/v1", "Deployment", coredns.NAME, coredns.NAMESPACE)
COREFILE = Ref("v1", "ConfigMap", coredns.NAME, coredns.NAMESPACE)
PROXY = Ref("apps/v1", "DaemonSet", "kube-proxy", "kube-system")


class Dns(Part):
    """The cluster's DNS is applied as it is wanted; whether it answers, `Nodes` waits for."""

    async def observe(self) -> Observation:
        """Whether its two telling objects are as wanted."""
        if self.untouched:
            return Observation(NOT_REACHED, "a new cluster")
        cluster = await self.cluster()
        found, deployment = await asyncio.gather(cluster.get(COREFILE), cluster.get(DNS))
        if found is None or deployment is None:
            return Observation(NOT_REACHED, "it is not there yet")
        if found.get("data", {}).get("Corefile") != self.text():
            return Observation(NOT_REACHED, "it is configured otherwise")
        if deployment["spec"].get("replicas") != min(coredns.REPLICAS, len(self.nodes)):
            return Observation(NOT_REACHED, "it has another number of pods")
        return Observation(REACHED, self._words())

    async def act(self) -> Observation:
        """Applies kubeadm's manifests, adapted."""
        machine = await self.ctx.machine(self.options.control[0])
        result = await machine.transport.run([scripts.NODE, "coredns"], timeout=60)
        if not result.ok:
            raise Transient("kubeadm does not print its manifests of DNS", where=machine.name, why=said(result))
        stock = coredns.documents(result.out)
        cluster = await self.cluster()
        *first, last = coredns.adapted(stock, self.text(), len(self.nodes))
        await asyncio.gather(*(cluster.apply(manifest) for manifest in first))
        await cluster.apply(last)
        return Observation(REACHED, self._words())

    def text(self) -> str:
        """The Corefile. Pods know the treasury by the name that machines know it by."""
        return coredns.corefile(self.options.forward, {self.ctx.world.enclosure.treasury_host: self.gateway})

    def _words(self) -> str:
        return f"forwards to {', '.join(self.options.forward)}" if self.options.forward else "forwards to nobody"


class Nodes(Part):
    """Every node is ready, and so is what every node relies on."""

    @property
    def untouched(self) -> bool:
        """As for every part; but what was waited for is looked at: not all of it may be well any more."""
        return super().untouched and self.ctx.life not in self.desk.waited

    async def observe(self) -> Observation:
        """By one look at each."""
        if self.untouched:
            return Observation(NOT_REACHED, "new nodes")
        return await self._seen()

    async def _seen(self) -> Observation:
        cluster = await self.cluster()
        nodes = await asyncio.gather(*(cluster.get(Ref("v1", "Node", node.name)) for node in self.nodes))
        for node, manifest in zip(self.nodes, nodes, strict=True):
            found = judge(manifest)
            if found.stage is not Stage.READY:
                return Observation(NOT_REACHED, f"{node.name}: {found.why}")
            if (manifest or {})["spec"].get("podCIDR") != node.pods:
                return Observation(NOT_REACHED, f"{node.name} does not show its range of pods")
        for ref in (PROXY, DNS):
            manifest = await cluster.get(ref)
            if manifest is None or judge(manifest).stage is not Stage.READY:
                return Observation(NOT_REACHED, f"{ref} is not ready")
        return self._facts()

    async def act(self) -> Observation:
        """Waits for all of them, and shows each node its range."""
        cluster = await self.cluster()
        await self._tidy(cluster)
        await asyncio.gather(
            *(self._node(cluster, node.name, node.pods) for node in self.nodes),
            *(cluster.until(ref, judge, timeout=self.options.timeout, title=str(ref)) for ref in (PROXY, DNS)),
        )
        self.desk.waited.add(self.ctx.life)
        return await self._seen()

    @staticmethod
    async def _tidy(cluster: Cluster) -> None:
        """Every join has ended: a token that is left is of a runner that was killed."""
        for token in await cluster.list("v1", "Secret", "kube-system", labels=JOINING):
            await cluster.delete(Ref.of({"apiVersion": "v1", "kind": "Secret", **token}))

    async def _node(self, cluster: Cluster, name: str, pods: str) -> None:
        """`podCIDR` is set once and never changes; nothing here needs it, but tools look for it."""
        ref = Ref("v1", "Node", name)
        manifest = await cluster.until(ref, judge, timeout=self.options.timeout, title=f"node {name}")
        if not (manifest or {}).get("spec", {}).get("podCIDR"):
            await cluster.patch(ref, {"spec": {"podCIDR": pods, "podCIDRs": [pods]}})

    def _facts(self) -> Observation:
        return Observation(REACHED, f"{len(self.nodes)} nodes are ready", {"ready": [node.name for node in self.nodes]})
