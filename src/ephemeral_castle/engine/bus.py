"""The way of every event: into the journal and, in the same order, into the live state of the run."""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from typing import Any, Protocol

from ephemeral_castle.errors import CastleError
from ephemeral_castle.model.events import Event, Kind
from ephemeral_castle.model.runview import RunView


class Log(Protocol):
    """Where events are kept; `journal.store.Journal` in earnest."""

    async def append(self, event: Event, *, durable: bool = False) -> Event:
        """Appends one; `durable` returns only when it is on disk."""
        ...

    def note(self, event: Event) -> None:
        """Puts one in line."""
        ...


class Past(Protocol):
    """What is known of the run already; `journal.reader.JournalReader` in earnest."""

    def events(self, run_id: str, /) -> list[Event]:
        """All events of a run, in order."""
        ...

    def cancel_requested(self, run_id: str, /) -> str:
        """Who asked for cancellation, or ""."""
        ...


class JournalBus:
    """What the journal refuses is not believed: a resume will not know it either.

    An event counts from the moment when it is handed over, since it may be on the disk before anybody is told: a first
    deletion that is announced must be seen by whoever fails beside it, or that one would take back a seal which the
    journal says is used. When the journal then refuses it, it is taken out of the live state again.
    """

    def __init__(self, run: str, journal: Log, past: Past, view: RunView, now: Callable[[], float]) -> None:
        self.run, self.journal, self.past, self.view, self.now = run, journal, past, view, now
        self._sure = view  # as it was when the first of those that are being written was handed over
        self._since: list[Event] = []
        self._written = 0  # events that are being written now

    async def emit(
        self, kind: Kind, step: str = "", attempt: int = 0, /, *, durable: bool = False, **data: Any
    ) -> Event:
        """Appends; with `durable` it is on disk when this returns."""
        event = Event(run=self.run, kind=kind, at=self.now(), step=step, attempt=attempt, data=data)
        if self._written == 0:
            self._sure, self._since = self.view, []
        self._written += 1
        self._believe(event)
        try:
            return await self.journal.append(event, durable=durable)
        except CastleError:
            if not self._stored(event):
                self._disbelieve(event)
            raise
        finally:
            self._written -= 1

    def note(self, kind: Kind, step: str = "", attempt: int = 0, /, **data: Any) -> None:
        """Appends without waiting."""
        event = Event(run=self.run, kind=kind, at=self.now(), step=step, attempt=attempt, data=data)
        self.journal.note(event)
        self._believe(event)

    def _believe(self, event: Event) -> None:
        self.view = self.view.apply(event)
        if self._written:
            self._since.append(event)

    def _disbelieve(self, event: Event) -> None:
        self._since = [each for each in self._since if each is not event]
        self.view = reduce(RunView.apply, self._since, self._sure)

    def _stored(self, event: Event) -> bool:
        """Whether the journal has it in spite of the error, which may be an earlier event's. Unread counts as yes."""
        try:
            found = self.past.events(self.run)
        except CastleError:
            return True
        wanted = (event.kind, event.step, event.attempt, event.at)
        return any((each.kind, each.step, each.attempt, each.at) == wanted for each in found)
