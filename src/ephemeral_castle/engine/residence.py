"""Where a castle lives: which life a run works on, and whether this computer may touch it at all."""

from __future__ import annotations

from collections.abc import Sequence

from ephemeral_castle.errors import Refused
from ephemeral_castle.model.castle import Verb
from ephemeral_castle.model.events import Event, Kind
from ephemeral_castle.model.record import Record
from ephemeral_castle.spi.driver import Request


def lives(verb: Verb, record: Record, past: Sequence[Event], computer: str) -> tuple[int, int]:
    """The life that stood, and the one this run works on; a resume keeps those of its first runner.

    A castle that is raised on another computer begins a new life there: two computers never work for the same one, so
    that the old one's writer identity can be revoked. A drill's life is nobody's: it never enters the record.
    """
    for event in past:
        if event.kind is Kind.RUN_STARTED and "life" in event.data:
            return int(event.data["old_life"]), int(event.data["life"])
    elsewhere = not record.site or record.computer != computer
    if verb is Verb.DRILL:
        return record.life, record.life + 1
    if verb is Verb.REBIRTH or (verb is Verb.RAISE and elsewhere):
        return record.life, max(record.life, record.pending_life) + 1
    return record.life, record.life


def check_residence(record: Record, request: Request, run: str, new_life: tuple[int, int], computer: str) -> None:
    """Refuses to work on a life that stands on another computer, or that another run has ended meanwhile.

    Args:
        record: as the treasury has it now.
        request: what was asked; `source_lost` gives the other computer up.
        run: id of this run.
        new_life: the life that stood when this run began, and the one it works on.
        computer: id of this computer.

    Raises:
        Refused: nothing is started, archived or destroyed here.
    """
    if request.verb is Verb.DRILL:
        return  # it works on no life at all, wherever the castle stands
    old, life = new_life
    ended = record.life not in (old, life) or (life > old and record.life >= life)
    if record.run != run and ended:
        raise Refused(
            f"life {record.life} of castle `{record.name}` was raised by another run meanwhile",
            why=f"run {record.run} did it; this run began when life {old} stood",
            state="nothing was changed; what this run left here is not the castle any more",
            hints=["castle status"],
        )
    if not record.site and record.life and record.run != run and request.verb is not Verb.RAISE:
        _refuse_wiped(record, request)
    if not record.site or record.computer == computer or request.source_lost:
        return
    taken = "this takes the castle over and locks the old life out of the treasury"
    verb = request.verb if request.verb in (Verb.REBIRTH, Verb.RAISE) else Verb.REBIRTH
    raise Refused(
        f"life {record.life} of castle `{record.name}` stands on another computer",
        where=f"computer {record.computer}, this one is {computer}",
        why="whether it still runs there cannot be seen from here; two lives must never write into one treasury",
        state="nothing was changed, here or there",
        hints=[
            f"run `castle {request.verb.value}` on the computer where it stands",
            "if it is this one, the disk with its state directory is not mounted: mount it, and nothing is lost",
            f"if that computer is lost for good, {taken}: castle {verb.value} --source-lost --confirm {record.name}",
        ],
    )


def _refuse_wiped(record: Record, request: Request) -> None:
    """No life stands that could be sealed, backed up or destroyed, and none that another place could hide."""
    if request.source_lost or request.abandon_data:
        return
    raise Refused(
        f"castle `{record.name}` was wiped: none of its lives stands",
        why=f"life {record.life} was sealed and destroyed on purpose; all of it lies in the treasury",
        state="nothing was changed",
        hints=["`castle drill` rehearses its return", "castle raise"],
    )
