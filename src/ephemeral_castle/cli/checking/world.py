"""What the world said, as findings beside the layers that they concern."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from ephemeral_castle.cli.wired import wiring
from ephemeral_castle.model.finding import Finding, Mark, Severity

if TYPE_CHECKING:
    from ephemeral_castle.cli.heard import Heard
    from ephemeral_castle.model.castle import Castle, Site
    from ephemeral_castle.spi.driver import Check

RULE = "world"


def listen(castle: Castle, site: Site, file: str, *, tree: bool) -> tuple[list[Finding], Heard]:
    """Asks every system that the castle stands on; gives what is wrong, and all that was heard.

    Args:
        castle: the definition.
        site: whose systems.
        file: the definition as the person named it.
        tree: whether the repository's files are wanted.
    """
    heard = asyncio.run(wiring().ask(castle, site.name, tree=tree))
    places = {layer.id: _mark(layer.position, file) for layer in site.layers}
    wrong = (each for each in heard.checks if each.ok is not True)
    return [_finding(each, places.get(each.section, Mark(file))) for each in wrong], heard


def _finding(check: Check, mark: Mark) -> Finding:
    unseen = check.ok is None and check.data.get("seen") is False
    severity = Severity.UNDECIDED if unseen else Severity.WARNING if check.ok is None else Severity.ERROR
    hints = (check.mend,) if check.mend else ()
    return Finding(RULE, severity, f"{check.title}: {check.fact}", mark, hints)


def _mark(position: str, file: str) -> Mark:
    """The place of a layer, from "FILE:LINE:COLUMN"."""
    _, line, column = [*position.rsplit(":", 2), "", ""][:3]
    return Mark(file, int(line), int(column)) if line.isdigit() and column.isdigit() else Mark(file)
