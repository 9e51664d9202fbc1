"""What all parts of the driver share."""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass
from typing import Any

from ephemeral_castle.drivers.kubeadm import layout, scripts
from ephemeral_castle.drivers.kubeadm.configs import Place
from ephemeral_castle.drivers.kubeadm.desk import Desk
from ephemeral_castle.drivers.kubeadm.layout import Node
from ephemeral_castle.drivers.kubeadm.options import KubeadmOptions
from ephemeral_castle.errors import Refused, Unreachable
from ephemeral_castle.spi import marks, part
from ephemeral_castle.spi.driver import Context
from ephemeral_castle.spi.kubernetes import Cluster
from ephemeral_castle.spi.world import Machine, Result


@dataclass(frozen=True)
class Standing:
    """How a machine stands.

    Attributes:
        digest: of the files that it was given, "" before they were all in place.
        member: "init" or "join" once it belongs to a cluster, else "".
        containerd: whether it runs.
        begun: whether something of a cluster lies there.
    """

    digest: str = ""
    member: str = ""
    containerd: bool = False
    begun: bool = False


class Part(part.Part[KubeadmOptions]):
    """One action of the driver on one step, or on one node of it."""

    def __init__(self, ctx: Context, desk: Desk, name: str = "") -> None:
        super().__init__(ctx)
        self.desk = desk
        self.name = name

    @property
    def nodes(self) -> tuple[Node, ...]:
        """Every node."""
        return layout.nodes(self.options)

    @property
    def node(self) -> Node:
        """The node that this step is about."""
        return next(node for node in self.nodes if node.name == self.name)

    @property
    def gateway(self) -> str:
        """Where machines find what stands beside them."""
        return self.ctx.world.enclosure.gateway

    @property
    def server(self) -> str:
        """HOST:PORT of the API server, for nodes."""
        host, port = layout.endpoint(self.options, self.gateway)
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

    def place(self, address: str) -> Place:
        """Where the cluster stands, as seen from a node of that address."""
        return Place(marks.name(self.ctx), self.server, address, self.gateway)

    @property
    def untouched(self) -> bool:
        """Whether this run makes the life and tries the step for the first time: then there is nothing to look at."""
        return self.ctx.life != self.ctx.old_life and self.ctx.attempt == 1

    async def cluster(self, *, old: bool = False) -> Cluster:
        """The API server of this life, or of the old one."""
        return await self.desk.cluster(self.ctx, self.ctx.old_life if old else self.ctx.life)

    async def addresses(self) -> dict[str, str]:
        """Of all nodes by name."""
        machines = await asyncio.gather(*(self.ctx.machine(node.name) for node in self.nodes))
        return {machine.name: machine.address for machine in machines}

    def mirror(self) -> str:
        """URL of the registry for all images, or "".

        Raises:
            Refused: the site has no such service.
        """
        try:
            return layout.mirror_url(self.options, self.ctx.request.site, self.gateway)
        except KeyError:
            known = ", ".join(self.ctx.request.site.reach) or "none"
            raise Refused(
                f"site `{self.ctx.request.site.name}` has no service `{self.options.mirror}`",
                where=f"layer {self.layer}, mirror",
                why=f"names under `reach` of the site: {known}",
                state="nothing was changed",
                hints=[f"add `reach: {{{self.options.mirror}: 127.0.0.1:PORT}}` to the site", "castle plan"],
            ) from None

    async def stands(self, machine: Machine) -> Standing:
        """Looks at a machine.

        Raises:
            Unreachable: it does not answer, or gives no answer to this.
        """
        result = await machine.transport.run(["sh", "-c", scripts.LOOK], timeout=30)
        if not result.ok:  # the script itself ends with 0: anything else comes from the way in
            raise Unreachable("the machine does not answer", where=machine.name, why=result.last_words())
        told: dict[str, Any] = dict(line.partition(" ")[::2] for line in result.out.splitlines())
        return Standing(
            str(told.get("digest", "")), str(told.get("member", "")), "containerd" in told, begun="begun" in told
        )

    async def member(self) -> Machine | None:
        """A machine of the control plane that belongs to the cluster, other than this step's own; None when none does.

        Raises:
            Unreachable: one of them cannot be seen, and none of the others belongs to it.
        """
        silent: Unreachable | None = None
        for name in self.options.control:
            if name == self.name:
                continue
            machine = await self.ctx.machine(name)
            try:
                standing = await self.stands(machine)
            except Unreachable as error:
                silent = error
                continue
            if standing.member:
                return machine
        if silent is not None:
            raise silent
        return None


def said(result: Result) -> str:
    """Why kubeadm failed: its errors, without warnings and the advice behind them.

    Never its standard output: the token of a birth stands there.
    """
    lines = [line.strip() for line in result.err.splitlines() if line.strip()]
    errors = [line for line in lines if re.match(r"error\b|\[ERROR |\[?fatal", line, re.IGNORECASE)]
    return " / ".join(errors[-4:] or lines[-3:]) or f"it ended with {result.code} and said nothing"
