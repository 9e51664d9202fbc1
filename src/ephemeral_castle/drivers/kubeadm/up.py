"""The load balancer of a new life, and machines that become nodes."""

from __future__ import annotations

import asyncio

from ephemeral_castle.drivers.kubeadm import configs, layout, scripts
from ephemeral_castle.drivers.kubeadm.endpoint import Endpoint, configuration, digest
from ephemeral_castle.drivers.kubeadm.files import digest as digest_of
from ephemeral_castle.drivers.kubeadm.files import node_files, packed
from ephemeral_castle.drivers.kubeadm.part import Part
from ephemeral_castle.errors import CastleError, Permanent, Refused, Transient, Unreachable
from ephemeral_castle.model.step import Observation
from ephemeral_castle.spi.part import NOT_REACHED, REACHED
from ephemeral_castle.spi.world import File, Machine, Result

UNFIT, WRONG = 90, 91  # exit statuses of CONFIGURE


class Up(Part):
    """The load balancer of this life runs, before API servers that may not be there yet."""

    async def observe(self) -> Observation:
        """Whether it runs with what leads to this life's machines."""
        text = await self.text()
        seen, others = await Endpoint(self.ctx).found(self.ctx.life)
        if others:  # it would have the port
            return Observation(NOT_REACHED, f"there is one of another life: {others[0].name}")
        if seen is None or not seen.running:
            return Observation(NOT_REACHED, "it does not run")
        if seen.digest != digest(text):
            return Observation(NOT_REACHED, "it leads elsewhere")
        return self._facts(seen.id)

    async def act(self) -> Observation:
        """Runs it, and no other: one of a life that is over may be left where the definition named another way."""
        name = Endpoint(self.ctx).name(self.ctx.life)
        await Endpoint(self.ctx).remove((await Endpoint(self.ctx).found(self.ctx.life))[1])
        await self.ctx.intent("create", kind="container", name=name)
        return self._facts(await Endpoint(self.ctx).start(self.ctx.life, await self.text()))

    async def text(self) -> str:
        """Its configuration."""
        machines = await asyncio.gather(*(self.ctx.machine(name) for name in self.options.control))
        return configuration(self.gateway, [(machine.name, machine.address) for machine in machines])

    def _facts(self, ident: str) -> Observation:
        container = {"kind": "container", "id": ident, "name": Endpoint(self.ctx).name(self.ctx.life)}
        return Observation(REACHED, f"at {self.server}", {"created": [container]}, renews=True)


class Configure(Part):
    """A machine has the files of a node, the programs, and containerd."""

    async def observe(self) -> Observation:
        """One look."""
        if self.untouched:
            return Observation(NOT_REACHED, "a new machine")
        machine = await self.ctx.machine(self.name)
        standing = await self.stands(machine)
        if standing.digest != digest_of(await self.files(machine)):
            return Observation(NOT_REACHED, "it has other files, or none")
        if not standing.containerd:
            return Observation(NOT_REACHED, "containerd does not run")
        return Observation(REACHED, f"{self.name} at {machine.address}", {"address": machine.address})

    async def act(self) -> Observation:
        """One call: files, routes, programs looked at, containerd.

        Raises:
            Refused: the machine is not made for this. Permanent: programs of another version. Transient: the rest.
        """
        machine = await self.ctx.machine(self.name)
        files = await self.files(machine)
        prefetch = "no" if self.node.first else "control" if self.node.control else "worker"
        command = ["sh", "-c", scripts.CONFIGURE, "castle-node", digest_of(files), self.options.version, prefetch]
        result = await machine.transport.run(command, stdin=packed(files), timeout=90)
        if not result.ok:
            raise self._failed(result, await self._belongs(machine))
        return Observation(REACHED, f"{self.name} at {machine.address}", {"address": machine.address})

    async def _belongs(self, machine: Machine) -> str:
        """For people: what is at stake on it."""
        try:
            member = (await self.stands(machine)).member
        except Unreachable:
            return "whether it belongs to a cluster cannot be seen now"
        return "it is still a node of the cluster that stands" if member else "it belongs to no cluster yet"

    def _failed(self, result: Result, state: str) -> CastleError:
        where, why = f"machine {self.name}", result.last_words()
        if result.code == UNFIT:
            hint = "write `image: kubernetes` into the layer of the machines, then raise new ones: castle rebirth"
            return Refused("the machine cannot be a node", where=where, why=why, state=state, hints=[hint])
        if result.code == WRONG:
            hint, wanted = (
                "correct `version`, or give the machines those",
                f"kubeadm and kubelet {self.options.version}",
            )
            text = f"the machine lacks {wanted}"
            return Permanent(text, where=where, why=why, state=state, hints=[hint, "castle resume"])
        return Transient("the machine does not become a node", where=where, why=why, state=state)

    async def files(self, machine: Machine) -> list[File]:
        """What it is to have."""
        routes = layout.routes(self.node, await self.addresses(), self.options)
        place = self.place(machine.address)
        return node_files(self.node, self.options, routes, self.mirror(), configs.init(self.options, self.node, place))
