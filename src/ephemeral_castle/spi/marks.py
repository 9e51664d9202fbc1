"""The mark by which a castle knows what is its own: names collide, ids do not."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence

from ephemeral_castle.errors import Refused
from ephemeral_castle.model.castle import Verb
from ephemeral_castle.spi.driver import Context

MARK = "castle.id"
DRILL = "-drill"  # behind the name of a castle that a drill brings up
HOLDER = re.compile(r"name \S+ is already in use by ([0-9a-f]{12,64})")


def own(ctx: Context) -> str:
    """The mark of what this run makes. A drill's is another one than the castle's: neither takes the other's things."""
    return f"{ctx.record.id}.drill" if ctx.request.verb is Verb.DRILL else ctx.record.id


def name(ctx: Context) -> str:
    """The castle's name as its people know it; the machines of a drill bear another."""
    known = ctx.request.castle.name
    return known.removesuffix(DRILL) if ctx.request.verb is Verb.DRILL else known


def labels(ctx: Context, **more: str) -> list[str]:
    """Arguments that mark what podman makes: the castle's id and name, and `more` as `castle.KEY`."""
    marks = {MARK: own(ctx), "castle.name": ctx.request.castle.name}
    marks |= {f"castle.{key}": value for key, value in more.items()}
    return [part for key, value in marks.items() for part in ("--label", f"{key}={value}")]


def is_ours(ctx: Context, found: Mapping[str, str]) -> bool:
    """Whether these labels are the mark of this castle."""
    return found.get(MARK) == own(ctx)


def holder(said: str) -> str:
    """The id of the container that has the wanted name, from what `podman run` said; "" when it said something else.

    When podman lists no container of that id, it is what a removal left that broke off half-way (4.3.1 does so now and
    then right after a kill): its marks are gone with its record, and nobody but its owner can have begun to remove it.
    """
    found = HOLDER.search(said)
    return found[1] if found else ""


def words(kind: str, name: str) -> str:
    """What is wrong with it, in one line."""
    return f"{kind} `{name}` carries our name but not our mark"


def stranger(kind: str, name: str, look: Sequence[str]) -> Refused:
    """The refusal to touch what has our name and not our mark.

    Args:
        kind: "container" or "volume".
        name: of it.
        look: a command that shows it.
    """
    return Refused(
        words(kind, name),
        why="somebody else made it in this castle's podman; castle takes, enters and removes only what it marked",
        state=f"the {kind} was not touched",
        hints=[
            f"look at it: {shlex.join(look)}",
            f"remove or rename the {kind} if you know what it is",
            "castle resume",
        ],
    )
