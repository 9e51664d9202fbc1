"""Podman on the machine, and what is kept there of one layer."""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import time
from pathlib import Path
from typing import Any, TextIO

HOME = Path(os.environ.get("CASTLE_COMPOSE", "/run/castle/compose"))
LABEL = "com.docker.compose.project.working_dir"
PROJECT = "com.docker.compose.project"
SERVICE = "com.docker.compose.service"
LATE = 124  # exit status of what was ended because its time was up, as timeout(1) has it

Json = dict[str, Any]


class Broken(Exception):
    """What stopped the work, for people."""


def podman(*args: str, timeout: float = 120.0) -> subprocess.CompletedProcess[str]:
    """Runs podman."""
    return run("podman", *args, timeout=timeout)


def run(*argv: str, timeout: float = 120.0) -> subprocess.CompletedProcess[str]:
    """Runs a program; standard input is closed, since it would read what is meant for others."""
    try:
        return subprocess.run(
            argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=timeout
        )
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(argv, LATE, "", f"no answer within {timeout:g} s")
    except FileNotFoundError as error:
        return subprocess.CompletedProcess(argv, 127, "", str(error))


def last(text: str, lines: int = 3) -> str:
    """The last lines, without what podman says for want of systemd."""
    noise = ("failed to connect to syslog", "systemd connection to")
    kept = [line for line in text.strip().splitlines() if line.strip() and not any(word in line for word in noise)]
    return " / ".join(kept[-lines:])


def standing(of: str = "") -> list[Json]:
    """Containers of castle's projects: name, id, layer, service, project, running, state, code, image.

    Args:
        of: folder of one project; "" for those of every layer, also of one that the definition has no more.

    Raises:
        Broken: podman does not list them.
    """
    said = podman("ps", "-a", "--no-trunc", "--filter", f"label={LABEL}={of}" if of else f"label={LABEL}",
                  "--format", "json")  # fmt: skip
    if said.returncode != 0:
        raise Broken(f"podman cannot list containers: {last(said.stderr)}")
    return [described(item) for item in json.loads(said.stdout or "[]") or [] if layer_of(item)]


def layer_of(item: Json) -> str:
    """The layer whose project a container belongs to; "" for one that is not castle's."""
    folder = Path(item["Labels"].get(LABEL, ""))
    return folder.name if folder.parent == HOME else ""


def described(item: Json) -> Json:
    """What is kept of podman's words on a container."""
    return {
        "name": item["Names"][0],
        "id": item["Id"],
        "layer": layer_of(item),
        "service": item["Labels"].get(SERVICE, ""),
        "project": item["Labels"].get(PROJECT, ""),
        "running": item["State"] == "running",
        "state": item["State"],
        "code": item.get("ExitCode", 0),
        "image": item.get("Image", ""),
    }


class Layer:
    """One layer's project on this machine."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.project = HOME / name
        self.beside = HOME / f".{name}"
        self.turn = f"{os.getpid()}-{time.time_ns()}"

    def lock(self) -> TextIO:
        """One hand at a time: another that a broken run left behind is waited for, and told to end."""
        self.beside.mkdir(parents=True, exist_ok=True, mode=0o700)
        HOME.chmod(0o700)
        self.keep("turn", {"of": self.turn})
        stream = (self.beside / "lock").open("w")
        fcntl.flock(stream, fcntl.LOCK_EX)
        return stream

    def check_turn(self) -> None:
        """Raises Broken when another hand has come since: whoever asked this one is gone."""
        if self.kept("turn").get("of") != self.turn:
            raise Broken("another run has taken over")

    def kept(self, name: str) -> Json:
        """What was kept beside the project; {} when there is none."""
        try:
            found: Json = json.loads((self.beside / name).read_text())
        except (OSError, ValueError):
            return {}
        return found

    def keep(self, name: str, value: Json) -> None:
        """Keeps it, whole or not at all."""
        new = self.beside / f"{name}.new"
        new.write_text(json.dumps(value))
        new.rename(self.beside / name)

    def forget(self, name: str) -> None:
        """Removes it."""
        (self.beside / name).unlink(missing_ok=True)

    def containers(self) -> list[Json]:
        """Every container of the project; see `standing`."""
        return standing(str(self.project))

    def inspected(self, names: list[str]) -> dict[str, Json]:
        """What podman knows of containers, by name."""
        if not names:
            return {}
        said = podman("inspect", "--type", "container", *names)
        if said.returncode != 0:
            raise Broken(f"podman cannot look at containers: {last(said.stderr)}")
        return {item["Name"]: item for item in json.loads(said.stdout)}
