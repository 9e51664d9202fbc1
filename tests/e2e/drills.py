"""What a drill must not touch, and what it must not leave; a drill whose runner is killed."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

from tests.e2e.accidents import BrokenRun, belongings, of_life
from tests.e2e.castles import Computer, TestCastle


class BrokenDrill(BrokenRun):
    """A drill whose runner is killed."""

    def __init__(self, castle: TestCastle, *args: str) -> None:
        self.castle = castle
        self.id = castle.run("drill", *args, "--detach").stdout.split()[0]
        self.seen = 0
        self.viewers = []

    @property
    def journal(self) -> Path:
        """That of the castle's drills."""
        return self.castle.here.base / "state" / self.castle.name / "drills.db"


def footing(castle: TestCastle, life: int) -> dict[str, object]:
    """What a drill must not touch: machines, volumes, the namespace and the doors of the castle."""
    machines = castle.podman("ps", "--no-trunc", "--format", "{{.ID}} {{.Names}} {{.StartedAt}}").stdout.split("\n")
    inside = {
        machine: castle.podman("exec", machine, "podman", "ps", "--no-trunc", "--format", "{{.ID}} {{.StartedAt}}")
        for machine in of_life(castle, life)["containers"]
    }
    (runtime,) = (path for path in (castle.here.base / "run").iterdir() if "-drill-" not in path.name)
    doors = {file.name: file.read_text() for file in sorted((runtime / "forward").glob("*.forward.pid"))}
    return {
        "machines": sorted(machines),
        "inside": {machine: result.stdout for machine, result in inside.items()},
        "volumes": belongings(castle)["volumes"],
        "namespace": (Path("/run/netns") / f"castle-{runtime.name}").stat().st_ino,
        "doors": doors,
        "addresses": castle.data("status")["addresses"],
    }


def traces(castle: TestCastle, on: Computer | None = None) -> list[str]:
    """All that is left of drills on a computer: namespaces, directories, processes, mounts."""
    base = (on or castle.here).base
    spaces = [path.name for path in Path("/run/netns").iterdir() if castle.name[:20] in path.name]
    folders = [str(path) for part in ("state", "run") for path in (base / part).glob("*")]
    running = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout.splitlines()
    mounts = Path("/proc/mounts").read_text().splitlines()
    return [text for text in [*spaces, *folders, *running, *mounts] if "drill" in text and castle.name in text]


def record(castle: TestCastle) -> dict[str, Any]:
    """castle.json as it lies in the treasury."""
    base = castle.here.base / "state" / f"{castle.name}.treasury/store"
    (path,) = base.rglob("castle.json")
    found: dict[str, Any] = json.loads(path.read_text())
    return found
