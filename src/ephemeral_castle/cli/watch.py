"""The viewer of a run. The run lives in its own process; this only reads its events and shows them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

import click

from ephemeral_castle import __version__
from ephemeral_castle.cli import exit_codes
from ephemeral_castle.cli.pace import Pace
from ephemeral_castle.cli.screen import err_paint, out_paint
from ephemeral_castle.errors import CastleError
from ephemeral_castle.model.castle import Budget
from ephemeral_castle.model.events import Event, Kind, RunStatus
from ephemeral_castle.model.step import Phase
from ephemeral_castle.views.failure import culprit, failure_json, failure_text, log_of, state_of_world
from ephemeral_castle.views.jsonl import dumps, event_line, version_line
from ephemeral_castle.views.plain import PlainView
from ephemeral_castle.views.report import report_text
from ephemeral_castle.views.reportdata import over_budget, report_json

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ephemeral_castle.journal.reader import RunInfo
    from ephemeral_castle.model.plan import Plan
    from ephemeral_castle.model.runview import RunView

POLL = 0.1  # seconds between looks
SILENCE = 2.0  # seconds without an event after which the runner's life is asked for
ROOM = 2 * 1024**2  # bytes; a journal that cannot keep as much is not opened: with less a disk counts as full
START = 15.0  # the same before a runner has said anything: a busy computer is slow to start it


class Reader(Protocol):
    """What the viewer needs of a journal."""

    def runs(self) -> Sequence[RunInfo]:
        """All runs, newest first."""
        ...

    def plan(self, run_id: str, /) -> Plan:
        """The stored plan."""
        ...

    def events(self, run_id: str, after_seq: int = 0, /) -> Sequence[Event]:
        """Events behind a sequence number, in order."""
        ...

    def room(self) -> int:
        """Bytes that are free under it."""
        ...

    def close(self) -> None:
        """Closes the file."""
        ...


@dataclass(frozen=True)
class Mode:
    """How to show a run.

    Attributes:
        progress: "plain" (lines on standard error), "jsonl" (events on standard output) or "none".
        json: the final report as JSON.
        enforce_budget: exit 6 when a budget was exceeded.
        budget: what may be spent.
        since: events up to this number were there before; a run that ended among them was resumed.
    """

    progress: str = "plain"
    json: bool = False
    enforce_budget: bool = False
    budget: Budget = field(default_factory=Budget)
    since: int = 0


def follow(
    journal: Reader, run: str, mode: Mode, *, alive: Callable[[], bool] | None = None, pace: Pace | None = None
) -> int:
    """Shows a run until it ends; gives the exit status.

    Args:
        journal: where the events are read.
        run: id of the run.
        mode: how to show it.
        alive: whether a runner works on it; None = believe so.
        pace: clock and waiting.

    Raises:
        CastleError: the runner is gone and the run did not end.
    """
    viewer = _Viewer(journal, run, mode)
    try:
        viewer.until_the_end(alive, pace or Pace())
    except KeyboardInterrupt:
        click.echo(
            f"\nthe run goes on without this terminal\n"
            f"hint: `castle cancel {run}` stops it\nhint: `castle watch {run}` comes back to it",
            err=True,
        )
        return exit_codes.INTERRUPTED
    show_end(viewer.view, viewer.events, mode)
    return exit_status(viewer.view, mode)


class _Viewer:
    def __init__(self, journal: Reader, run: str, mode: Mode) -> None:
        self._journal = journal
        self._run = run
        self._mode = mode
        self._plain = PlainView(journal.plan(run), err_paint())
        self.events: list[Event] = []

    @property
    def view(self) -> RunView:
        """The run as it stands."""
        return self._plain.view

    def until_the_end(self, alive: Callable[[], bool] | None, pace: Pace) -> None:
        """Reads and shows until the run has ended."""
        if self._mode.progress == "jsonl":
            click.echo(version_line(__version__, self._run))
        heard = pace.now()
        while not self._ended():
            if self._take():
                heard = pace.now()
                continue
            now = pace.now()
            if alive is not None and now - heard >= (SILENCE if self._begun() else START):
                # Asked first, read again after: what a dying runner wrote last is not overlooked.
                if not alive() and not self._take():
                    raise _gone(self.view, self._journal.room())
                heard = now
            if self._mode.progress == "plain":
                _lines(self._plain.tick(now))
            pace.wait(POLL)

    def _ended(self) -> bool:
        last = self.events[-1] if self.events else None
        return last is not None and last.kind is Kind.RUN_FINISHED and last.seq > self._mode.since

    def _begun(self) -> bool:
        return any(event.kind is Kind.RUN_STARTED and event.seq > self._mode.since for event in self.events)

    def _take(self) -> bool:
        found = self._journal.events(self._run, self.events[-1].seq if self.events else 0)
        for event in found:
            lines = self._plain.feed(event)
            if self._mode.progress == "plain":
                _lines(lines)
            elif self._mode.progress == "jsonl":
                click.echo(event_line(event))
        self.events.extend(found)
        return bool(found)


def show_end(view: RunView, events: Sequence[Event], mode: Mode) -> None:
    """Shows the report of a run that is done (standard output), or what failed (standard error)."""
    as_json = mode.json or mode.progress == "jsonl"
    if view.status is RunStatus.DONE:
        report = report_json(view, mode.budget)
        click.echo(dumps(report) if as_json else "\n" + report_text(report, out_paint()))
        return
    step = culprit(view)
    log = log_of(events, step.id) if step else []
    if as_json:
        click.echo(dumps(failure_json(view, log)))
    else:
        click.echo("\n" + failure_text(view, log, err_paint()), err=True)


def exit_status(view: RunView, mode: Mode) -> int:
    """The exit status that a run deserves."""
    if view.status is RunStatus.DONE:
        report = report_json(view, mode.budget)
        if report["verified"] is False:
            return exit_codes.UNVERIFIED
        return exit_codes.OVER_BUDGET if mode.enforce_budget and over_budget(report) else exit_codes.OK
    if view.status is RunStatus.REFUSED:
        return exit_codes.REFUSED
    step = culprit(view)
    if step is not None and view.plan.by_id[step.id].phase is Phase.VERIFY:
        return exit_codes.UNVERIFIED
    return view.exit_code if view.exit_code in exit_codes.MEANING and view.exit_code else exit_codes.FAILED


def _lines(lines: Sequence[str]) -> None:
    for line in lines:
        click.echo(line, err=True)


def _gone(view: RunView, room: int) -> CastleError:
    full = room < ROOM
    why = "it was killed, or the computer restarted"
    if full:
        why = f"the disk under the journal is full ({room // 1024} KiB are free), so it could not write why it ended"
    return CastleError(
        f"the runner of run {view.run} is gone",
        why=f"no process works on this run, and the run has not ended: {why}",
        state=state_of_world(view),
        hints=(
            *(("make room on that disk first",) if full else ()),
            f"`castle cancel {view.run}` takes it back, before the first deletion",
            f"`castle resume {view.run}`",
        ),
    )
