"""Runs `castle` as a user would and reads what it prints."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parent.parent
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


def cpu(*argv: str) -> tuple[float, float]:
    """Processor time and wall time of one command, in seconds."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    run(*argv)
    wall, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, wall


@dataclass(frozen=True)
class Bench:
    """One castle to measure, by its definition and its name."""

    file: Path
    name: str

    def castle(self, verb: str, *words: str) -> str:
        """One verb."""
        return run("castle", verb, "-f", self.file, *words)

    def status(self) -> dict[str, Any]:
        """What `castle status` sees; empty when it cannot look."""
        command = ["castle", "status", "-f", str(self.file), "--json"]
        said = subprocess.run(command, capture_output=True, text=True, check=False).stdout  # 8 is an alarm, no failure
        return dict(json.loads(said)) if said.strip() else {}

    @contextmanager
    def standing(self) -> Iterator[None]:
        """The castle stands; one that did not before is removed at the end."""
        stood = self.status().get("state") == "up"
        if not stood:
            self.castle("raise", "--new", "--confirm", self.name, "--progress", "none")
        try:
            yield
        finally:
            if not stood:
                self.castle("down", "--confirm", self.name, "--progress", "none")
                Path(f"/etc/castle/{self.name}.key").unlink(missing_ok=True)
                with suppress(OSError):
                    Path("/etc/castle").rmdir()

    def address(self, service: str = "database") -> str:
        """Where a service of the standing castle answers, as HOST:PORT."""
        return str(self.status()["addresses"][service])

    def as_user(self, *argv: str | Path) -> list[str]:
        """The command line that runs a command with the application user's password in its environment."""
        return [sys.executable, str(TESTBED / "with_password.py"), "-f", str(self.file), "--", *map(str, argv)]

    def fill(self, megabytes: int) -> None:
        """Gives the castle's database that much data, unless it has it."""
        program = (sys.executable, TESTBED / "fill.py", "--address", self.address(), "--megabytes", str(megabytes))
        sys.stderr.write(run(*self.as_user(*program)))

    @contextmanager
    def writer(self) -> Iterator[None]:
        """A writer on the castle's database, judged at the end.

        Raises:
            subprocess.CalledProcessError: a row was lost.
        """
        with TemporaryDirectory(prefix="castle-bench-") as work:
            log, stop, where = Path(work, "acknowledged"), Path(work, "stop"), Path(work, "address")
            where.write_text(self.address(), encoding="utf-8")
            target: list[str | Path] = ["--address", f"@{where}", "--log", log]
            argv = self.as_user(sys.executable, TESTBED / "writer.py", *target, "--stop-file", stop)
            process = subprocess.Popen(argv, stdout=subprocess.DEVNULL)
            try:
                yield
                where.write_text(self.address(), encoding="utf-8")
            finally:
                stop.touch()
                process.wait(timeout=30)
            sys.stderr.write(run(*self.as_user(sys.executable, TESTBED / "judge.py", *target)))

    def rebirth(self) -> dict[str, Any]:
        """One planned rebirth; gives its report."""
        self.castle("rebirth", "--prove", "--confirm", self.name, "--progress", "none")
        return dict(json.loads(self.castle("report", "--json")))

    def span(self, first: str, last: str) -> float:
        """Seconds of the last run from the start of one step to the end of another."""
        begun = ended = 0.0
        for line in self.castle("logs", "--json").splitlines():
            event = json.loads(line)
            if event.get("kind") == "step.started" and event["step"] == first and not begun:
                begun = event["at"]
            if event.get("kind") == "step.finished" and event["step"] == last:
                ended = event["at"]
        if not begun or not ended:
            raise ValueError(f"the last run has no steps {first} and {last}")
        return ended - begun


DATABASE = Bench(ROOT / "bench/castle.yaml", "bench")
