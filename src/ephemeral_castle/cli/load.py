"""Reads the definition for a verb and makes sure that the site it names exists."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING

from ephemeral_castle.cli.wired import wiring
from ephemeral_castle.errors import UsageError

if TYPE_CHECKING:
    from ephemeral_castle.cli.options import Common
    from ephemeral_castle.model.castle import Castle


def load(told: Common) -> Castle:
    """The castle that the shared options name.

    Raises:
        DefinitionInvalid: the definition has errors.
        UsageError: it has no such site.
    """
    castle = wiring().load_castle(told.file)
    if told.site is None or told.site in castle.sites:
        return castle
    near = get_close_matches(told.site, castle.sites, n=1)
    raise UsageError(
        f"castle {castle.name} has no site `{told.site}`",
        where=told.file,
        why=f"its sites are {', '.join(castle.sites)}",
        hints=(f"`--site {near[0] if near else next(iter(castle.sites))}`",),
    )


def load_of_run(told: Common, run: str | None) -> Castle:
    """The castle as it was when a run (None: the newest) began; also when the definition is gone since."""
    return wiring().castle_of_run(told.file, run)[0]
