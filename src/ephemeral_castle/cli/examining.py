"""What the drivers of a site say for `castle doctor` of the systems they stand on, and which rights they need there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ephemeral_castle.cli import wiring
from ephemeral_castle.engine.context import StepContext
from ephemeral_castle.errors import CastleError, Permanent, Refused
from ephemeral_castle.model.castle import Castle, Site, Verb
from ephemeral_castle.model.step import Effect, Phase, Step
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
    checks: list[Check] = []
    for layer in site.layers:
        driver: Any = shared.drivers[layer.driver]
        if not hasattr(driver, "doctor"):
            continue
        step = Step(f"{layer.id}.look", layer.id, layer.driver, "look", "look", Phase.PREPARE, Effect.READ)
        try:
            checks += await driver.doctor(StepContext(shared, step, 1), needed(castle, site))
        except CastleError as error:
            mend = error.hints[-1] if error.hints else ""
            fact = f"{error.message}: {error.why}".rstrip(": ")
            checks.append(Check(f"layer {layer.id}", False, fact, mend, layer.id))
    return checks
