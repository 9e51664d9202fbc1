"""Progress of the verbs that are no runs: images being built, a castle being taken down."""

from __future__ import annotations

import click

from ephemeral_castle.cli.pace import Pace
from ephemeral_castle.views.jsonl import dumps
from ephemeral_castle.views.words import Sign, clean, clock


class Teller:
    """Shows what is going on; a `spi.world.Progress`.

    Args:
        progress: "plain" (lines on standard error), "jsonl" (standard output) or "none".
        pace: the clock.
    """

    def __init__(self, progress: str, pace: Pace | None = None) -> None:
        self._progress = progress
        self._pace = pace or Pace()
        self._zero = self._pace.now()

    def __call__(self, text: str, *, done: float | None = None, total: float | None = None) -> None:
        """Shows one text; `done` of `total` when that is known."""
        at = self._pace.now()
        if self._progress == "jsonl":
            click.echo(dumps({"kind": "progress", "at": at, "text": clean(text), "done": done, "total": total}))
        elif self._progress == "plain":
            share = f" ({100 * done / total:.0f} %)" if done is not None and total else ""
            click.echo(f"{clock(at - self._zero)} {Sign.INFO.value} {clean(text)}{share}", err=True)
