"""What the exit status of `castle` means. The reference page is written from this table."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass


@dataclass(frozen=True)
class ExitCode:
    """One status: its number, its meaning, what a script should do, and the version that added it."""

    code: int
    meaning: str
    advice: str
    since: str = "0.1.0"


TABLE = (
    ExitCode(0, "done and verified", "nothing"),
    ExitCode(1, "unexpected error, a bug of castle", "report it with the file that the message names"),
    ExitCode(2, "the command line makes no sense", "read `castle VERB --help`"),
    ExitCode(
        3,
        "the definition has errors, or `check` found something as bad as --fail-on says",
        "mend it; every finding is shown with its line, `castle explain RULE` tells more",
    ),
    ExitCode(4, "a step failed, or the run was stopped or cancelled", "read the hints; often `castle resume`"),
    ExitCode(
        5, "everything was done, but the verification failed", "read `castle report`; do not trust the castle yet"
    ),
    ExitCode(6, "done and verified, but over budget (only with --enforce-budget)", "look at the critical path"),
    ExitCode(7, "confirmation needed: the castle's name was not given", "run the command that the message names"),
    ExitCode(8, "doctor found a blocking problem, or status raised an alarm", "run the command after each finding"),
    ExitCode(9, "a safety gate refused; nothing was destroyed", "read why; the gate names the way out"),
    ExitCode(10, "no such castle or run on this computer", "look at `castle runs`"),
    ExitCode(11, "another run holds this castle", "`castle watch` or `castle cancel`, or wait"),
    ExitCode(
        12,
        "status or plan could not look at everything, and what it saw raised no alarm",
        "read the lines `not seen`; whether the castle is well is not known",
    ),
    ExitCode(
        13,
        "`check --strict`: nothing that bad was found, but something was not looked into",
        "read the lines `not looked into`; each says what would let castle look",
    ),
    ExitCode(130, "interrupted; only the viewer ended, a run goes on", "`castle watch` comes back to it"),
)
MEANING = {entry.code: entry for entry in TABLE}

OK, BUG, USAGE, FOUND, FAILED, UNVERIFIED, OVER_BUDGET = 0, 1, 2, 3, 4, 5, 6
UNCONFIRMED, ALARM, REFUSED, UNSEEN, UNCHECKED, INTERRUPTED = 7, 8, 9, 12, 13, 130

ALWAYS = (0, 1, 2, 3)  # any verb may end so
ON_RUNS = (4, 5, 9, 10, 11, 130)


def as_markdown() -> str:
    """The page `docs/reference/exit-codes.md`."""
    lines = [
        "# Exit codes",
        "",
        "Written from `ephemeral_castle.cli.exit_codes` by `python -m ephemeral_castle.cli.reference`.",
        "",
        "A status that is not in this table means failure. Numbers never change their meaning.",
        "",
        "| code | meaning | what to do | since |",
        "|---|---|---|---|",
    ]
    for entry in TABLE:
        code, meaning, advice, since = dataclasses.astuple(entry)
        lines.append(f"| {code} | {meaning} | {advice} | {since} |")
    return "\n".join(lines) + "\n"
