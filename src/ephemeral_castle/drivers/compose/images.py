"""Images of the services: built from Debian packages, or pulled on the computer's own network."""

from __future__ import annotations

import asyncio
import posixpath
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from ephemeral_castle.drivers.compose.finding import Finding, Place
from ephemeral_castle.drivers.compose.options import ComposeOptions, ImageOptions
from ephemeral_castle.drivers.compose.part import Part
from ephemeral_castle.drivers.compose.reading import Wanted, read
from ephemeral_castle.errors import Permanent
from ephemeral_castle.model.castle import Layer
from ephemeral_castle.model.step import Observation
from ephemeral_castle.spi.part import NOT_REACHED, REACHED
from ephemeral_castle.spi.world import File, Recipe, Source

Read = Callable[[str], Awaitable[Mapping[str, File]]]


@dataclass
class Recipes:
    """Recipe by image name as the Compose files write it, and what is wrong with their files."""

    found: dict[str, Recipe] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)

    def of(self, image: str) -> Recipe | None:
        """The recipe of an image; `:latest` is what Compose adds by itself."""
        return (
            self.found.get(image) or self.found.get(image.removesuffix(":latest")) or self.found.get(f"{image}:latest")
        )


async def recipes(options: ComposeOptions, files: Read) -> Recipes:
    """The recipes of a layer, with the files of the repository in them.

    Args:
        options: of the layer.
        files: gives the files of a folder of the repository.
    """
    result = Recipes()
    for name, image in options.images.items():
        result.found[name] = Recipe(
            name=_short(name),
            packages=tuple(dict.fromkeys((*BASE, *image.packages))),
            files=await _files(name, image, files, result.findings),
            commands=tuple(image.commands),
        )
    return result


BASE = ("passwd",)  # Debian's packages take it for granted


def _short(name: str) -> str:
    """`localhost/blog:latest` is the recipe `blog`."""
    return name.rpartition("/")[2].partition(":")[0]


async def _files(name: str, image: ImageOptions, read: Read, findings: list[Finding]) -> dict[str, str]:
    found: dict[str, str] = {}
    for target, path in image.files.items():
        folder, file = posixpath.split(path)
        known = (await read(folder)).get(file)
        if known is None:
            findings.append(Finding(Place(path), f"image `{name}` takes this file, and the repository lacks it"))
            continue
        try:
            found[target] = known.content.decode()
        except UnicodeDecodeError:
            text = f"image `{name}` takes this file, and it is no text"
            findings.append(Finding(Place(path), text, "mount it from the project with `:ro` instead"))
    return found


def shared(images: list[str], known: Recipes) -> tuple[dict[str, Recipe], list[str]]:
    """Images that are built, by name, and those that are pulled."""
    built = {image: recipe for image in images if (recipe := known.of(image)) is not None}
    return built, sorted(set(images) - set(built))


async def ahead(layer: Layer, options: ComposeOptions, source: Source | None) -> tuple[list[Recipe], list[str]]:
    """What the newest revision wants built and pulled.

    Raises:
        Permanent: there is no repository, or a project cannot be read.
    """
    if source is None:
        raise Permanent("this castle has no repository")
    sha = (await source.resolve(options.ref)).sha

    async def files(folder: str) -> Mapping[str, File]:
        return await source.read(sha, folder)

    images: set[str] = set()
    for machine, folder in options.projects.items():
        given = Wanted(layer.id, machine, folder)
        project = read(given, await files(folder)).project
        images |= {service.image for service in project.services.values()} if project else set()
    built, pulled = shared(sorted(images - {""}), await recipes(options, files))
    return list(built.values()), pulled


class Images(Part):
    """Every image of every service is in the store that the machines share."""

    async def _wanted(self) -> tuple[dict[str, Recipe], list[str]]:
        sha = str(self.facts("source")["sha"])
        readings = await self.readings(sha)
        images = sorted({s.image for each in readings.values() if each.project for s in each.project.services.values()})
        return shared(images, await recipes(self.options, lambda folder: self.files(sha, folder)))

    async def observe(self) -> Observation:
        """Asks the store."""
        built, pulled = await self._wanted()
        store = self.ctx.world.images
        there = await asyncio.gather(
            *(store.present(recipe) for recipe in built.values()), *(store.present_reference(name) for name in pulled)
        )
        missing = [name for name, is_there in zip([*built, *pulled], there, strict=True) if not is_there]
        if missing:
            return Observation(NOT_REACHED, f"not in the store: {', '.join(missing)}")
        return await self._ready(built, pulled)

    async def act(self) -> Observation | None:
        """Builds and pulls what is missing, one after another: each takes all processors or the whole line."""
        built, pulled = await self._wanted()
        for recipe in built.values():
            await self.ctx.world.images.build(recipe, self.ctx.progress)
        return await self._ready(built, pulled)

    async def _ready(self, built: Mapping[str, Recipe], pulled: list[str]) -> Observation:
        """What each image is from here on: by the digest of its recipe, or by that which the registry gave."""
        store = self.ctx.world.images
        references = {name: store.reference(recipe) for name, recipe in built.items()}
        for name in pulled:
            references[name] = await store.pull(name, self.ctx.progress)
        text = f"{len(built)} built from packages, {len(pulled)} pulled"
        return Observation(REACHED, text, {"images": references}, renews=True)
