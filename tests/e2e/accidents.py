"""What happens to castles: their runner is killed at a certain event, the computer under them is started anew."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from ephemeral_castle.journal.reader import JournalReader
from ephemeral_castle.model.events import Event, Kind, RunStatus
from tests.e2e.castles import TestCastle

LOOK = 0.01  # seconds between looks into the journal


@dataclass(frozen=True)
class Moment:
    """When a runner is killed: at the first event of a kind and step, or `later` seconds after it.

    `what`: the intent, where a step announces several.
    """

    step: str
    kind: Kind = Kind.STEP_FINISHED
    later: float = 0.0
    what: str = ""

    def __str__(self) -> str:
        return f"{self.kind.value} {self.step}{f' + {self.later} s' if self.later else ''}"

    def is_it(self, event: Event) -> bool:
        """Whether it has come."""
        named = not self.what or event.data.get("what") == self.what
        good = event.kind is not Kind.STEP_FINISHED or event.data.get("state") == "done"
        return event.step == self.step and event.kind is self.kind and named and good


class BrokenRun:
    """A run whose runner is killed again and again."""

    def __init__(self, castle: TestCastle, verb: str = "rebirth", *args: str) -> None:
        self.castle = castle
        self.id = castle.run(verb, *args, "--confirm", castle.name, "--detach").stdout.split()[0]
        self.seen = 0
        self.viewers: list[subprocess.Popen[str]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for viewer in self.viewers:  # each has lost its runner; a busy computer is slow to let it notice
            viewer.kill()
            viewer.wait()
            if viewer.stdout is not None:
                viewer.stdout.close()

    @property
    def journal(self) -> Path:
        """The castle's journal."""
        return self.castle.here.base / "state" / self.castle.name / "journal.db"

    def events(self, after: int = 0) -> list[Event]:
        """What was written so far."""
        with JournalReader(self.journal) as reader:
            return reader.events(self.id, after)

    @property
    def status(self) -> RunStatus:
        """How the run stands."""
        with JournalReader(self.journal) as reader:
            return reader.run(self.id).status

    def kill_at(self, moment: Moment, seconds: float = 60) -> None:
        """Kills the runner (SIGKILL) when the moment has come; fails the test when it does not come."""
        deadline = time.monotonic() + seconds
        pid = 0
        while time.monotonic() < deadline:
            for event in self.events(self.seen):
                self.seen = event.seq
                if event.kind is Kind.RUN_STARTED:
                    pid = int(event.data["pid"])
                if event.kind is Kind.RUN_FINISHED:
                    raise AssertionError(f"{moment} did not come, the run ended\n{self._last_words()}")
                if moment.is_it(event):
                    time.sleep(moment.later)
                    end(pid)
                    self.seen = max((late.seq for late in self.events(self.seen)), default=self.seen)
                    return
            time.sleep(LOOK)
        raise AssertionError(f"{moment} did not come within {seconds} s\n{self._last_words()}")

    def kill_when(self, it_is_so: Callable[[], bool], seconds: float = 60) -> None:
        """Kills the runner when something outside of the journal is so."""
        deadline = time.monotonic() + seconds
        while not it_is_so():
            assert time.monotonic() < deadline, f"it was never so\n{self._last_words()}"
            time.sleep(LOOK)
        end(next(int(e.data["pid"]) for e in reversed(self.events()) if e.kind is Kind.RUN_STARTED))
        self.seen = max(event.seq for event in self.events())

    def _last_words(self) -> str:
        """The last events, the runner's log and what the viewers said."""
        events = [f"{event.step} {event.kind.value} {json.dumps(dict(event.data))[:200]}" for event in self.events()]
        log = self.journal.parent / "runs" / self.id / "runner.log"
        said = [viewer.communicate()[0] for viewer in self.viewers if viewer.poll() is not None]
        return "\n".join([*events[-40:], log.read_text()[-2000:], *said])

    def resume(self) -> None:
        """Starts `castle resume` and leaves it alone."""
        command = [str(Path(sys.executable).with_name("castle")), "resume", "-f", str(self.castle.file)]
        self.viewers.append(
            subprocess.Popen(
                [*command, "--progress", "none"],
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                env=self.castle.here.env(),
            )
        )

    def through(self, moments: Sequence[Moment], after: Callable[[Moment], None] = lambda _: None) -> None:
        """Kills the runner at each of the moments, does `after`, resumes; at last to the end, which must be good."""
        for moment in moments:
            if moment is not moments[0]:
                self.resume()
            self.kill_at(moment)
            after(moment)
        self.castle.run("resume", self.id)

    def acted(self) -> dict[str, int]:
        """How often each step of effect `irreversible` ended by its act."""
        with JournalReader(self.journal) as reader:
            plan = reader.plan(self.id)
        found: dict[str, int] = {}
        for event in self.events():
            if event.kind is Kind.STEP_FINISHED and event.data.get("how") == "acted":
                step = plan.by_id[event.step]
                if step.effect.value == "irreversible":
                    found[step.id] = found.get(step.id, 0) + 1
        return found


