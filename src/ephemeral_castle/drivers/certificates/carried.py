"""What of a certificate lies in the vault, and in which order it is written.

`next` holds a certificate that is being made, as one secret: key, then order, then chain. It is complete before `chain`
and `key`, which services are given, are changed; so a runner that is killed anywhere leaves nothing that the next one
could not go on with, and a key is stored before anybody signs it.
"""

from __future__ import annotations

import asyncio
import dataclasses
import json
from dataclasses import dataclass, field

from ephemeral_castle.drivers.certificates import papers
from ephemeral_castle.spi.driver import Context
from ephemeral_castle.spi.secret import Secret

OWN = "own"  # as an issuer


@dataclass(frozen=True)
class Coming:
    """A certificate that is being made.

    Attributes:
        key: its private key (PEM).
        issuer: `own`, or the URL of a directory.
        names: that it is for.
        run: that began it.
        order: URL of the CA's order, or "".
        chain: the finished certificate (PEM), or "".
    """

    key: str = field(repr=False)
    issuer: str
    names: tuple[str, ...]
    run: str
    order: str = ""
    chain: str = ""

    def to_text(self) -> str:
        """For the vault."""
        return json.dumps(dataclasses.asdict(self))

    @classmethod
    def from_text(cls, text: str) -> Coming | None:
        """Reads it; None for what another version of castle, or nobody, has written."""
        try:
            data = json.loads(text)
            known = {each.name: data[each.name] for each in dataclasses.fields(cls)}
            return cls(**{**known, "names": tuple(known["names"])})
        except (ValueError, TypeError, KeyError):
            return None


@dataclass(frozen=True)
class Carried:
    """The certificate that services are given. `issuer`: who issued it, as it was written down then."""

    chain: str = ""
    key: str = field(default="", repr=False)
    issuer: str = ""
    coming: Coming | None = None

    def judge(self, wanted: papers.Wanted) -> papers.Judgement:
        """What it is worth."""
        return papers.judge(self.chain, self.key, wanted, issuer=self.issuer)

    def waiting(self, wanted: papers.Wanted) -> papers.Judgement | None:
        """What one is worth that is complete, will do, and was not taken over yet; None when there is none."""
        coming = self.coming
        if coming is None or not coming.chain:
            return None
        if (self.chain, self.key, self.issuer) == (coming.chain, coming.key, coming.issuer):
            return None
        found = papers.judge(coming.chain, coming.key, wanted, issuer=coming.issuer)
        mine = self.judge(wanted)
        return found if found.good and (not mine.good or found.not_after > mine.not_after) else None

    def issued_by(self, run: str) -> bool:
        """Whether that run issued the one that services are given."""
        return self.coming is not None and self.coming.run == run and self.coming.chain == self.chain != ""


def name_of(ctx: Context, what: str) -> str:
    """Name of a secret of this layer."""
    return f"certificate/{ctx.layer.id}/{what}"


async def read(ctx: Context) -> Carried:
    """What the vault has."""
    chain, key, issuer, coming = await asyncio.gather(*(text(ctx, what) for what in ("chain", "key", "issuer", "next")))
    return Carried(chain, key, issuer, Coming.from_text(coming))


async def text(ctx: Context, what: str) -> str:
    """A secret of this layer; "" when there is none."""
    found = await ctx.secrets.get(name_of(ctx, what))
    return found.reveal() if found else ""


async def keep(ctx: Context, what: str, value: str) -> None:
    """Stores a secret of this layer; returns when another computer could read it."""
    await ctx.secrets.put(name_of(ctx, what), Secret(value))


async def keep_coming(ctx: Context, coming: Coming) -> Coming:
    """Stores how far a new certificate is."""
    await keep(ctx, "next", coming.to_text())
    return coming


async def take_over(ctx: Context, coming: Coming) -> None:
    """Gives services the new certificate. `issuer` is written last: until then `waiting` finds it again."""
    await keep(ctx, "chain", coming.chain)
    await keep(ctx, "key", coming.key)
    await keep(ctx, "issuer", coming.issuer)


def begun(carried: Carried, issuer: str, names: tuple[str, ...]) -> Coming | None:
    """One that was begun for the same and is not finished: its key was signed by nobody, or by this order alone."""
    coming = carried.coming
    if coming is None or coming.chain or (coming.issuer, coming.names) != (issuer, names):
        return None
    return coming
