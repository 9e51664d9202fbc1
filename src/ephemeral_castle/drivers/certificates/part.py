"""What all steps of a `certificates` layer need to know: what is carried, and what it must be."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ephemeral_castle.drivers.certificates import carried as vault
from ephemeral_castle.drivers.certificates import papers
from ephemeral_castle.drivers.certificates.carried import OWN, Carried
from ephemeral_castle.drivers.certificates.papers import Judgement, Wanted
from ephemeral_castle.errors import Refused
from ephemeral_castle.spi.driver import Context


@dataclass(frozen=True)
class Seen:
    """What was found in the vault. `waiting`: a newer one that services were not given yet."""

    carried: Carried
    mine: Judgement
    waiting: Judgement | None
    wanted: Wanted

    @property
    def has_one(self) -> bool:
        """Whether a new life can begin."""
        return self.mine.good or self.waiting is not None


def issuer_of(ctx: Context) -> str:
    """Who is to issue: `own`, or the URL of a directory."""
    return OWN if ctx.options.acme is None else str(ctx.options.acme.directory)


def read_file(ctx: Context, file: str) -> str:
    """A file beside the definition.

    Raises:
        Refused: it cannot be read.
    """
    path = Path(ctx.request.castle.path).parent / file
    try:
        return path.read_text()
    except (OSError, ValueError) as error:
        raise Refused(
            f"the certificate of a CA cannot be read: {file}",
            where=str(path),
            why=str(error),
            state="nothing was changed",
            hints=["put it there, or mend `issuer` in the definition", "castle plan --offline"],
        ) from None


async def root_of(ctx: Context) -> str:
    """The authority that clients trust (PEM); "" for a public one, and before there is one."""
    if ctx.options.acme is None:
        return await vault.text(ctx, "ca")
    return read_file(ctx, ctx.options.acme.root) if ctx.options.acme.root else ""


async def see(ctx: Context) -> Seen:
    """Reads the vault and judges."""
    carried = await vault.read(ctx)
    root = await root_of(ctx)
    now = ctx.world.clock.now()
    wanted = Wanted(ctx.options.names, now, ctx.options.renew_before, root, issuer_of(ctx))
    return Seen(carried, carried.judge(wanted), carried.waiting(wanted), wanted)


def facts_of(ctx: Context, seen: Seen) -> dict[str, object]:
    """What later steps and the report need; nothing of it is secret."""
    mine = seen.mine
    return {
        "issued": seen.carried.issued_by(ctx.run),
        "serial": mine.serial,
        "not_after": mine.not_after,
        "issuer": mine.issuer,
        "names": list(ctx.options.names),
        "ca": seen.wanted.root,
    }


def in_words(mine: Judgement) -> str:
    """A certificate that will do."""
    return f"by {mine.issuer}, until {papers.when(mine.not_after)} ({papers.days(mine.left)})"
