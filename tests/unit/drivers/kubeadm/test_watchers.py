"""Watchers of files, which all clusters of a computer share: those that are taken, and those that are promised."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest

from ephemeral_castle.drivers.kubeadm import watchers
from ephemeral_castle.drivers.kubeadm.prepare import Check
from ephemeral_castle.errors import Refused
from ephemeral_castle.model.castle import Verb
from ephemeral_castle.spi.world import Result
from ephemeral_castle.world.exec import LocalExec
from tests.unit.drivers.kubeadm.stage import PROMISER, Played

STAT = "{pid} (a (strange) name) S {parent} 1 1 0 -1 4194560 0 0 0 0 0 0 0 0 20 0 1 0 {born} 0 0"


class Computer:
    """Processes by number: parent, when they began, watchers, and what of their command line is looked at."""

    def __init__(self, limit: int = 128) -> None:
        self.limit = limit
        self.known: dict[int, tuple[int, int, int, str]] = {}

    def runs(self, pid: int, *, parent: int = 1, born: int = 0, has: int = 0, command: str = "") -> None:
        """One more process."""
        self.known[pid] = (parent, born or pid, has, command)

    def cluster(self, slug: str, has: int, pid: int) -> None:
        """A machine of a castle, in which somebody far down has all the watchers."""
        self.runs(pid, command=f"/{slug}/podman/libpod/exits")
        self.runs(pid + 1, parent=pid)
        self.runs(pid + 2, parent=pid + 1, has=has)

    def text(self) -> str:
        """As `LOOK` prints it."""
        files = [f"/proc/{pid}/fd/{n}" for pid, (_, _, has, _) in self.known.items() for n in range(has)]
        stats = [STAT.format(pid=pid, parent=each[0], born=each[1]) for pid, each in self.known.items()]
        commands = [f"/proc/{pid}/cmdline:{each[3]}" for pid, each in self.known.items() if each[3]]
        return "\n".join([str(self.limit), *files, *stats, *commands])


def raising(computer: Computer, verb: Verb = Verb.RAISE) -> Played:
    """A castle `c` that looks at the computer; what tells of it began last."""
    computer.runs(PROMISER, born=10**6, command="castle-watchers c 38")

    def says(argv: Sequence[str]) -> Result:
        return Result(0, computer.text() if "max_user_instances" in argv[-1] else "HTTP/1.0 200 OK", "")

    return Played(verb, podman=says)


async def looks(played: Played) -> Any:
    return await Check(played.context(), played.desk).observe()


async def test_a_cluster_that_only_begins_is_counted_as_whole() -> None:
    """Three clusters began beside each other, and the third waited for ever for watchers that the second took."""
    computer = Computer()
    computer.cluster("a", 50, 100)
    computer.cluster("b", 10, 200)
    computer.runs(300, command="castle-watchers b 38")
    played = raising(computer)
    with pytest.raises(Refused) as raised:
        await looks(played)
    assert raised.value.why.startswith(
        "60 of 128 watchers of this user are taken, clusters that are being raised will take 28 more, and"
    )
    assert played.said[-1] == "nobody is told any more"


async def test_what_a_cluster_has_taken_is_not_counted_twice() -> None:
    computer = Computer()
    computer.cluster("a", 40, 100)
    computer.cluster("b", 38, 200)
    computer.runs(300, command="castle-watchers b 38")
    played = raising(computer)
    await looks(played)
    assert played.said == ["told: castle-watchers c 38"]


async def test_of_two_that_begin_at_once_the_earlier_goes_on() -> None:
    for born, refused in ((10**6 - 1, True), (10**6 + 1, False)):
        computer = Computer()
        computer.cluster("a", 50, 100)
        computer.runs(300, born=born, command="castle-watchers b 38")
        if refused:
            with pytest.raises(Refused):
                await looks(raising(computer))
        else:
            await looks(raising(computer))


async def test_a_rebirth_tells_of_what_it_frees_and_takes_again() -> None:
    """Between its old and its new cluster another one could take them; after the point of no return."""
    played = raising(Computer(limit=10), Verb.REBIRTH)
    await looks(played)
    assert played.said == ["told: castle-watchers c 38"]
    await played.desk.close()
    assert played.said[-1] == "nobody is told any more"


async def test_a_kernel_that_says_nothing_forbids_nothing() -> None:
    assert watchers.read("").limit == 0
    assert watchers.read("cat: no such file\n/proc/7/fd/9\n").used == 1


async def test_this_computer_tells_of_a_promise_and_forgets_it() -> None:
    enclosure = SimpleNamespace(name="castle-of-this-test")
    world = SimpleNamespace(exec=LocalExec(), enclosure=enclosure)
    ctx: Any = SimpleNamespace(world=world, options=Played().options)
    made = await watchers.promise(ctx)
    seen = watchers.read((await LocalExec().run(["sh", "-c", watchers.LOOK])).out)
    assert seen.promises[made.pid] == ("of-this-test", 38)
    assert seen.processes[made.pid].parent > 1
    assert seen.limit > 0
    await made.close()
    after = watchers.read((await LocalExec().run(["sh", "-c", watchers.LOOK])).out)
    assert made.pid not in after.promises
