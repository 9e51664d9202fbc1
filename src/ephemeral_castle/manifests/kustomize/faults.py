"""What stops the rendering of a kustomization."""

from __future__ import annotations

from ephemeral_castle.model.finding import Mark


class Broken(Exception):
    """The kustomization is wrong: kubectl refuses it, too.

    Attributes:
        message: one line, lower case, no full stop.
        mark: where it lies.
        says: kubectl's words.
        hint: the fix; "" where there is none to tell.
    """

    def __init__(self, message: str, mark: Mark, says: str = "", hint: str = "") -> None:
        super().__init__(message)
        self.message, self.mark, self.says, self.hint = message, mark, says, hint


class NotRendered(Exception):
    """It is outside of the subset that is rendered here. `what` and `mark`: the field, and where it stands."""

    def __init__(self, what: str, mark: Mark) -> None:
        super().__init__(what)
        self.what, self.mark = what, mark
