"""What the verbs `check` and `explain` ask for."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ephemeral_castle.cli.checking import baseline as baselines
from ephemeral_castle.cli.checking import catalogue
from ephemeral_castle.cli.checking.asked import Asked
from ephemeral_castle.cli.checking.check import Answer
from ephemeral_castle.cli.checking.check import check as look
from ephemeral_castle.cli.checking.reading import INPUT
from ephemeral_castle.errors import UsageError
from ephemeral_castle.model.checked import Checked, Explanation


def check(**asked: Any) -> Answer:
    """Looks; the words are those of `Asked`."""
    return look(Asked(**asked))


def baseline(answer: Answer, file: str, reason: str) -> str:
    """The text of a baseline with all that was found; entries that `file` holds already keep their reasons."""
    before = baselines.read(file) if Path(file).exists() else []
    return baselines.written(answer.kept, file, reason, answer.looked, before)


def mend(answer: Answer, *, apply: bool) -> tuple[str, list[str]]:
    """The diff that mends what needs no judgement, and the files that it changes; written where `apply` is set.

    Raises:
        UsageError: standard input cannot be written. Conflict: a file changed meanwhile.
    """
    from ephemeral_castle.cli.checking import mending

    after = mending.mended(answer.kept, answer.texts)
    if apply and INPUT in after:
        hints = ["castle check --fix, which prints the change"]
        raise UsageError("standard input cannot be mended in place", hints=hints)
    diff = mending.diff(answer.texts, after)
    if apply:
        mending.write(answer.texts, after)
    return diff, list(after)


def hosted(checked: Checked) -> Checked:
    """The answer for a code host: files are told from the root of their Git working tree."""
    from ephemeral_castle.cli.checking.rooted import from_root

    return from_root(checked)


def explanation(rule: str) -> Explanation:
    """What is known of a rule; UsageError where there is none of that id."""
    return catalogue.explanation(rule)


def explanations() -> Sequence[Explanation]:
    """All rules."""
    return list(catalogue.catalogue().values())
