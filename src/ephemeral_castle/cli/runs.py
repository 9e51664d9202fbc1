"""What the verbs that start a run have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from ephemeral_castle.cli.exit_codes import INTERRUPTED
from ephemeral_castle.cli.pace import Pace
from ephemeral_castle.cli.wired import wiring
from ephemeral_castle.errors import NoSuchRun
from ephemeral_castle.model.castle import Verb
from ephemeral_castle.model.events import RunStatus
from ephemeral_castle.views.jsonl import dumps

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ephemeral_castle.cli.options import Common
    from ephemeral_castle.cli.watch import Reader
    from ephemeral_castle.model.castle import Castle

GOING = (RunStatus.RUNNING, RunStatus.FAILED, RunStatus.STOPPED)
TIDYING = 3.0  # seconds that a runner may need to end its sessions


def start(
    told: Common, castle: Castle, verb: Verb, request: Mapping[str, Any], *, detach: bool = False, enforce: bool = False
) -> int:
    """Starts a run and follows it, or leaves at once.

    Args:
        told: the shared options.
        castle: the definition.
        verb: what to do.
        request: fields of `spi.driver.Request`, and `replan` when that was asked.
        detach: leave as soon as the runner was launched.
        enforce: exit 6 when a budget was exceeded.
    """
    run = wiring().start_run(castle, request, told.site, verb)
    if detach:
        if told.json:
            click.echo(dumps({"kind": "started", "run": run, "castle": castle.name, "verb": verb.value}))
        else:
            click.echo(run)
            click.echo(f"`castle watch {run}` follows it, `castle cancel {run}` stops it", err=True)
        return 0
    return show(told, castle, run, enforce=enforce)


def show(told: Common, castle: Castle, run: str, *, enforce: bool = False, since: int = 0) -> int:
    """Follows a run to its end; gives the exit status. `since`: number of the last event before it was resumed."""
    from ephemeral_castle.cli.watch import Mode, follow

    wired = wiring()
    mode = Mode(progress=told.progress, json=told.json, enforce_budget=enforce, budget=castle.budget, since=since)
    pace = Pace()
    code = follow(wired.journal_of(castle), run, mode, alive=lambda: wired.runner_alive(castle, run), pace=pace)
    tidied = pace.now() + TIDYING
    while code != INTERRUPTED and wired.runner_alive(castle, run) and pace.now() < tidied:
        pace.wait(0.02)  # it ends its sessions; the next command must not find it holding the castle
    return code


def known_run(journal: Reader, run: str | None, *, going: bool = False) -> str:
    """The id of a run: the given one if it exists, the last one when none was given.

    Args:
        journal: where to look.
        run: an id, or None.
        going: one that can go on is meant: what a drill left never hides that the castle itself is between two lives.

    Raises:
        NoSuchRun: there is none.
    """
    runs = journal.runs()
    ids = [info.id for info in runs]
    if run is None:
        own = next((info for info in runs if info.verb != Verb.DRILL.value), None)
        if going and own is not None and own.status in GOING:
            return own.id
        if ids:
            return ids[0]
        raise NoSuchRun("this castle has no runs on this computer", hints=("`castle plan` shows what a run would do",))
    if run in ids:
        return run
    raise NoSuchRun(f"there is no run `{run}` of this castle on this computer", hints=("`castle runs`",))
