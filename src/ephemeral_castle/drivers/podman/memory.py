"""Whether this computer has the memory for the machines; for a drill, beside those that stand."""

from __future__ import annotations

from ephemeral_castle.drivers.podman.options import PodmanOptions
from ephemeral_castle.errors import Refused
from ephemeral_castle.model.castle import Verb
from ephemeral_castle.spi.driver import Context

MIB = 1 << 20


def check(ctx: Context) -> tuple[int, int]:
    """Bytes that machines and reserve need, and that the computer has.

    Raises:
        Refused: it has too little; the missing MiB are named.
    """
    options: PodmanOptions = ctx.options
    machines = sum(machine.memory for machine in options.machines.values())
    total = int(ctx.world.computer["memory_total"])
    if ctx.request.verb is Verb.DRILL:
        return _beside(ctx, machines, options.reserve, total)
    wanted = machines + options.reserve
    if wanted > total:
        raise Refused(
            f"this computer has {_mib(wanted - total)} MiB of memory too little for the machines",
            why=f"machines and reserve need {wanted >> 20} MiB, the computer has {total >> 20} MiB",
            state="nothing was created",
            hints=["lower `memory` of the machines in the definition", "or raise the castle on a larger computer"],
        )
    return wanted, total


def _beside(ctx: Context, machines: int, reserve: int, total: int) -> tuple[int, int]:
    """A drill must never take from the living castle: its machines may grow to their limits, and others live here."""
    here = ctx.record.computer == str(ctx.world.computer["id"])
    wanted = machines * (2 if here else 1) + reserve
    available = int(ctx.world.computer.get("memory_available", total))
    missing = max(wanted - total, machines + reserve - available)
    if missing > 0:
        castles = "two castles beside each other" if here else "the drill's machines"
        raise Refused(
            f"this computer has {_mib(missing)} MiB of memory too little for {castles}",
            why=f"{castles} and the reserve need {wanted >> 20} MiB, of which {(machines + reserve) >> 20} MiB must be "
            f"free now; the computer has {total >> 20} MiB, {available >> 20} MiB of them free",
            state="nothing was created; the living castle was not touched",
            hints=[
                "castle drill, on another computer that has the definition, the key file and a way to the treasury",
                "or lower `memory` of the machines in the definition",
            ],
        )
    return wanted, total


def _mib(octets: int) -> int:
    """Rounded up: what is said to be missing must be enough."""
    return (octets + MIB - 1) // MIB
