"""A machine joins the cluster."""

from __future__ import annotations

import base64
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from ephemeral_castle.drivers.kubeadm import access, configs, scripts
from ephemeral_castle.drivers.kubeadm.files import packed
from ephemeral_castle.drivers.kubeadm.part import Part, said
from ephemeral_castle.drivers.kubeadm.ready import signed
from ephemeral_castle.errors import CastleError, Transient
from ephemeral_castle.manifests.readiness import Stage
from ephemeral_castle.manifests.ready import judge
from ephemeral_castle.model.step import Observation
from ephemeral_castle.spi.jobs import JobKey, Jobs, JobState
from ephemeral_castle.spi.kubernetes import Cluster, Manifest, Ref
from ephemeral_castle.spi.part import NOT_REACHED, PARTIAL, REACHED
from ephemeral_castle.spi.world import File, Machine, Result

LIFETIME = 900.0  # seconds that a token lives; it is deleted as soon as the machine has joined
JOINING = "castle-join"  # label of tokens: what a killed runner left is known by it
ALPHABET = "0123456789abcdefghijklmnopqrstuvwxyz"


class Join(Part):
    """The machine is a node of the cluster, and ready."""

    async def observe(self) -> Observation:
        """Whether kubeadm finished there, and the API server calls the node ready."""
        if self.untouched:
            return Observation(NOT_REACHED, "a new machine")
        machine = await self.ctx.machine(self.name)
        standing = await self.stands(machine)
        if not standing.member:
            begun = "an earlier try broke off" if standing.begun else "it has not joined"
            return Observation(PARTIAL if standing.begun else NOT_REACHED, begun)
        found = judge(await (await self.cluster()).get(self.ref))
        if found.stage is not Stage.READY:
            return Observation(NOT_REACHED, found.why)
        return self._facts(machine)

    async def act(self) -> Observation:
        """Runs `kubeadm join` to its end and waits for the node.

        Raises:
            Transient: kubeadm failed, or the node does not become ready.
        """
        machine = await self.ctx.machine(self.name)
        if self.untouched or not await self._belongs(machine):
            if not self.untouched:
                await self._forget(machine)
            await self._join(machine)
        cluster = await self.cluster()
        await cluster.until(self.ref, judge, timeout=self.options.timeout, title=f"node {self.name}")
        return self._facts(machine)

    @property
    def ref(self) -> Ref:
        """The node."""
        return Ref("v1", "Node", self.name)

    def _facts(self, machine: Machine) -> Observation:
        facts = {"node": self.name, "address": machine.address, "pods": self.node.pods}
        return Observation(REACHED, f"{self.name} is ready", facts)

    async def _belongs(self, machine: Machine) -> bool:
        """Whether it is a member. A join of a runner that was killed goes on alone: it is waited for, not reset."""
        jobs, key = self._jobs(machine), self._key()
        if (await jobs.status(key)).state is JobState.RUNNING:
            await jobs.wait(key, timeout=self.options.timeout)
        return bool((await self.stands(machine)).member)

    def _jobs(self, machine: Machine) -> Jobs:
        return Jobs(machine.transport.run, f"machine {self.name}")

    def _key(self) -> JobKey:
        return JobKey(self.ctx.run, f"{self.layer}-join")

    async def _join(self, machine: Machine) -> None:
        async with self._token() as token:
            result = await self._run(machine, token)
        if not result.ok:
            raise Transient(
                f"machine {self.name} did not join the cluster",
                where=f"kubeadm join on machine {self.name}",
                why=said(result),
                state="what it made there is taken away before the next try",
                hints=["castle resume"],
            )

    async def _forget(self, machine: Machine) -> None:
        """Takes away what an earlier try, or a machine that was lost, left behind.

        The machine comes first: its kubelet would show the node again. A lost member of etcd counts for the majority.

        Raises:
            Transient: it does not go.
        """
        key = JobKey(self.ctx.run, f"{self.layer}-clear")
        result = await self._jobs(machine).do(key, [scripts.NODE, "clear"], timeout=120, again=True)
        if not result.ok:
            raise Transient("what an earlier try left does not go", where=f"machine {self.name}", why=said(result))
        if self.node.control:
            other = await self._other()
            result = await other.transport.run([scripts.NODE, "lost", machine.address], timeout=60)
            if not result.ok:
                raise Transient("etcd keeps a member that is lost", where=f"machine {other.name}", why=said(result))
        await (await self.cluster()).delete(self.ref)

    async def _run(self, machine: Machine, token: str) -> Result:
        """Hands configuration and, for a control plane, keys over into memory, and runs `kubeadm join` to its end."""
        ca = (await self.desk.access(self.ctx, self.ctx.life)).ca
        text = configs.join(self.node, self.place(machine.address), token, access.pin(ca))
        files = [File(scripts.JOIN.lstrip("/"), text.encode())]
        if self.node.control:
            files.append(File("run/castle/pki.tar", await self._pki()))
        put = await machine.transport.run(["tar", "-xo", "-C", "/"], stdin=packed(files), timeout=30)
        if not put.ok:
            raise Transient(f"machine {self.name} does not take its configuration", why=put.last_words())
        # A join that failed was asked with a token that is gone: it is never taken for done, only for running.
        jobs, timeout = self._jobs(machine), self.options.timeout
        return await jobs.do(self._key(), [scripts.NODE, "join"], timeout=timeout, again=True)

    @asynccontextmanager
    async def _token(self) -> AsyncIterator[str]:
        """A bootstrap token of this join alone.

        Whoever has it may ask for a certificate as a node. It is known to this process and to the machine, and the
        cluster signs its own description with it, so that the machine knows whom it talks to.
        """
        ident, secret = ("".join(secrets.choice(ALPHABET) for _ in range(length)) for length in (6, 16))
        cluster = await self.cluster()
        try:
            await cluster.create(token_secret(ident, secret, self.name, self.ctx.world.clock.now() + LIFETIME))
            ref = Ref("v1", "ConfigMap", "cluster-info", "kube-public")
            await cluster.until(ref, signed(ident), timeout=30, title="the signature of the cluster's description")
            yield f"{ident}.{secret}"
        finally:
            await self._revoke(cluster, ident)

    async def _revoke(self, cluster: Cluster, ident: str) -> None:
        """Deletes the token; it ends by itself soon, so a cluster that does not answer now is no failure."""
        try:
            await cluster.delete(Ref("v1", "Secret", f"bootstrap-token-{ident}", "kube-system"))
        except CastleError as error:
            self.ctx.diagnostic("warning", f"the token of {self.name} ends in {LIFETIME / 60:g} minutes only: {error}")

    async def _other(self) -> Machine:
        """A control plane that belongs to the cluster. Raises Transient: there is none."""
        found = await self.member()
        if found is None:
            raise Transient("no control plane of the cluster is left", where=self.layer, why="none has its keys")
        return found

    async def _pki(self) -> bytes:
        """The keys that all control planes share, from one that has them; they pass through this process only."""
        first = await self._other()
        command = f"tar -c -C /etc/kubernetes/pki {' '.join(scripts.SHARED)} | base64"
        result = await first.transport.run(["sh", "-c", command], timeout=30)
        if not result.ok or not result.out.strip():
            raise Transient("the keys of the control plane cannot be read", where=first.name, why=result.err.strip())
        return base64.b64decode(result.out)


def token_secret(ident: str, secret: str, node: str, expires: float) -> Manifest:
    """The object that is a bootstrap token. `expires`: Unix seconds."""
    import datetime as dt

    data: dict[str, Any] = {
        "token-id": ident,
        "token-secret": secret,
        "description": f"castle: for {node}, once",
        "expiration": dt.datetime.fromtimestamp(int(expires), dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "usage-bootstrap-authentication": "true",
        "usage-bootstrap-signing": "true",
        "auth-extra-groups": "system:bootstrappers:kubeadm:default-node-token",
    }
    meta = {"name": f"bootstrap-token-{ident}", "namespace": "kube-system", "labels": {JOINING: node}}
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": meta,
        "type": "bootstrap.kubernetes.io/token",
        "stringData": data,
    }
