"""What a rehearsal's doors to the outside share: what is answered there, and what was asked."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from ephemeral_castle.errors import Unreachable
from ephemeral_castle.spi.kubernetes import Manifest
from ephemeral_castle.spi.processes import Result

Answer = Callable[[Sequence[str], bytes], Result]
MOST_SLEEPS = 10_000


def silent(argv: Sequence[str], _stdin: bytes) -> Result:
    """Nothing answers."""
    raise Unreachable("nothing answers", why=" ".join(argv[:3]))


@dataclass
class Doors:
    """What a driver asked of the outside.

    Attributes:
        answer: what commands say, here and on machines.
        reads: whether a command (its arguments, its standard input) only looks.
        objects: what stands in the Kubernetes cluster.
        silent: whether nothing else answers either: treasury, images, accounts.
        wrote: whatever would have changed something.
        sleeps: how often the driver waited; beyond MOST_SLEEPS nothing answers any more.
    """

    answer: Answer
    reads: Callable[[Sequence[str], bytes], bool]
    silent: bool = False
    objects: Sequence[Manifest] = ()
    wrote: list[str] = field(default_factory=list)
    sleeps: int = 0

    def command(self, argv: Sequence[str], stdin: bytes = b"") -> Result:
        """Answers a command."""
        if not self.reads(argv, stdin):
            self.wrote.append(" ".join(argv))
        return self.answer(argv, stdin)

    def ask(self, what: str, *, writes: bool = False) -> None:
        """Something else was asked."""
        if writes:
            self.wrote.append(what)
        if self.silent:
            raise Unreachable("nothing answers", why=what)
