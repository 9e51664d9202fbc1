"""Containers and volumes of one castle, as podman lists them."""

from __future__ import annotations

import asyncio
import dataclasses
import ipaddress
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ephemeral_castle.drivers.podman import mounts
from ephemeral_castle.drivers.podman.images import recipe_of
from ephemeral_castle.drivers.podman.options import PodmanOptions
from ephemeral_castle.errors import NotFound, Permanent, Refused, Transient
from ephemeral_castle.spi import marks
from ephemeral_castle.spi.driver import Context
from ephemeral_castle.spi.world import Result

STRIDE = 8  # addresses per life: machines of two lives never share one
REMOVALS = 5  # podman 4.3.1 now and then fails to remove a container right after a kill, and succeeds when repeated


@dataclass(frozen=True)
class Planned:
    """A machine that should be: its number, name, container and address in one life."""

    id: int
    name: str
    life: int
    container: str
    address: str
    memory: int


@dataclass(frozen=True)
class Seen:
    """A container or volume that is. `ours`: it carries this castle's mark; `pid`: of a container's first process."""

    kind: str
    id: str
    name: str
    ours: bool
    life: int
    machine: str
    running: bool
    pid: int = 0

    def of(self, life: int) -> bool:
        """Whether it is a machine, or its volume, of this castle's life."""
        return self.ours and bool(self.machine) and self.life == life


