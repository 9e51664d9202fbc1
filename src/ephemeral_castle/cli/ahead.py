"""What `castle prefetch` brings here: images that drivers know by themselves, and those of the repository."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ephemeral_castle.errors import CastleError
from ephemeral_castle.model.castle import Site
from ephemeral_castle.spi.world import Images, Recipe, Source


@dataclass
class Ahead:
    """Images that are built, names that are pulled, and layers whose images cannot be known now, with the reason."""

    recipes: list[Recipe] = field(default_factory=list)
    references: list[str] = field(default_factory=list)
    unknown: dict[str, str] = field(default_factory=dict)


async def wanted(site: Site, drivers: Mapping[str, Any], options: Mapping[str, Any], source: Source | None) -> Ahead:
    """All images of a site.

    Args:
        site: whose layers count.
        drivers: by name.
        options: by layer.
        source: the castle's repository, or None.
    """
    found = Ahead([recipe for driver in drivers.values() for recipe in getattr(driver, "recipes", ())])
    for layer in site.layers:
        driver = drivers[layer.driver]
        if not hasattr(driver, "images_of"):
            continue
        try:
            recipes, references = await driver.images_of(layer, options[layer.id], source)
        except CastleError as error:
            found.unknown[layer.id] = f"{error}: {error.why}" if error.why else str(error)
            continue
        found.recipes += recipes
        found.references += references
    return found


async def fetch(store: Images, ahead: Ahead, progress: Any) -> dict[str, str]:
    """Builds and pulls, and gives each reference by name."""

    async def build(recipe: Recipe) -> tuple[str, str]:
        if not await store.present(recipe):
            await store.build(recipe, progress)
        return recipe.name, store.reference(recipe)

    built = dict(await asyncio.gather(*(build(recipe) for recipe in ahead.recipes)))
    for reference in dict.fromkeys(ahead.references):
        built[reference] = await store.pull(reference, progress)
    return {**built, **{f"not yet: {layer}": why for layer, why in ahead.unknown.items()}}
