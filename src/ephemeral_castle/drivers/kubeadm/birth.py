"""The birth of the cluster on its first node."""

from __future__ import annotations

from ephemeral_castle.drivers.kubeadm import access, layout, scripts, unchanged
from ephemeral_castle.drivers.kubeadm.endpoint import Endpoint
from ephemeral_castle.drivers.kubeadm.former import KIND
from ephemeral_castle.drivers.kubeadm.join import Join
from ephemeral_castle.drivers.kubeadm.options import HERE
from ephemeral_castle.drivers.kubeadm.part import Part, said
from ephemeral_castle.errors import Refused, Transient
from ephemeral_castle.model.step import Observation
from ephemeral_castle.spi.jobs import JobKey, Jobs
from ephemeral_castle.spi.part import NOT_REACHED, PARTIAL, REACHED

LIMIT = 300.0  # seconds for kubeadm init, images included
ANSWERS = 60.0  # seconds for the API server of a cluster that stands
LOOKS = 0.1


class Init(Part):
    """The cluster was born on the first node, once in this life, and its API server answers."""

    @property
    def untouched(self) -> bool:
        """As for every part; but what this run has made is looked at, also by a runner that came later."""
        return super().untouched and not self.facts("init")

    async def observe(self) -> Observation:
        """Whether kubeadm finished there, and the API server is ready."""
        if self.untouched:
            return Observation(NOT_REACHED, "a new machine")
        standing = await self.stands(await self.ctx.machine(self.name))
        if not standing.member:
            if await self.member() is not None:
                return Observation(NOT_REACHED, f"{self.name} is lost to the cluster, which stands without it")
            self._not_twice()
            begun = "an earlier try broke off" if standing.begun else "no cluster yet"
            return Observation(PARTIAL if standing.begun else NOT_REACHED, begun)
        cluster = await self.cluster()
        if not await cluster.ready():
            return Observation(NOT_REACHED, "the API server does not answer")
        await unchanged.version(self, cluster)
        return await self.born()

    async def act(self) -> Observation:
        """Runs `kubeadm init` to its end, or waits for a cluster that stands already, or joins it again.

        Raises:
            Transient: kubeadm failed, or the API server does not come up. Refused: the cluster of this life is lost.
        """
        machine = await self.ctx.machine(self.name)
        if self.untouched or not (await self.stands(machine)).member:
            if not self.untouched and await self.member() is not None:
                await Join(self.ctx, self.desk, self.name).act()
                return await self.born()
            self._not_twice()
            await self.desk.promised(self.ctx)  # also where a runner that was killed had told of it
            await self.desk.forget(self.ctx.life)
            jobs = Jobs(machine.transport.run, f"machine {self.name}")
            result = await jobs.do(JobKey(self.ctx.run, f"{self.layer}-init"), [scripts.NODE, "init"], timeout=LIMIT)
            if not result.ok:
                raise Transient(
                    "the cluster was not born",
                    where=f"kubeadm init on machine {self.name}",
                    why=said(result),
                    state="what it made there is taken away before the next try",
                    hints=["castle resume"],
                )
        await self._answers()
        return await self.born()

    def _not_twice(self) -> None:
        """A life has one cluster: where that is lost, another one would be empty under its name.

        Raises:
            Refused: the record knows one of this life, or this run has made one: the record is written at its end.
        """
        known = self.ctx.record.inventory.get(str(self.ctx.life), [])
        recorded = any(item.get("kind") == KIND and item.get("name") == self.layer for item in known)
        if recorded or self.facts("init").get("ca"):
            who = "the record knows it" if recorded else "this run made it"
            raise Refused(
                f"the cluster `{self.layer}` of life {self.ctx.life} is lost",
                why=f"{who}, and no machine of its control plane has anything of it",
                state="no second one was made; what other machines still carry of the first was not touched",
                hints=["castle status", "castle rebirth, which raises a new one with what the treasury holds"],
            )

    async def _answers(self) -> None:
        """Waits for the API server, by the way that everybody else takes.

        Raises:
            Transient: it does not answer in time; what of that way is seen to be broken is said.
        """
        cluster = await self.cluster()
        until = self.ctx.world.clock.monotonic() + ANSWERS
        while not await cluster.ready():
            if self.ctx.world.clock.monotonic() > until:
                here = self.options.endpoint == HERE
                why = await Endpoint(self.ctx).last_words(self.ctx.life) if here else ""
                raise Transient(
                    "the API server of the cluster does not answer",
                    where=self.server,
                    why=why or f"nothing within {ANSWERS:g} s",
                    state="the cluster stands on its machines as it was made",
                    hints=["castle logs", "castle resume"],
                )
            await self.ctx.world.clock.sleep(LOOKS)

    async def born(self) -> Observation:
        """Where it answers, and by which fingerprint its keys are known. Never a key."""
        ca = (await self.desk.access(self.ctx, self.ctx.life)).ca
        host, port = layout.endpoint(self.options, self.gateway)
        where = {"address": host, "port": port}
        print_ = access.fingerprint(ca)
        made = {"endpoint": self.options.endpoint, "control": list(self.options.control)}
        created = {"created": [{"kind": KIND, "id": print_, "name": self.layer, **made}]}
        facts = {"server": self.server, "ca": print_, "endpoint": where, "nodes": [node.name for node in self.nodes]}
        inside = {"inside": {self.layer: where}} if self.options.endpoint == HERE else {}
        return Observation(
            REACHED, f"{self.options.version} at {self.server}, CA {print_[:16]}", {**facts, **inside, **created}
        )
