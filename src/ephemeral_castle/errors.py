"""What can go wrong, as the person at the terminal must read it.

CastleError
├── Transient          try again: the network, a server that restarts
│   └── Unreachable    nothing answered
├── Permanent          trying again changes nothing
│   ├── Denied         the other side knows us and says no (403, wrong key)
│   ├── NotFound       the other side answered: it is not there
│   ├── Conflict       somebody else was first (HTTP 412, a lease that is held)
│   └── Damaged        it is there and cannot be read (cipher, checksum)
├── Refused            a safety gate says no; nothing was changed
├── DefinitionInvalid  castle.yaml has errors (carries diagnostics)
├── UsageError         the command line is wrong
└── NeedsConfirmation  the castle's name must be typed, or given by --confirm

Any other exception is a bug of ours and is reported as one.
"""

from __future__ import annotations


class CastleError(Exception):
    """Base of all errors meant for people.

    Args:
        message: one line, lower case, no full stop: what failed.
        where: layer, step, file or host where it failed.
        why: the cause, as exact as it is known.
        state: what state the world is in now.
        hints: what to do next; the last one is the next command.
    """

    exit_code = 4

    def __init__(
        self,
        message: str,
        *,
        where: str = "",
        why: str = "",
        state: str = "",
        hints: tuple[str, ...] | list[str] = (),
    ) -> None:
        super().__init__(message)
        self.message = message
        self.where = where
        self.why = why
        self.state = state
        self.hints = tuple(hints)

    def as_dict(self) -> dict[str, object]:
        """The same content for JSON output and for the journal."""
        return {
            "error": type(self).__name__,
            "code": self.exit_code,
            "message": self.message,
            "where": self.where,
            "why": self.why,
            "state": self.state,
            "hints": list(self.hints),
        }


class Transient(CastleError):
    """May pass by itself.

    Args:
        message, where, why, state, hints: as for every error.
        retry_after: seconds to wait before the next try, None = the step's own policy.
        patience: seconds for which it is tried again, however few tries the step has: what is known to take a while.
    """

    def __init__(
        self,
        message: str,
        *,
        where: str = "",
        why: str = "",
        state: str = "",
        hints: tuple[str, ...] | list[str] = (),
        retry_after: float | None = None,
        patience: float = 0.0,
    ) -> None:
        super().__init__(message, where=where, why=why, state=state, hints=hints)
        self.retry_after = retry_after
        self.patience = patience


class Unreachable(Transient):
    """Nothing answered; says nothing about what is there."""


class Permanent(CastleError):
    """Trying again changes nothing."""


class Denied(Permanent):
    """The other side answered and refused our credentials or rights."""


class NotFound(Permanent):
    """The other side answered, with rights to see it, that it does not exist."""


class Conflict(Permanent):
    """A conditional write lost, or something is already held by another."""


class Damaged(Permanent):
    """It exists and cannot be read: wrong cipher pass, broken checksum, truncated."""


class Refused(CastleError):
    """A safety gate closed. Nothing was destroyed."""

    exit_code = 9


class DefinitionInvalid(CastleError):
    """The definition has errors. `diagnostics`: the rendered texts, most important first."""

    exit_code = 3

    def __init__(self, message: str, diagnostics: tuple[str, ...] = (), hints: tuple[str, ...] = ()) -> None:
        super().__init__(message, hints=hints)
        self.diagnostics = diagnostics

    def as_dict(self) -> dict[str, object]:
        """Adds the diagnostics."""
        return {**super().as_dict(), "diagnostics": list(self.diagnostics)}


class UsageError(CastleError):
    """The command line does not make sense."""

    exit_code = 2


class NeedsConfirmation(CastleError):
    """An irreversible verb was called without the castle's name."""

    exit_code = 7


class NoSuchRun(CastleError):
    """No castle or run of that name is known on this computer."""

    exit_code = 10


class Busy(Conflict):
    """Another runner holds this castle."""

    exit_code = 11
