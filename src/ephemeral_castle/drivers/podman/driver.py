"""Driver `podman`: plan, observe and act for machines that are containers."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from ephemeral_castle.drivers.podman import disk, memory, mounts
from ephemeral_castle.drivers.podman.fleet import Fleet, Planned, Seen
from ephemeral_castle.drivers.podman.images import recipe_of
from ephemeral_castle.drivers.podman.later import Later
from ephemeral_castle.drivers.podman.options import PodmanOptions
from ephemeral_castle.errors import Refused, Unreachable
from ephemeral_castle.model.castle import Layer, Verb
from ephemeral_castle.model.step import Effect, Observation, Phase, State, Step
from ephemeral_castle.spi import marks
from ephemeral_castle.spi.cold import drop, see_dropped
from ephemeral_castle.spi.driver import Context, Request
from ephemeral_castle.spi.secret import Secret
from ephemeral_castle.spi.world import Machine, Recipe, Source, Transport

REACHED, NOT_REACHED, FOREIGN = State.REACHED, State.NOT_REACHED, State.FOREIGN
DESTROYING = (Verb.REBIRTH, Verb.WIPE)
RAISING = (Verb.REBIRTH, Verb.RAISE, Verb.DRILL)


class PodmanDriver:
    """Machines as privileged podman containers in the castle's own network namespace."""

    name = "podman"
    Options = PodmanOptions

    def __init__(self) -> None:
        self.transports: dict[str, Transport] = {}
        self.absent: set[str] = set()  # containers that the look before the act did not find
        self.doomed: dict[str, list[Seen]] = {}  # by layer: what of the inventory that look found

    async def close(self) -> None:
        """Ends SSH connections."""
        for transport in self.transports.values():
            if hasattr(transport, "close"):
                await transport.close()

    def plan(self, layer: Layer, options: PodmanOptions, request: Request, /) -> Sequence[Step]:
        """Check and images first; inventory and wipe of the old life; creation of each machine of the new one."""
        steps: list[Step] = []
        if request.cold and request.verb is Verb.RAISE:
            steps.append(_step(layer, "cold", DROP, Phase.PREPARE, Effect.CONVERGE))
        if request.verb in RAISING:
            check = _step(layer, "check", "look at memory and names", Phase.PREPARE, Effect.READ, needs=("room?",))
            steps.append(check)
            steps.append(
                _step(
                    layer,
                    "image",
                    "machine image",
                    Phase.PREPARE,
                    Effect.CONVERGE,
                    needs=(f"{layer.id}.cold?",) if request.verb is Verb.RAISE else (),
                    deadline=1800,
                    weight=35,
                )
            )
        if request.verb is not Verb.DRILL:
            title = "machines of the standing life"
            steps.append(
                _step(layer, "revive", title, Phase.PREPARE, Effect.CONVERGE, provides=("old-machines",), recheck=True)
            )
        if request.verb in DESTROYING:
            steps.append(
                _step(
                    layer,
                    "inventory",
                    "list what will be destroyed",
                    Phase.DESTROY,
                    Effect.READ,
                    needs=(f"{layer.id}.revive",),
                    recheck=True,
                )
            )
            steps.append(
                _step(
                    layer,
                    "destroy",
                    "destroy machines and volumes",
                    Phase.DESTROY,
                    Effect.IRREVERSIBLE,
                    needs=(f"{layer.id}.inventory",),
                    provides=("machines-gone",),
                    clock="destroy",
                    weight=0.6,
                )
            )
            if request.cold:
                steps.extend(_cold(layer, request))
        if request.verb in RAISING:
            steps.extend(self._creations(layer, options))
        return steps

    @staticmethod
    def _creations(layer: Layer, options: PodmanOptions) -> list[Step]:
        return [
            _step(
                layer,
                f"create-{name}",
                f"machine {machine.id} ({name})",
                Phase.APPLY,
                Effect.CONVERGE,
                needs=(f"{layer.id}.image", f"{layer.id}.check", f"{layer.id}.destroy?", f"{layer.id}.image-cold?"),
                provides=(f"machine:{name}",),
                params={"v": 1, "machine": name},
                recheck=True,
                weight=0.3,
            )
            for name, machine in options.machines.items()
        ]

    async def images_of(
        self, layer: Layer, options: PodmanOptions, source: Source | None, /
    ) -> tuple[Sequence[Recipe], Sequence[str]]:
        """For `castle prefetch`."""
        return [recipe_of(options)], []

    async def observe(self, step: Step, ctx: Context, /) -> Observation:
        """Lists containers and volumes of this castle's own podman; compares marks."""
        fleet = Fleet(ctx)
        match step.action:
            case "cold":
                return await see_dropped(ctx, recipe_of(ctx.options))
            case "check":
                return await self._check(fleet, ctx)
            case "image":
                there = await ctx.world.images.present(recipe_of(ctx.options))
                return Observation(REACHED if there else NOT_REACHED, "" if there else "not built yet")
            case "revive":
                return await self._standing(fleet, ctx)
            case "inventory":
                return await self._inventory(fleet, step, ctx)
            case "destroy":
                return await self._gone(fleet, ctx)
            case _:
                return await self._created(fleet, step, ctx)

    async def act(self, step: Step, ctx: Context, /) -> Observation | None:
        """Builds, starts, destroys, creates."""
        fleet = Fleet(ctx)
        match step.action:
            case "cold":
                return await drop(ctx, recipe_of(ctx.options))
            case "image":
                await ctx.world.images.build(recipe_of(ctx.options), ctx.progress)
            case "revive":
                await self._revive(fleet, ctx)
            case "destroy":
                await self._destroy(fleet, step, ctx)
            case _ if step.action.startswith("create-"):
                return await self._create(fleet, step, ctx)
            case _:
                return None
        return None

    async def look(self, ctx: Context, /) -> Mapping[str, Any]:
        """For `castle status`: every machine of the standing life."""
        fleet = Fleet(ctx)
        seen = {container.name: container for container in await fleet.containers() if container.ours}
        machines, states, alarms = [], [], []
        for name, machine in ctx.options.machines.items():
            planned = fleet.planned(name, ctx.life)
            found = seen.get(planned.container)
            state = "absent" if found is None else "running" if found.running else "stopped"
            states.append("up" if state == "running" else "down")
            row = {"id": machine.id, "name": name, "state": state, "address": planned.address}
            machines.append({**row, "memory": machine.memory})
            if state != "running":
                alarms.append({"severity": "error", "text": f"machine {machine.id} is {state}", "mend": "castle raise"})
        return {"machines": machines, "states": states, "alarms": alarms}

    async def settled(self, ctx: Context, /) -> str:
        """Every machine runs; from here on they are entered by the short way."""
        from ephemeral_castle.drivers.podman.settled import settled

        return await settled(ctx, self.transports)

    async def machine(self, name: str, ctx: Context, life: int, /) -> Machine:
        """The machine of that name in that life, with a way in."""
        planned = Fleet(ctx).planned(name, life)
        return Machine(planned.id, name, life, planned.address, self._transport(planned, ctx), "/opt/images")

    def _transport(self, planned: Planned, ctx: Context) -> Transport:
        if planned.container not in self.transports:
            by_ssh = ctx.options.transport == "ssh"
            way = Later(lambda: _by_ssh(planned, ctx)) if by_ssh else ctx.world.podman_transport(planned.container)
            self.transports[planned.container] = way
        return self.transports[planned.container]

    async def _check(self, fleet: Fleet, ctx: Context) -> Observation:
        wanted, total = memory.check(ctx)
        await mounts.check(ctx)
        disk.check(ctx)
        containers, volumes = await fleet.everything()
        strangers = fleet.strangers([*containers, *volumes], ctx.life)
        if strangers:
            return _foreign(strangers)
        return Observation(REACHED, f"{wanted >> 20} of {total >> 20} MiB", {"memory_mib": wanted >> 20})

    async def _standing(self, fleet: Fleet, ctx: Context) -> Observation:
        """All machines of the old life run, or none of it is left. A restore in place ends data, not machines."""
        if ctx.passed_no_return and ctx.request.verb in DESTROYING:
            return Observation(REACHED, "its end has begun")
        listed = await fleet.everything()
        strangers = fleet.strangers([*listed[0], *listed[1]], ctx.old_life)
        if strangers:
            return _foreign(strangers)
        _no_twins(fleet.twins([*listed[0], *listed[1]], ctx.old_life), ctx.old_life)
        containers = {c.name: c for c in listed[0] if c.of(ctx.old_life)}
        volumes = [v for v in listed[1] if v.of(ctx.old_life)]
        facts = {"containers": sorted(containers), "volumes": sorted(v.name for v in volumes)}
        if not containers and not volumes:
            return Observation(REACHED, "nothing of the old life is here", facts)
        stopped = [v.name for v in volumes if v.name not in containers or not containers[v.name].running]
        if stopped:
            return Observation(NOT_REACHED, f"not running: {', '.join(sorted(stopped))}", facts)
        return Observation(REACHED, f"{len(containers)} machines run", facts)

    async def _revive(self, fleet: Fleet, ctx: Context) -> None:
        """Starts what is stopped; a lost container is made again round its volume."""
        listed = await fleet.everything()
        containers = {c.name: c for c in listed[0] if c.of(ctx.old_life)}
        for volume in listed[1]:
            if not volume.of(ctx.old_life):
                continue
            planned = fleet.planned(volume.machine, ctx.old_life)
            found = containers.get(volume.name)
            if found is None:
                await fleet.create(planned)
            elif not found.running:
                await fleet.start(found.id)
            await self._enter(planned, ctx)

    async def _inventory(self, fleet: Fleet, step: Step, ctx: Context) -> Observation:
        """What stands in the record or was an intent, and carries our mark: only that will be destroyed."""
        ours = [seen for seen in await fleet.all() if seen.ours]
        others = sorted({seen.life for seen in ours if seen.life != ctx.old_life})
        if others:
            raise Refused(
                f"machines of life {others[-1]} stand beside those of life {ctx.old_life}",
                why="a run that was not finished made them; they may hold data that no seal knows of",
                state="nothing was destroyed",
                hints=["castle runs, to find the run that is not finished", "castle resume RUN"],
            )
        found = [{"kind": seen.kind, "id": seen.id, "name": seen.name, "life": seen.life} for seen in ours]
        if ctx.facts(step.id).get("inventory", found) != found:
            return Observation(NOT_REACHED, "something came or went since it was listed")
        return Observation(REACHED, f"{len(found)} containers and volumes", {"inventory": found})

    async def _gone(self, fleet: Fleet, ctx: Context) -> Observation:
        listed = ctx.facts(f"{ctx.layer.id}.inventory").get("inventory", [])
        left = self.doomed[ctx.layer.id] = await self._left(fleet, ctx)
        if left:
            return Observation(NOT_REACHED, "still there: " + ", ".join(s.name for s in left))
        facts = {"destroyed": listed}
        return Observation(REACHED, f"listed: none of {len(listed)} is left", facts)

    @staticmethod
    async def _left(fleet: Fleet, ctx: Context) -> list[Seen]:
        """What of the inventory is there and carries our mark still: a volume is known by its name only."""
        listed = ctx.facts(f"{ctx.layer.id}.inventory").get("inventory", [])
        wanted = {(item["kind"], item["id"]) for item in listed}
        return [seen for seen in await fleet.all() if seen.ours and (seen.kind, seen.id) in wanted]

    async def _destroy(self, fleet: Fleet, step: Step, ctx: Context) -> None:
        await ctx.intent("destroy", inventory=ctx.facts(f"{ctx.layer.id}.inventory")["inventory"])
        left = self.doomed.pop(ctx.layer.id, None)
        if left is None:
            left = await self._left(fleet, ctx)
        containers = [seen.id for seen in left if seen.kind == "container"]
        volumes = [seen.name for seen in left if seen.kind == "volume"]
        await fleet.destroy(containers, volumes)

    async def _created(self, fleet: Fleet, step: Step, ctx: Context) -> Observation:
        planned = fleet.planned(step.params["machine"], ctx.life)
        seen = await fleet.look(planned.container)
        if seen is None:
            self.absent.add(planned.container)
            return Observation(NOT_REACHED, "not there")
        if not seen.of(ctx.life):
            return _foreign([seen])
        if not seen.running:
            return Observation(NOT_REACHED, "stopped")
        return await self._facts(planned, seen.id, ctx)

    async def _facts(self, planned: Planned, ident: str, ctx: Context) -> Observation:
        container = {"kind": "container", "id": ident, "name": planned.container}
        volume = {"kind": "volume", "id": planned.container, "name": planned.container}
        facts: dict[str, Any] = {"address": planned.address, "created": [container, volume]}
        if ctx.options.transport == "ssh":
            facts["host_key"] = container["host_key"] = await self._enter(planned, ctx)
        return Observation(REACHED, f"{planned.address}", facts)

    async def _create(self, fleet: Fleet, step: Step, ctx: Context) -> Observation | None:
        planned = fleet.planned(step.params["machine"], ctx.life)
        await ctx.intent("create", kind="container", name=planned.container, address=planned.address)
        if planned.container in self.absent:  # every call of podman costs time that the clients wait
            self.absent.discard(planned.container)
            return await self._facts(planned, await fleet.create(planned), ctx)
        seen = await fleet.look(planned.container)
        if seen is None:
            return await self._facts(planned, await fleet.create(planned), ctx)
        if not seen.of(ctx.life):
            raise fleet.stranger(seen)
        await fleet.start(seen.id)
        return await self._created(fleet, step, ctx)

    async def _enter(self, planned: Planned, ctx: Context) -> str:
        """Lets castle in by SSH: hands over its public key, starts sshd, reads the host key."""
        if ctx.options.transport != "ssh":
            return ""
        key = await client_key(ctx)
        bootstrap = ctx.world.podman_transport(planned.container)
        public = await ctx.world.exec.run(["ssh-keygen", "-y", "-f", "/dev/stdin"], stdin=key.reveal().encode())
        result = await bootstrap.run(["castle-sshd"], stdin=public.out.encode())
        if not result.ok:
            raise Unreachable(f"sshd of machine {planned.id} does not start", why=result.last_words())
        return result.out.strip()


