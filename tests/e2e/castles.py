"""A real castle of a test's own: definition, directories, command line. Two of them never meet."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

DEFINITION = """\
castle: {name}
budget: {{rto: 60s, rpo: 60s}}
proof: {{max_age: {max_age}}}
treasury: {treasury}
layers:
  machines: {{role: ground}}
  database: {{role: treasures, needs: [machines]}}
  answers: {{role: proof, needs: [database]}}
sites:
  here:
    layers:
      machines:
        driver: podman
        transport: {transport}
        machines:
          control: {{id: 421, memory: 256MiB}}
          data: {{id: 431, memory: 1GiB}}
          edge: {{id: 432, memory: 256MiB}}
      database:
        driver: postgres
        machine: data
        pooler: edge
        databases: {{app: {{owner: app, init: init.sql}}}}
        users: {{app: {{}}, report: {{}}}}
        shared_buffers: 64MiB
        max_wal_size: 256MiB
        heartbeat: 1s
        fence_timeout: 5s
      answers: {{driver: postgres-probe, database: database}}
"""
INIT = "create table ledger(id bigint primary key, body text, at timestamptz default clock_timestamp());\n"


@dataclass
class Computer:
    """A computer that a castle can be on: directories of its own, and with them an identity."""

    base: Path

    def env(self) -> dict[str, str]:
        """The variables that move castle's directories."""
        return {
            **os.environ,
            "CASTLE_STATE": str(self.base / "state"),
            "CASTLE_RUN": str(self.base / "run"),
        }


class TestCastle:
    """Runs the command `castle` on one definition, on one computer or another."""

    __test__ = False

    def __init__(self, base: Path, *, transport: str = "podman", max_age: str = "1ms", treasury: str = "") -> None:
        self.base = base
        self.name = "t" + secrets.token_hex(4)
        self.here = Computer(base / "here")
        self.file = base / "castle.yaml"
        keys = base / "castle.key"
        self.treasury = treasury or f"{{url: s3://{self.name}, server: here, keys: {keys}}}"
        self.write(transport=transport, max_age=max_age)
        (base / "init.sql").write_text(INIT)

    def write(self, *, transport: str = "podman", max_age: str = "1ms") -> None:
        """Writes the definition."""
        text = DEFINITION.format(name=self.name, max_age=max_age, treasury=self.treasury, transport=transport)
        self.file.write_text(text)

    def run(
        self, verb: str, *args: str, on: Computer | None = None, ok: bool = True, timeout: float = 300
    ) -> subprocess.CompletedProcess[str]:
        """`castle VERB -f FILE ARGS`; fails the test when it does not end with 0 and `ok` is wanted."""
        command = [str(Path(sys.executable).with_name("castle")), verb, "-f", str(self.file), *args]
        env = (on or self.here).env()
        try:
            result = subprocess.run(command, capture_output=True, text=True, env=env, timeout=timeout, check=False)
        except subprocess.TimeoutExpired as late:  # it tells the command, and not what it said
            said = "\n".join((text or b"").decode(errors="replace") for text in (late.stdout, late.stderr))
            raise AssertionError(f"{' '.join(command)} did not end within {timeout:g} s\n{said}") from None
        if ok and result.returncode != 0:
            said = f"{result.stdout}\n{result.stderr}"
            raise AssertionError(f"{' '.join(command)} ended with {result.returncode}\n{said}")
        return result

    def data(self, verb: str, *args: str, on: Computer | None = None) -> dict[str, Any]:
        """The last JSON line that a verb prints."""
        # `status` ends with 8 on an alarm, and a proof that is a millisecond old is one.
        lines = self.run(verb, "--json", *args, on=on, ok=verb != "status").stdout.strip().splitlines()
        found: dict[str, Any] = json.loads(lines[-1])
        return found

    def raise_(self) -> None:
        """The first life."""
        self.run("raise", "--new")

    def rebirth(self, *args: str, ok: bool = True, on: Computer | None = None) -> subprocess.CompletedProcess[str]:
        """One rebirth."""
        return self.run("rebirth", "--confirm", self.name, *args, ok=ok, on=on)

    def podman(self, *args: str, on: Computer | None = None) -> subprocess.CompletedProcess[str]:
        """The castle's own podman on a computer."""
        script = (
            "import sys\n"
            "from ephemeral_castle.cli import wiring\n"
            "from ephemeral_castle.cli.places import places\n"
            "from ephemeral_castle.cli.worlds import enclosure_of\n"
            "from ephemeral_castle.world.exec import LocalExec\n"
            "import subprocess\n"
            "castle = wiring.load_castle(sys.argv[1])\n"
            "enclosure = enclosure_of(castle, castle.site(), places(castle.name), LocalExec())\n"
            "sys.exit(subprocess.call(enclosure.podman(*sys.argv[2:])))\n"
        )
        command = [sys.executable, "-c", script, str(self.file), *args]
        return subprocess.run(command, capture_output=True, text=True, env=(on or self.here).env(), check=False)

    def sql(self, text: str, *, life: int, database: str = "app", on: Computer | None = None) -> str:
        """SQL as superuser in the database's container of a life."""
        machine = f"{self.name}-{life}-431"
        command = ["exec", machine, "podman", "exec", "database", "psql", "-qAtX", "-h", "/tmp", "-U", "postgres"]
        result = self.podman(*command, "-d", database, "-c", text, on=on)
        assert result.returncode == 0, result.stderr
        return result.stdout.strip()

    def life(self, on: Computer | None = None) -> int:
        """The life that stands."""
        return int(self.data("status", on=on)["life"])

    def down(self) -> None:
        """Removes every trace of every computer of this test."""
        for base in self.base.iterdir():
            if (base / "state").exists():
                self.run("down", "--confirm", self.name, on=Computer(base), ok=False)
        shutil.rmtree(self.base, ignore_errors=True)


@contextlib.contextmanager
def standing() -> Iterator[TestCastle]:
    """A castle in its first life, in a directory of its own; no trace of it stays."""
    made = TestCastle(Path(tempfile.mkdtemp(prefix="castle-e2e-", dir="/var/tmp")))
    try:
        made.raise_()
        yield made
    finally:
        made.down()
