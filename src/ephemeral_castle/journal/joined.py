"""Several journals of one castle, read as one: its own, and that of its drills.

A drill goes on beside any other run, and whoever takes a journal over fences the others out of it by the epoch. So
drills have a file of their own; who reads finds every run in one list.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Self

from ephemeral_castle.errors import NoSuchRun
from ephemeral_castle.journal.reader import JournalReader, RunInfo
from ephemeral_castle.model.begun import Begun
from ephemeral_castle.model.events import Event
from ephemeral_castle.model.plan import Plan


class Journals:
    """Reads those of some journals that exist.

    Args:
        paths: the journals' files; the first is named when there is none.

    Raises:
        NoSuchRun: none exists. Others: as `JournalReader`.
    """

    def __init__(self, paths: Sequence[Path]) -> None:
        there = [path for path in paths if path.exists()] or list(paths[:1])
        self._readers: list[JournalReader] = []
        try:
            for path in there:
                self._readers.append(JournalReader(path))
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Closes the files."""
        for reader in self._readers:
            reader.close()

    def room(self) -> int:
        """Bytes that are free where it is tightest; see `JournalReader.room`."""
        return min(reader.room() for reader in self._readers)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def runs(self) -> list[RunInfo]:
        """All runs, newest first."""
        found = [info for reader in self._readers for info in reader.runs()]
        return sorted(found, key=lambda info: info.created_at, reverse=True)

    def latest(self) -> RunInfo | None:
        """The newest run."""
        return next(iter(self.runs()), None)

    def run(self, run_id: str) -> RunInfo:
        """One run; raises NoSuchRun."""
        return self._of(run_id).run(run_id)

    def plan(self, run_id: str) -> Plan:
        """The plan as it was stored with the run; raises NoSuchRun."""
        return self._of(run_id).plan(run_id)

    def begun(self, run_id: str) -> Begun | None:
        """What the run began with; None where that was not stored."""
        found = (reader.begun(run_id) for reader in self._readers)
        return next((begun for begun in found if begun is not None), None)

    def events(self, run_id: str, after_seq: int = 0) -> list[Event]:
        """Events of a run behind `after_seq`, in order."""
        return self._of(run_id).events(run_id, after_seq)

    def _of(self, run_id: str) -> JournalReader:
        """The journal that has the run; the first, which will say so, where none has."""
        for reader in self._readers:
            try:
                reader.run(run_id)
            except NoSuchRun:
                continue
            return reader
        return self._readers[0]
