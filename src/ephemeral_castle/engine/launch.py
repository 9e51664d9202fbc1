"""Starts the process that owns a run, so that it outlives the terminal."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path


def launch(run: str, state: Path, arguments: list[str]) -> int:
    """Starts a detached runner and gives its pid.

    Its output goes to `STATE/runs/RUN/runner.log`; it has a session of its own, so closing the terminal (SIGHUP)
    does not reach it.
    """
    folder = state / "runs" / run
    folder.mkdir(parents=True, exist_ok=True)
    log = (folder / "runner.log").open("ab")
    with log:
        process = subprocess.Popen(
            [sys.executable, "-m", "ephemeral_castle.cli.runner", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            cwd="/",
        )
    return process.pid