async def _by_ssh(planned: Planned, ctx: Context) -> Transport:
    """The way in by SSH. Raises Unreachable while the machine has no host key, or does not run."""
    key, host_key = await client_key(ctx), _host_key(planned, ctx)
    if not host_key:
        bootstrap = ctx.world.podman_transport(planned.container)
        said = await bootstrap.run(["cat", "/var/lib/containers/ssh_host_ed25519_key.pub"])
        host_key = said.out.strip()
        if not host_key:
            raise Unreachable("the machine has no host key yet", where=planned.container, why=said.last_words())
    return ctx.world.ssh_transport(planned.address, "root", key.reveal(), host_key)


async def client_key(ctx: Context) -> Secret:
    """The castle's SSH key; generated once and kept with the other secrets before its first use."""
    known = await ctx.secrets.get("ssh/client")
    if known is not None:
        return known
    key = Secret(ssh_private_key())
    await ctx.secrets.put("ssh/client", key)
    return key


def ssh_private_key() -> str:
    """A new Ed25519 private key in OpenSSH's format."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    key = Ed25519PrivateKey.generate()
    return key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()).decode()


def _host_key(planned: Planned, ctx: Context) -> str:
    """The host key that this run saw, or the record's inventory keeps, since the machine was made; else ""."""
    if planned.life == ctx.life:
        known = ctx.facts(f"{ctx.layer.id}.create-{planned.name}").get("host_key", "")
        if known:
            return str(known)
    made = ctx.record.inventory.get(str(planned.life), [])
    return next((str(item.get("host_key", "")) for item in made if item.get("name") == planned.container), "")


