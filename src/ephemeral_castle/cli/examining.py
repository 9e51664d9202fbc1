"""What the drivers of a site say for `castle doctor` of the systems they stand on, and which rights they need there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ephemeral_castle.cli import wiring
from ephemeral_castle.engine import preflight
from ephemeral_castle.errors import Permanent, Refused
from ephemeral_castle.model.castle import Castle, Site, Verb
from ephemeral_castle.spi.claims import Claim, claimed
from ephemeral_castle.spi.driver import Check

if TYPE_CHECKING:
    from ephemeral_castle.engine.context import Shared


def needed(castle: Castle, site: Site) -> list[Claim]:
    """What all verbs together have to be allowed to do; verbs that the site's drivers refuse do nothing."""
    found: set[Claim] = set()
    drivers, options = wiring.drivers_of(site)
    for verb in Verb:
        try:
            wiring.offline_plan(castle, verb, site.name, {})
        except (Refused, Permanent):
            continue
        found |= set(claimed(drivers, options, wiring.request_of(castle, verb, site.name, {})))
    return sorted(found)


async def examined(castle: Castle, site: Site, shared: Shared) -> list[Check]:
    """The lines of every layer whose driver has something to say; a driver that cannot even look is a line, too."""
    return await preflight.examined(shared, site.layers, needed(castle, site))
