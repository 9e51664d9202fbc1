"""Whether this computer lets as many files be watched as the programs of a cluster watch.

Linux counts watchers (inotify instances) by user, over all containers of a computer: the kubelets and API servers of
all castles share 128 by default, and each stops or waits for ever without its own. Source: inotify(7), proc(5).

A cluster that is being raised has not taken all of its own yet. Its runner keeps a process that says in its command
line for whom it stands and how many they will be: everybody sees it, and it ends with the runner, however that ends.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from ephemeral_castle.errors import Refused
from ephemeral_castle.model.castle import Verb
from ephemeral_castle.spi.driver import Context
from ephemeral_castle.spi.world import Process

CONTROL, WORKER, ROOM = 22, 8, 6  # as counted with Kubernetes 1.36; room for others of this user
PROMISE = "castle-watchers"
LOOK = f"""\
cat /proc/sys/fs/inotify/max_user_instances
find /proc/[0-9]*/fd -lname anon_inode:inotify 2>/dev/null
cat /proc/[0-9]*/stat 2>/dev/null
grep -zaHoE '/[^/]+/podman/libpod/exits$|^{PROMISE} .*' /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' '\\n'
"""
WATCHER = re.compile(r"/proc/(\d+)/fd/\d+")
COMMAND = re.compile(rf"/proc/(\d+)/cmdline:(?:/(?P<home>[^/]+)/podman/.*|{PROMISE} (?P<slug>\S+) (?P<count>\d+))")
PARENT, BEGUN = 1, 19  # fields of a process's stat behind its name, counted from 0


@dataclass(frozen=True)
class Born:
    """One process: its parent, and when it began, in ticks since the computer did."""

    parent: int
    born: int


@dataclass
class Seen:
    """What a look finds.

    Attributes:
        limit: how many watchers a user may have; 0 where the kernel does not say.
        watchers: by process, how many it has.
        processes: all of them.
        homes: by the process that podman keeps beside a container: of which castle that is.
        promises: by the process that makes it: for which castle, and how many.
    """

    limit: int = 0
    watchers: Counter[int] = field(default_factory=Counter)
    processes: dict[int, Born] = field(default_factory=dict)
    homes: dict[int, str] = field(default_factory=dict)
    promises: dict[int, tuple[str, int]] = field(default_factory=dict)

    @property
    def used(self) -> int:
        """Watchers that are taken."""
        return self.watchers.total()

    def promised(self, own: int) -> int:
        """What castles that began before the process `own` will take yet, beside what they have."""
        taken = self._taken()
        earlier = [told for pid, told in self.promises.items() if self._age(pid) < self._age(own)]
        return sum(max(0, count - taken[slug]) for slug, count in earlier)

    def _age(self, pid: int) -> tuple[int, int]:
        return (self.processes[pid].born if pid in self.processes else 0, pid)

    def _taken(self) -> Counter[str]:
        """Watchers by castle."""
        found: Counter[str] = Counter()
        for pid, count in self.watchers.items():
            found[next(self._homes_of(pid), "")] += count
        return found

    def _homes_of(self, pid: int) -> Iterator[str]:
        while pid in self.processes:
            if pid in self.homes:
                yield self.homes[pid]
            pid = self.processes[pid].parent


def read(text: str) -> Seen:
    """What `LOOK` printed. Pure."""
    seen = Seen()
    for line in text.splitlines():
        watcher, command = WATCHER.fullmatch(line), COMMAND.fullmatch(line)
        fields = line.rpartition(")")[2].split()
        if watcher:
            seen.watchers[int(watcher[1])] += 1
        elif command and command["slug"]:
            seen.promises[int(command[1])] = (command["slug"], int(command["count"]))
        elif command:
            seen.homes[int(command[1])] = command["home"]
        elif line.isdigit() and not seen.limit:
            seen.limit = int(line)
        elif "(" in line and len(fields) > BEGUN:
            seen.processes[int(line.split(" ", 1)[0])] = Born(int(fields[PARENT]), int(fields[BEGUN]))
    return seen


def needed(ctx: Context) -> int:
    """Watchers of the whole cluster."""
    return CONTROL * len(ctx.options.control) + WORKER * len(ctx.options.workers)


async def promise(ctx: Context) -> Process:
    """The process that tells of this cluster until it is closed, or its runner ends."""
    slug = ctx.world.enclosure.name.removeprefix("castle-")
    return await ctx.world.exec.spawn(["sh", "-c", "read -r _", f"{PROMISE} {slug} {needed(ctx)}"])


async def check(ctx: Context, own: int) -> None:
    """Looks, where this run adds a cluster to what stands; a rebirth frees as many as it takes.

    Args:
        ctx: of the step.
        own: the process that tells of this cluster: of two that begin at once the earlier has the right of way.

    Raises:
        Refused: there are too few.
    """
    adds = ctx.request.verb is Verb.DRILL or (ctx.request.verb is Verb.RAISE and ctx.life != ctx.old_life)
    if not adds:
        return
    result = await ctx.world.exec.run(["sh", "-c", LOOK], timeout=30)
    seen = read(result.out)
    if not seen.limit:
        return  # a kernel without that limit
    used, promised, wanted = seen.used, seen.promised(own), needed(ctx) + ROOM
    if used + promised + wanted > seen.limit:
        also = f", clusters that are being raised will take {promised} more" if promised else ""
        raise Refused(
            "this computer lets too few files be watched for another cluster",
            where=f"layer {ctx.layer.id}",
            why=f"{used} of {seen.limit} watchers of this user are taken{also}, and this cluster's programs need about "
            f"{wanted}",
            state="nothing was changed; castle changes no setting of this computer by itself",
            hints=[
                "end another cluster on this computer",
                f"or allow more: sysctl fs.inotify.max_user_instances={max(512, 2 * (used + promised + wanted))}",
            ],
        )
