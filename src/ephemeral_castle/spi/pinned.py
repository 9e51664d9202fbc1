"""The revision that a run works with: read, judged and kept before anything is touched, asked anew on a resume."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from ephemeral_castle.errors import CastleError, Refused
from ephemeral_castle.model.castle import Verb
from ephemeral_castle.model.step import Observation, State
from ephemeral_castle.spi.driver import Context
from ephemeral_castle.spi.world import Revision, Source

BUNDLE = "bundle"  # `Revision.source` of a commit from the copy in the treasury
MOST = 20  # findings that are told at once


@dataclass(frozen=True)
class Judged:
    """What a driver says of a commit.

    Attributes:
        wrong: errors; with one of them nothing begins.
        told: what a person should know, and no more.
    """

    wrong: Sequence[str] = ()
    told: Sequence[str] = ()


class Judge(Protocol):
    """The driver's side: what a commit must be, and what later steps need to know of it."""

    ctx: Context

    @property
    def source(self) -> Source:
        """The castle's repository."""

    def facts(self, action: str) -> Mapping[str, Any]:
        """Facts of another step of this layer."""

    async def judged(self, sha: str, *, again: bool) -> Judged:
        """What is wrong with a commit. `again`: in a run that began with another one."""

    async def facts_of(self, revision: Revision) -> Mapping[str, Any]:
        """What later steps read; see `facts_of`, which is the least."""

    def complaint(self, count: str) -> str:
        """First line of the refusal. `count`: "1 error", "3 errors"."""


async def pin(judge: Judge, ref: str) -> Observation:
    """The step's act: in a resumed run, what `ref` means now, where that can be used.

    Raises:
        Refused: the commit has errors; nothing was changed.
        CastleError: the repository does not answer, and the treasury has no copy.
    """
    before = judge.facts("source")
    if before:
        return await _again(judge, ref, before)
    revision = await judge.source.resolve(ref)
    _warn(judge, revision.notes)
    found = await judge.judged(revision.sha, again=False)
    _warn(judge, found.told)
    if found.wrong:
        raise _refusal(judge, revision.sha, found.wrong)
    await _keep(judge, revision.sha)
    return reached(await judge.facts_of(revision))


async def _again(judge: Judge, ref: str, before: Mapping[str, Any]) -> Observation:
    """Never an error: what cannot be used leaves the run with the commit that it had."""
    old = str(before["sha"])
    try:
        revision = await judge.source.resolve(ref)
        if revision.sha == old:
            _warn(judge, revision.notes)
            return reached(before)
        if revision.source == BUNDLE:
            return _stays(
                judge, before, "the repository does not answer, and its copy in the treasury is another commit"
            )
        found = await judge.judged(revision.sha, again=True)
        if found.wrong:
            return _stays(judge, before, f"commit {revision.sha[:12]} has errors: {'; '.join(most(found.wrong))}")
        await _keep(judge, revision.sha)
    except CastleError as error:
        return _stays(judge, before, f"{error.message} ({error.why})" if error.why else error.message)
    _warn(judge, [*revision.notes, *found.told])
    text = f"`{revision.wanted}` is commit {revision.sha[:12]} now ({revision.subject})"
    judge.ctx.diagnostic("info", f"{text}: the run goes on with it, no longer with {old[:12]}")
    judge.ctx.decided("another commit", text, sha=revision.sha, before=old)
    return reached(await judge.facts_of(revision))


def _stays(judge: Judge, before: Mapping[str, Any], why: str) -> Observation:
    judge.ctx.diagnostic("warning", f"the run goes on with commit {str(before['sha'])[:12]}: {why}")
    return reached(before)


def _warn(judge: Judge, texts: Sequence[str]) -> None:
    for text in texts:
        judge.ctx.diagnostic("warning", text)


async def _keep(judge: Judge, sha: str) -> None:
    if judge.ctx.request.verb is not Verb.DRILL:  # a drill writes nothing into the treasury
        await judge.source.keep(sha)


def _refusal(judge: Judge, sha: str, wrong: Sequence[str]) -> Refused:
    told = most(wrong)
    return Refused(
        judge.complaint(f"{len(wrong)} error{'s' if len(wrong) > 1 else ''}"),
        where=f"commit {sha[:12]} of the castle's repository, layer {judge.ctx.layer.id}",
        why="; ".join(told) if len(told) == 1 else "\n  ".join(["", *told]),
        state="nothing was changed",
        hints=["mend and push it", f"castle {judge.ctx.request.verb.value}"],
    )


def most(wrong: Sequence[str]) -> list[str]:
    """The first of them, and how many more there are."""
    more = [f"and {len(wrong) - MOST} more"] if len(wrong) > MOST else []
    return [*wrong[:MOST], *more]


def facts_of(revision: Revision) -> dict[str, Any]:
    """What the report says of a commit."""
    return {
        "sha": revision.sha,
        "ref": revision.wanted,
        "from": revision.source,
        "subject": revision.subject,
        "committed": revision.committed,
    }


def reached(facts: Mapping[str, Any]) -> Observation:
    """The step's goal, with the commit in a line."""
    text = f"{str(facts['sha'])[:12]} of {facts['ref']}: {facts['subject']}"
    return Observation(State.REACHED, text[:120], facts, renews=True)
