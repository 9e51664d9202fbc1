"""The events of a run. They are the run: everything shown is computed from them (see `runview`)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

VERSION = 1


class Kind(StrEnum):
    """Version 1 of the stream. Minor versions add kinds and fields; readers ignore what they do not know."""

    RUN_CREATED = "run.created"  # data: plan digest, verb, command
    RUN_STARTED = "run.started"  # data: pid, epoch, host, boot; once per runner (so again on resume)
    RUN_CANCELLING = "run.cancelling"  # data: by
    RUN_FINISHED = "run.finished"  # data: status, exit_code, error
    STEP_STARTED = "step.started"  # before the act; data: effect
    STEP_OBSERVED = "step.observed"  # data: state, detail, when ("before", "after", "recheck"), took
    STEP_INTENT = "step.intent"  # data: what is about to be created or destroyed, written first
    STEP_DECIDED = "step.decided"  # data: decision, reason, inputs
    STEP_PROGRESS = "step.progress"  # data: text, done, total
    STEP_RETRYING = "step.retrying"  # data: error, delay
    STEP_INTERRUPTED = "step.interrupted"  # found on resume: started, never finished
    STEP_FINISHED = "step.finished"  # data: state, how, facts, error, took, observed
    STEP_RENEWED = "step.renewed"  # data: facts; a finished step was made again on resume, and these hold from here on
    STEP_UNDONE = "step.undone"  # data: detail; resets the step and all that followed from it
    DIAGNOSTIC = "diagnostic"  # data: severity, text: something a person should know
    BUDGET_CROSSED = "budget.crossed"  # data: which, limit, value


class Outcome(StrEnum):
    """How a step ended."""

    DONE = "done"
    FAILED = "failed"
    REFUSED = "refused"
    CANCELLED = "cancelled"


class RunStatus(StrEnum):
    """How a run stands."""

    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    REFUSED = "refused"
    CANCELLED = "cancelled"
    STOPPED = "stopped"  # after the first deletion: safe place reached, `castle resume` goes on


@dataclass(frozen=True)
class Event:
    """One event. `at`: Unix seconds (UTC); `seq`: order within the journal, 0 before it was appended."""

    run: str
    kind: Kind
    at: float
    step: str = ""
    attempt: int = 0
    data: Mapping[str, Any] = field(default_factory=dict)
    seq: int = 0
    v: int = VERSION

    def to_json(self) -> dict[str, Any]:
        """The form of `--json` streams."""
        return {
            "v": self.v,
            "seq": self.seq,
            "run": self.run,
            "at": self.at,
            "kind": self.kind.value,
            "step": self.step,
            "attempt": self.attempt,
            "data": dict(self.data),
        }