class Fleet:
    """Looks at and changes machines through the castle's own podman."""

    def __init__(self, ctx: Context) -> None:
        self.ctx = ctx
        self.options: PodmanOptions = ctx.options

    def planned(self, name: str, life: int) -> Planned:
        """The machine of that name in that life. Raises NotFound for a name that the definition lacks."""
        for index, (known, machine) in enumerate(self.options.machines.items()):
            if known == name:
                container = f"{self.ctx.request.castle.name}-{life}-{machine.id}"
                return Planned(machine.id, name, life, container, self._address(life, index), machine.memory)
        raise NotFound(f"no machine `{name}` in the definition", hints=["castle plan"])

    def names(self, life: int) -> set[str]:
        """Container names of one life."""
        return {self.planned(name, life).container for name in self.options.machines}

    def _address(self, life: int, index: int) -> str:
        """Another address in every life, from .16 on."""
        network = ipaddress.ip_network(self.ctx.request.site.subnet)
        stride = max(STRIDE, len(self.options.machines))
        lives = max(1, (network.num_addresses - 32) // stride)
        return str(network[16 + (life % lives) * stride + index])

    async def podman(self, *args: str, stdin: bytes = b"", timeout: float = 60.0) -> Result:
        """Runs the castle's own podman."""
        enclosure = self.ctx.world.enclosure
        return await self.ctx.world.exec.run(
            enclosure.podman(*args), stdin=stdin, env=enclosure.podman_env(), timeout=timeout
        )

    async def containers(self) -> list[Seen]:
        """All containers of the castle's podman, ours and foreign."""
        result = await self._listed("ps", "-a", "--no-trunc", "--format", "json")
        return [self._container(item) for item in result]

    async def volumes(self) -> list[Seen]:
        """All volumes of the castle's podman."""
        return [self._volume(item) for item in await self._listed("volume", "ls", "--format", "json")]

    async def all(self) -> list[Seen]:
        """Containers that are machines, and volumes."""
        containers, volumes = await self.everything()
        return [seen for seen in containers + volumes if seen.machine]

    async def everything(self) -> tuple[list[Seen], list[Seen]]:
        """Containers and volumes, ours and foreign."""
        return await asyncio.gather(self.containers(), self.volumes())

    def strangers(self, seen: Sequence[Seen], life: int) -> list[Seen]:
        """What bears a name of that life's machines and is not of that life."""
        return [found for found in seen if found.name in self.names(life) and not found.of(life)]

    @staticmethod
    def twins(seen: Sequence[Seen], life: int) -> list[Seen]:
        """Several of a kind that all say they are the same machine of that life: no mark tells which is meant."""
        ours = [found for found in seen if found.of(life)]
        kinds = [(found.kind, found.machine) for found in ours]
        return [found for found in ours if kinds.count((found.kind, found.machine)) > 1]

    async def look(self, container: str) -> Seen | None:
        """One container by name, or None."""
        args = ("ps", "-a", "--no-trunc", "--filter", f"name=^{container}$", "--format", "json")
        found = [self._container(item) for item in await self._listed(*args)]
        return next((seen for seen in found if seen.name == container), None)

    async def _listed(self, *args: str) -> list[dict[str, Any]]:
        result = await self.podman(*args)
        if not result.ok:
            raise Transient("podman does not answer", why=result.last_words(), hints=["castle doctor"])
        return list(json.loads(result.out or "[]") or [])

    def _container(self, item: dict[str, Any]) -> Seen:
        labels = item.get("Labels") or {}
        name = (item.get("Names") or [item.get("Name", "")])[0]
        ident = item.get("Id") or item.get("ID") or ""
        seen = self._seen("container", ident, name, labels, running=item.get("State") == "running")
        return dataclasses.replace(seen, pid=int(item.get("Pid") or 0))

    def _volume(self, item: dict[str, Any]) -> Seen:
        return self._seen("volume", item["Name"], item["Name"], item.get("Labels") or {}, running=False)

    def _seen(self, kind: str, ident: str, name: str, labels: dict[str, str], *, running: bool) -> Seen:
        ours = marks.is_ours(self.ctx, labels)
        return Seen(
            kind, ident, name, ours, int(labels.get("castle.life", "0")), labels.get("castle.machine", ""), running
        )

    async def create(self, planned: Planned) -> str:
        """Volume and container of one machine; gives the container's id. What an earlier try made is taken and started.

        Raises:
            Refused: something that is not ours has the name. Transient: the machine does not start.
        """
        labels = marks.labels(self.ctx, life=str(planned.life), machine=planned.name)
        await self._make_volume(planned, labels)
        result = await self.podman(*self._run_arguments(planned, labels))
        if result.ok:
            return result.out.strip()
        seen = await self.look(planned.container)
        if seen is not None and not seen.of(planned.life):
            raise self.stranger(seen)
        holder = marks.holder(result.err)
        if seen is not None and holder:
            await self.start(seen.id)
            return seen.id
        left = seen.id if seen else holder
        if left:
            await self.podman("rm", "-f", "-t", "0", left)
        raise Transient(f"machine {planned.id} does not start", why=result.last_words())

    async def _make_volume(self, planned: Planned, labels: Sequence[str]) -> None:
        made = await self.podman("volume", "create", *labels, planned.container)
        if made.ok:
            return
        seen = next((volume for volume in await self.volumes() if volume.name == planned.container), None)
        if seen is None:
            raise Permanent(f"cannot make the volume of machine {planned.id}", why=made.last_words())
        if not seen.of(planned.life):
            raise self.stranger(seen)

    def _run_arguments(self, planned: Planned, labels: Sequence[str]) -> list[str]:
        enclosure = self.ctx.world.enclosure
        return [
            *("run", "-d", "--name", planned.container, "--hostname", planned.name, *labels),
            *("--privileged", "--cgroupns=private", "--network", enclosure.network, "--ip", planned.address),
            *("--add-host", f"{enclosure.treasury_host}:{enclosure.gateway}", "--memory", str(planned.memory)),
            *("--tmpfs", "/run", "--tmpfs", "/tmp"),  # noqa: S108 - a mount inside the machine
            *("-v", f"{planned.container}:/var/lib/containers", "-v", f"{enclosure.image_store}:/opt/images:ro"),
            *(part for place, directory in mounts.of(self.ctx) for part in ("-v", f"{directory}:{place}:ro")),
            *(self.ctx.world.images.reference(recipe_of(self.options)), "/usr/local/sbin/machine-init"),
        ]

    def stranger(self, seen: Seen) -> Refused:
        """The refusal to touch it."""
        look = self.ctx.world.enclosure.podman(*(("volume",) if seen.kind == "volume" else ()), "inspect", seen.name)
        return marks.stranger(seen.kind, seen.name, look)

    async def start(self, container: str) -> None:
        """Starts a stopped machine, by id."""
        result = await self.podman("start", container)
        if not result.ok:
            raise Transient(f"machine `{container}` does not start", why=result.last_words())

    async def destroy(self, containers: Sequence[str], volumes: Sequence[str]) -> None:
        """Removes containers (by id), then volumes (by name); repeats what podman refuses at first.

        Every call of podman costs 50 ms of a processor, so all go in one.
        """
        last = ""
        for attempt in range(REMOVALS):
            last = await self._removed("container", ("rm", "-f", "-t", "0"), containers)
            last = last or await self._removed("volume", ("volume", "rm"), volumes)
            if not last:
                return
            await self.ctx.world.clock.sleep(0.1 * 2**attempt)
        raise Permanent(
            "a machine will not go",
            why=last,
            state="the wipe has begun; what is gone is gone, the rest stands",
            hints=["look at it with `castle logs`", "castle resume"],
        )

    async def _removed(self, kind: str, command: Sequence[str], names: Sequence[str]) -> str:
        """Removes what is left of `names`; "" when nothing is left, else what podman said."""
        left = [name for name in names if name]
        if not left:
            return ""
        result = await self.podman(*command, *left)
        unknown = f"no such {kind}"
        said = [line for line in result.err.splitlines() if line.strip() and unknown not in line]
        return "" if result.ok or not said else result.last_words()