def end(pid: int) -> None:
    """Kills one process and waits until it is gone; its children are left alone."""
    assert pid > 1
    os.kill(pid, signal.SIGKILL)
    while alive(pid):
        time.sleep(LOOK)


def alive(pid: int) -> bool:
    """Whether a process runs (a zombie does not)."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] not in {"Z", "X"}


def reboot(castle: TestCastle) -> None:
    """What a power cut and a start of the computer do to a castle: every process and everything in memory is gone."""
    (runtime,) = (castle.here.base / "run").iterdir()
    containers = castle.podman("ps", "-q", "--no-trunc").stdout.split()
    # The first processes of machines: all that is inside dies with them.
    first = {int(pid) for pid in castle.podman("ps", "--format", "{{.Pid}}").stdout.split()}
    files = [*runtime.glob("forward/*.forward.pid"), *runtime.glob("treasury/treasury.pid")]
    servers = {int(json.loads(file.read_text())["pid"]) for file in files}
    netns = Path("/run/netns") / f"castle-{runtime.name}"
    inodes = {(runtime / "mnt").stat().st_ino, netns.stat().st_ino}
    # Those around machines go first: they would note down the end of what they watch, which no power cut lets them do.
    while victims := _inside(inodes) | {pid for pid in first | servers if alive(pid)}:
        for pid in sorted(victims, key=lambda pid: pid in first):
            assert pid > 1
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(LOOK)
    for container in containers:
        _forget_cgroups(container)
    subprocess.run(["umount", runtime / "mnt"], check=True)
    subprocess.run(["umount", "-l", runtime], check=True)
    subprocess.run(["ip", "netns", "del", netns.name], check=True)
    shutil.rmtree(runtime)


def _inside(inodes: set[int]) -> set[int]:
    """Living processes in any of these namespaces."""
    found = set()
    for process in Path("/proc").iterdir():
        with contextlib.suppress(OSError, ValueError):
            spaces = {(process / "ns" / kind).stat().st_ino for kind in ("net", "mnt")}
            if spaces & inodes and alive(int(process.name)):
                found.add(int(process.name))
    return found


def _forget_cgroups(container: str) -> None:
    """Those of a machine and of what ran inside: a reboot takes them, too, and runc trips over what is left of them."""
    # Other castles come and go meanwhile: os.walk passes over a group that vanishes, glob does not.
    above = [Path(top) for top, names, _ in os.walk("/sys/fs/cgroup") if f"libpod-{container}" in names]
    for top in above:
        for folder, _, _ in os.walk(top / f"libpod-{container}", topdown=False):
            Path(folder).rmdir()


def belongings(castle: TestCastle) -> dict[str, list[str]]:
    """All containers and volumes in the castle's own podman, by name."""
    return {
        "containers": sorted(castle.podman("ps", "-a", "--format", "{{.Names}}").stdout.split()),
        "volumes": sorted(castle.podman("volume", "ls", "--format", "{{.Name}}").stdout.split()),
    }


def of_life(castle: TestCastle, life: int) -> dict[str, list[str]]:
    """What `belongings` gives for a castle that stands with nothing else beside it."""
    names = [f"{castle.name}-{life}-{machine}" for machine in (421, 431, 432)]
    return {"containers": names, "volumes": names}


def timeline(castle: TestCastle, life: int) -> int:
    """PostgreSQL's timeline: it grows by one with every promotion."""
    return int(castle.sql("select timeline_id from pg_control_checkpoint()", life=life, database="postgres"))


def alarms(castle: TestCastle) -> list[dict[str, Any]]:
    """What `castle status` warns of, and the next command."""
    found: list[dict[str, Any]] = castle.data("status")["alarms"]
    return found
