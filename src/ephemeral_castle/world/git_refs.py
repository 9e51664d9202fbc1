"""What a name means among the branches and tags of a repository. Pure."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

from ephemeral_castle.errors import NotFound, Refused
from ephemeral_castle.model.giturl import is_full_id, is_part_of_id

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ephemeral_castle.world.git_copies import Copy

_HEADS, _TAGS, _PEELED = "refs/heads/", "refs/tags/", "^{}"
_MOST_SHOWN = 8


def find(wanted: str, refs: Mapping[str, str], where: str) -> str:
    """The whole name of a branch or tag; a whole commit id stays as it is.

    Args:
        wanted: as a person wrote it.
        refs: whole name -> id, as the host told.
        where: address, for messages.

    Raises:
        NotFound: there is no such branch or tag. Refused: there are both.
    """
    if is_full_id(wanted):
        return wanted
    found = [name for name in (wanted, f"{_HEADS}{wanted}", f"{_TAGS}{wanted}") if name in refs]
    if len(found) > 1:
        raise Refused(
            f"`{wanted}` is a branch and a tag",
            where=where,
            state="nothing was changed",
            hints=[f"write `{found[0]}` or `{found[1]}`"],
        )
    if found:
        return found[0]
    raise NotFound(
        f"the repository has no branch and no tag `{wanted}`",
        where=where,
        why="the host answered, and it is not in its list",
        state="nothing was changed",
        hints=_hints(wanted, refs),
    )


def _hints(wanted: str, refs: Mapping[str, str]) -> list[str]:
    if is_part_of_id(wanted):
        return ["a commit is named by all 40 characters of its id"]
    names = sorted({_short(name) for name in refs if not name.endswith(_PEELED)})
    if not names:
        return ["the repository is empty: push the branch first"]
    near = difflib.get_close_matches(wanted, names, n=3, cutoff=0.6)
    if near:
        return [f"did you mean `{'`, `'.join(near)}`?"]
    more = f" and {len(names) - _MOST_SHOWN} more" if len(names) > _MOST_SHOWN else ""
    return [f"it has {', '.join(f'`{name}`' for name in names[:_MOST_SHOWN])}{more}"]


def _short(name: str) -> str:
    return name.removeprefix(_HEADS).removeprefix(_TAGS)


def no_commit(wanted: str, where: str) -> NotFound:
    """The host answered, and has no such commit."""
    return NotFound(
        f"the repository has no commit `{wanted}`",
        where=where,
        why="the host answered, and no branch and no tag leads to it",
        state="nothing was changed",
        hints=["push the commit, or name another one"],
    )


def newest_of(copies: Iterable[Copy], wanted: str) -> Copy | None:
    """The newest copy that was kept for what is wanted now: by its name, or by its commit id."""
    return next((copy for copy in copies if wanted in {copy.ref, copy.sha}), None)
