"""Whether a segment has left the server, from the answer of `sql.archive_status`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class ArchiveStatus:
    """The archiver's view of one segment. `last_failed_at`: Unix seconds."""

    done: bool
    ready: bool
    present: bool
    failed_count: int
    last_failed: str | None
    last_failed_at: float | None

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> ArchiveStatus:
        """From the decoded line."""
        return cls(
            done=bool(data["done"]),
            ready=bool(data["ready"]),
            present=bool(data["present"]),
            failed_count=int(data["failed_count"]),
            last_failed=data["last_failed"],
            last_failed_at=None if data["last_failed_at"] is None else float(data["last_failed_at"]),
        )

    @property
    def archived(self) -> bool:
        """Whether the segment was archived.

        A checkpoint may recycle a segment together with its `.done` file, and never before that file exists; so a
        finished segment that is neither there nor waiting was archived. Ask only about finished segments.
        """
        return self.done or (not self.ready and not self.present)
