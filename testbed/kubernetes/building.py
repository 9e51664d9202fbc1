"""Builds programs, each once: what is in the cache is taken as it is, what is not is built and then put there whole."""

from __future__ import annotations

import contextlib
import fcntl
import os
import resource
import shutil
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from . import ready
from .places import CACHE, ROOT, STORE, Trouble, say
from .programs import PROGRAMS, Program

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

BEAT = 15.0  # seconds between two lines that say that the compiler is still at work
AT_ONCE = "2"  # compilers; more only take memory from each other
NEEDED = "1.26.0"  # what the go.mod files ask for
LINES = 20  # of a compiler's complaint that are shown


@dataclass(frozen=True)
class Go:
    """The Go that builds.

    Attributes:
        path: of the program `go`.
        minor: its version, as `1.26`: a newer patch does not make old programs worthless.
    """

    path: str
    minor: str

    def variables(self) -> dict[str, str]:
        """The environment of a build: no C compiler, no other Go, and no trace in the home of a computer without Go."""
        fixed = {"CGO_ENABLED": "0", "GOTOOLCHAIN": "local", "GOWORK": "off"}
        if self.ours:
            room = STORE / "go"
            fixed |= {"GOPATH": str(room / "path"), "GOCACHE": str(room / "cache"), "GOFLAGS": "-modcacherw"}
        return {**os.environ, **fixed}

    @property
    def ours(self) -> bool:
        """Whether it lies in the cache of castle, where scripts/go put it."""
        return Path(self.path).is_relative_to(CACHE)


def find_go() -> Go:
    """The Go of this computer, or one that scripts/go fetches.

    Raises:
        Trouble: there is none, and none can be had.
    """
    found = subprocess.run([ROOT / "scripts/go", NEEDED], stdout=subprocess.PIPE, text=True, check=False)
    if found.returncode != 0:
        raise Trouble(f"there is no Go >= {NEEDED} here, and none could be installed", "look at the lines above")
    path = found.stdout.strip()
    version = subprocess.run([path, "env", "GOVERSION"], capture_output=True, text=True, check=True).stdout
    return Go(path, ".".join(version.strip().removeprefix("go").split(".")[:2]))


def present(programs: Sequence[Program], minor: str) -> dict[str, Path]:
    """Those that are built already: name to file."""
    return {each.name: path for each in programs if (path := each.target(minor)).exists()}


def build(programs: Sequence[Program], go: Go) -> dict[str, Path]:
    """All of them, built where they are missing: name to file.

    Raises:
        Trouble: one could not be built. What was built until then stays.
    """
    missing = [each for each in programs if not each.target(go.minor).exists()]
    if missing:
        pole = max(missing, key=lambda each: each.cpu)
        seconds = sum(each.cpu for each in missing)
        say(f"{len(missing)} of {len(programs)} programs to build, {seconds} CPU-s; the long pole is {pole.name}")
    begun = time.monotonic()
    for number, program in enumerate(missing, start=1):
        _build_one(program, go, f"{number} of {len(missing)}", begun)
    if go.ours and len(present(PROGRAMS, go.minor)) == len(PROGRAMS):
        shutil.rmtree(STORE / "go", ignore_errors=True)  # 10 GB that nothing needs any more
    return present(programs, go.minor)


def _build_one(program: Program, go: Go, count: str, begun: float) -> None:
    target = program.target(go.minor)
    target.parent.mkdir(parents=True, exist_ok=True)
    with _alone(target.parent):
        if target.exists():  # another build made it while this one waited
            return
        with _room(target.parent) as room:
            made = room / program.name
            start, before = time.monotonic(), _spent()
            if not ready.take(program, made):
                _compile(program, go, made, f"{program.name} ({count})", begun)
            _ask(program, made)
            made.replace(target)
            took = f"{time.monotonic() - start:.1f} s, {_spent() - before:.0f} CPU-s, {_megabytes(target)} MB"
            say(f"{program.name} {program.version} built ({count}): {took}")


def _compile(program: Program, go: Go, made: Path, what: str, begun: float) -> None:
    """Runs the compiler, and says so every 15 seconds."""
    flags = ["-mod=readonly", "-trimpath", "-buildvcs=false", f"-ldflags={program.ldflags}"]
    # The kernel ends the compiler with its parent: an interrupt may come before Popen returned, or be a kill -9.
    bound = ["setpriv", "--pdeathsig", "TERM"]
    command = [*bound, go.path, "build", "-p", AT_ONCE, *flags, "-o", str(made), program.package]
    log = made.with_suffix(".log")
    with log.open("wb") as said:
        compiler = subprocess.Popen(
            command, cwd=program.directory, env=go.variables(), stdin=subprocess.DEVNULL, stdout=said, stderr=said
        )
        try:
            while True:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    status = compiler.wait(BEAT)
                    break
                say(f"{time.monotonic() - begun:.0f} s: still at work on {what}")
        finally:
            if compiler.poll() is None:  # an interrupt: nothing goes on compiling unseen
                compiler.terminate()
                compiler.wait()
    if status != 0:
        complaint = [line for line in log.read_text(errors="replace").splitlines() if "go: downloading" not in line]
        raise Trouble(
            f"{program.name} {program.version} could not be built in {program.directory}:\n"
            + "\n".join(complaint[-LINES:]),
            "what is compiled stays in Go's cache; the same command goes on from there",
        )


def _ask(program: Program, made: Path) -> None:
    """A program that does not run, or that names another version, never reaches the cache."""
    told = subprocess.run([made, *program.asked], capture_output=True, text=True, check=False, timeout=60)
    expected = program.told or program.version.removeprefix("v")
    if expected not in told.stdout + told.stderr:
        said = (told.stdout + told.stderr).strip()[:400]
        raise Trouble(f"the {program.name} that was built does not name {expected}; it says: {said}")


@contextlib.contextmanager
def _alone(directory: Path) -> Iterator[None]:
    """One compiler at a time on this computer: a second build waits for a program, and takes it."""
    with (directory / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("another build is running; waiting for its program")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def _room(directory: Path) -> Iterator[Path]:
    """A directory for one build; those that killed builds left are removed: whoever has the lock is alone."""
    for left in directory.glob("build.*"):
        shutil.rmtree(left, ignore_errors=True)
    room = Path(tempfile.mkdtemp(prefix="build.", dir=directory))
    try:
        yield room
    finally:
        shutil.rmtree(room, ignore_errors=True)


def _spent() -> float:
    """CPU-seconds of all commands that ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _megabytes(path: Path) -> int:
    return round(path.stat().st_size / 1e6)
