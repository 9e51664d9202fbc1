"""Runs `castle` as a user would and reads what it prints."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parent.parent
DEFINITION = ROOT / "examples/here/castle.yaml"
NAME = "here"
TESTBED = ROOT / "testbed"


def run(*argv: str | Path, env: dict[str, str] | None = None) -> str:
    """Runs a command to its end and gives its standard output; what it says on standard error is shown.

    Raises:
        subprocess.CalledProcessError: it ended with an error.
    """
    words = [str(word) for word in argv]
    merged = {**os.environ, **(env or {})}
    done = subprocess.run(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, env=merged, text=True, check=True)
    return done.stdout


def castle(verb: str, *words: str) -> str:
    """One verb on the example castle."""
    return run("castle", verb, "-f", DEFINITION, *words)


def cpu(*argv: str) -> tuple[float, float]:
    """Processor time and wall time of one command, in seconds."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    run(*argv)
    wall, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, wall


def address(service: str = "database") -> str:
    """Where a service of the standing castle answers, as HOST:PORT."""
    status = subprocess.run(
        ["castle", "status", "-f", DEFINITION, "--json"], capture_output=True, text=True, check=False
    )  # 8 is an alarm, not a failure
    return str(json.loads(status.stdout)["addresses"][service])


def as_user(*argv: str | Path) -> list[str]:
    """The command line that runs a command with the application user's password in its environment."""
    return [sys.executable, str(TESTBED / "with_password.py"), "-f", str(DEFINITION), "--", *map(str, argv)]


def fill(megabytes: int) -> None:
    """Gives the castle's database that much data, unless it has it."""
    program = (sys.executable, TESTBED / "fill.py", "--address", address(), "--megabytes", str(megabytes))
    sys.stderr.write(run(*as_user(*program)))


@contextmanager
def writer() -> Iterator[None]:
    """A writer on the castle's database, judged at the end.

    Raises:
        subprocess.CalledProcessError: a row was lost.
    """
    with TemporaryDirectory(prefix="castle-bench-") as work:
        log, stop, where = Path(work, "acknowledged"), Path(work, "stop"), Path(work, "address")
        where.write_text(address(), encoding="utf-8")
        target: list[str | Path] = ["--address", f"@{where}", "--log", log]
        argv = as_user(sys.executable, TESTBED / "writer.py", *target, "--stop-file", stop)
        process = subprocess.Popen(argv, stdout=subprocess.DEVNULL)
        try:
            yield
            where.write_text(address(), encoding="utf-8")
        finally:
            stop.touch()
            process.wait(timeout=30)
        sys.stderr.write(run(*as_user(sys.executable, TESTBED / "judge.py", *target)))


def rebirth() -> dict[str, Any]:
    """One planned rebirth; gives its report."""
    castle("rebirth", "--prove", "--confirm", NAME, "--progress", "none")
    return dict(json.loads(castle("report", "--json")))


def span(first: str, last: str) -> float:
    """Seconds of the last run from the start of one step to the end of another."""
    begun = ended = 0.0
    for line in castle("logs", "--json").splitlines():
        event = json.loads(line)
        if event.get("kind") == "step.started" and event["step"] == first and not begun:
            begun = event["at"]
        if event.get("kind") == "step.finished" and event["step"] == last:
            ended = event["at"]
    if not begun or not ended:
        raise ValueError(f"the last run has no steps {first} and {last}")
    return ended - begun
