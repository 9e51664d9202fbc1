"""Events as JSON lines: the first names the version, then one event per line."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from ephemeral_castle.model.events import VERSION, Event

if TYPE_CHECKING:
    from collections.abc import Mapping


def dumps(value: Mapping[str, Any]) -> str:
    """One JSON object on one line, in UTF-8, keys in the order given."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=str)


def version_line(program: str, run: str) -> str:
    """The first line of a stream.

    Args:
        program: version of this program.
        run: id of the run that the events belong to.
    """
    return dumps({"kind": "version", "v": VERSION, "castle": program, "run": run})


def event_line(event: Event) -> str:
    """One event."""
    return dumps(event.to_json())
