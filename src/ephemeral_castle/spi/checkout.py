"""The castle's repository as a layer reads it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ephemeral_castle.errors import NotFound, Permanent
from ephemeral_castle.spi.driver import Context
from ephemeral_castle.spi.world import File, Source


@dataclass
class Checkout:
    """Directories of commits, each read once while a runner lives."""

    known: dict[tuple[str, str], Mapping[str, File]] = field(default_factory=dict)

    async def files(self, source: Source, sha: str, folder: str) -> Mapping[str, File]:
        """The files of a directory at a commit.

        Raises:
            NotFound: the commit has no such directory.
            CastleError: the repository does not answer.
        """
        key = (sha, folder)
        if key not in self.known:
            try:
                self.known[key] = await source.read(sha, folder)
            except NotFound:  # another computer's runner resolved it, or the cache was cleared: fetch it again
                await source.resolve(sha)
                self.known[key] = await source.read(sha, folder)
        return self.known[key]


def source_of(ctx: Context, use: str) -> Source:
    """The castle's repository. `use`: what the layer does with it, after "layer X".

    Raises:
        Permanent: the definition names none.
    """
    found = ctx.world.source
    if found is None:
        raise Permanent(
            "this castle has no repository",
            why=f"layer `{ctx.layer.id}` {use}",
            state="nothing was changed",
            hints=["add `repository: {url: ..., ref: main}` to the definition", "castle plan"],
        )
    return found
