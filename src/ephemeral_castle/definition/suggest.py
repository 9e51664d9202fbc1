"""Near misses: "did you mean"."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_LONGEST = 64  # difflib is quadratic; nobody misspells a longer name


def did_you_mean(word: str, known: Iterable[str], *, what: str = "known") -> tuple[str, ...]:
    """Hints for a word that is not among the known ones: the nearest, or all of them when none is near.

    Args:
        word: what was written.
        known: what could have been written.
        what: how to call the known ones when listing them ("known keys").
    """
    names = list(known)
    folded = {name.lower().replace("_", "-"): name for name in names}
    asked = word[:_LONGEST].lower().replace("_", "-")
    near = difflib.get_close_matches(asked, folded, n=1, cutoff=0.6)
    if near:
        return (f"did you mean `{folded[near[0]]}`?",)
    if not names:
        return ()
    shown = ", ".join(f"`{name}`" for name in names[:20])
    return (f"{what}: {shown}{', ...' if len(names) > 20 else ''}",)