def _no_twins(twins: Sequence[Seen], life: int) -> None:
    """Refuses copies of a machine: which of them holds the data, no mark can tell."""
    if twins:
        raise Refused(
            f"two of one machine of life {life} are here",
            why=", ".join(f"{seen.kind} `{seen.name}` of machine `{seen.machine}`" for seen in twins),
            state="nothing was changed",
            hints=["find out which of them is the copy, and remove it by hand", "castle status"],
        )


def _foreign(strangers: Sequence[Seen]) -> Observation:
    return Observation(FOREIGN, "; ".join(marks.words(seen.kind, seen.name) for seen in strangers))


DROP = "drop the cached image of the machines"


def _cold(layer: Layer, request: Request) -> list[Step]:
    """The image goes when nothing stands on it any more; a rebirth builds it again."""
    steps = [_step(layer, "cold", DROP, Phase.APPLY, Effect.CONVERGE, needs=("machines-gone",))]
    if request.verb in RAISING:
        again = _step(layer, "image", "machine image, from nothing", Phase.APPLY, Effect.CONVERGE, deadline=1800)
        steps.append(dataclasses.replace(again, id=f"{layer.id}.image-cold", needs=(f"{layer.id}.cold",), weight=35))
    return steps


def _step(layer: Layer, action: str, title: str, phase: Phase, effect: Effect, **more: Any) -> Step:
    more.setdefault("deadline", 120.0)
    return Step(f"{layer.id}.{action}", layer.id, "podman", action, title, phase, effect, exact=True, **more)
