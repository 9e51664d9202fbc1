"""The castle's Git repository, as drivers see it. Part of `spi.world`, which gives these names, too."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from ephemeral_castle.spi.world import File


LENT_PORT = 9418  # at the gateway of the machines' network, for a repository that castle lends


def lent_url(gateway: str) -> str:
    """The address at which machines find a repository that castle lends."""
    return f"http://{gateway}:{LENT_PORT}/castle.git"


@dataclass(frozen=True)
class Revision:
    """One commit of the castle's repository.

    Attributes:
        sha: whole commit id.
        wanted: branch, tag or commit id that was asked for.
        source: "remote", "bundle" (the repository did not answer: from the copy in the treasury), or "cache" (a whole
            commit id that this computer has already).
        subject: first line of its message.
        committed: Unix seconds.
        notes: what a person should know: why it is from the bundle and of when that is; a branch that went back.
            Whoever resolves gives each to `ctx.diagnostic("warning", ...)`.
        name: whole name of the branch or tag, as `refs/heads/main`; "" for a commit id, and where it is not known.
    """

    sha: str
    wanted: str
    source: str
    subject: str = ""
    committed: float = 0.0
    notes: tuple[str, ...] = ()
    name: str = ""


class Source(Protocol):
    """The castle's Git repository. Where it does not answer, the copy in the treasury does."""

    async def resolve(self, ref: str = "") -> Revision:
        """The commit that a branch, a tag or a whole commit id means now; "" for the definition's own `ref`.

        Its files are here when this returns. Asks the repository each time.

        Raises:
            NotFound: the repository answered, and has no such branch, tag or commit.
            Denied, Unreachable, Refused, Damaged: it cannot be had from there, and no copy is in the treasury.
        """
        ...

    async def read(self, sha: str, folder: str = "") -> Mapping[str, File]:
        """Every file below a folder of a commit, by its path relative to that folder, with the bytes as committed.

        Symbolic links within the folder are followed: their target is given under their name. The mode is 0644, or
        0755 for a program.

        Args:
            sha: as `resolve` gave it.
            folder: relative to the root of the repository; "" for the whole.

        Raises:
            NotFound: no such commit or folder.
            Refused: a link that leaves the folder, a submodule, a Git LFS pointer, a name that no file may have, or
                more than is reasonable.
            Damaged: a file is not what its id says.
        """
        ...

    async def is_kept(self, sha: str, ref: str = "") -> bool:
        """Whether the treasury has the copy that `keep` would store there."""
        ...

    async def keep(self, sha: str, ref: str = "") -> None:
        """Keeps a commit with its history in the treasury, encrypted, if it is not there yet.

        Args:
            sha: as `resolve` gave it.
            ref: what was asked for; "" for what `resolve` was asked when it gave this commit.

        Raises:
            Refused: it is too large for the treasury; nothing was stored.
        """
        ...

    async def lend(self, sha: str, branch: str) -> str:
        """Lets the castle's machines read a commit with its history, while the repository's own host is silent.

        They read castle's own copy over HTTP at the gateway of their network, until the castle is taken down; nobody
        else reaches it, and nobody can write to it.

        Args:
            sha: as `resolve` gave it.
            branch: under which name they find it, without `refs/heads/`.

        Returns:
            The address, as machines reach it.
        """
        ...
