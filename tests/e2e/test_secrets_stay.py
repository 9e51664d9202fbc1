"""No plain secret leaves the keeper of a run, except into the process that needs it."""

from __future__ import annotations

import json
import os
import re
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Self

import pytest

from tests.e2e.castles import TestCastle
from tests.e2e.secrets_of import all_secrets
from tests.systems import CASTLE

pytestmark = [pytest.mark.machines, pytest.mark.evidence("real", *CASTLE, "openssh")]

# Where docs/reference/secrets.md says that a secret may lie: the key file itself, and the treasury's accounts.
ALLOWED = re.compile(r"/castle\.key$|\.treasury/iam/")


class Sampler(threading.Thread):
    """Copies command line and environment of every process of this computer, again and again."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.ended = threading.Event()
        self.lines: set[bytes] = set()
        self.environments: dict[bytes, str] = {}

    def run(self) -> None:
        """Looks until it is told to end."""
        while not self.ended.wait(0.1):
            for process in Path("/proc").iterdir():
                if process.name.isdigit() and int(process.name) != os.getpid():
                    self._look(process)

    def _look(self, process: Path) -> None:
        try:
            line, environment = (process / "cmdline").read_bytes(), (process / "environ").read_bytes()
        except OSError:
            return
        self.lines.add(line)
        self.environments.setdefault(environment, line.decode(errors="replace").replace("\0", " "))

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.ended.set()
        self.join()


@pytest.fixture(scope="module")
def castle() -> Iterator[TestCastle]:
    made = TestCastle(Path(tempfile.mkdtemp(prefix="castle-secrets-", dir="/var/tmp")), transport="ssh")
    try:
        yield made
    finally:
        made.down()


@pytest.fixture(scope="module")
def sampled(castle: TestCastle) -> Sampler:
    """Raise, rebirth by SSH, a cancelled and a failed run, all of them watched."""
    with Sampler() as sampler:
        castle.raise_()
        castle.sql("insert into ledger(id, body) values (1, 'x')", life=1)
        castle.rebirth()
        run = castle.run("rebirth", "--confirm", castle.name, "--detach").stdout.split()[0]
        time.sleep(1)
        castle.run("cancel", run, ok=False)
        castle.run("watch", run, ok=False)
        failed = castle.run("restore", "--to", "2001-01-01T00:00:00+00:00", "--side", ok=False)
        assert failed.returncode == 9
    return sampler


def test_a_castle_that_is_entered_by_ssh_is_reborn(castle: TestCastle, sampled: Sampler) -> None:
    assert sampled.lines
    assert castle.sql("select count(*) from ledger", life=2) == "1"
    assert castle.data("status")["state"] == "up"


def test_no_secret_is_in_a_command_line_or_a_foreign_environment(castle: TestCastle, sampled: Sampler) -> None:
    secrets = all_secrets(castle)
    for name, secret in secrets.items():
        assert not [line for line in sampled.lines if secret.encode() in line], f"{name} stood in a command line"
    found = {
        (name, who)
        for name, secret in secrets.items()
        for environment, who in sampled.environments.items()
        if secret.encode() in environment
    }
    # That one was found shows that the search finds: the server of the treasury takes its root key by its environment.
    assert ("treasury/secret_key", "versitygw") in {(name, Path(who.split()[0]).name[:9]) for name, who in found}
    assert [(name, who) for name, who in found if not needed(name, who)] == []


def needed(name: str, who: str) -> bool:
    """Whether a process is the one that the secret is for."""
    program = Path(who.split(maxsplit=1)[0]).name
    if name == "treasury/secret_key":
        return program.startswith("versitygw")
    return name.startswith("database/user/") and program == "psql"


def test_no_secret_is_in_what_castle_says(castle: TestCastle, sampled: Sampler) -> None:
    assert sampled.lines
    said = [castle.run("status", "--json", ok=False).stdout, castle.run("doctor", "--json", ok=False).stdout]
    said += [castle.run("card").stdout, castle.run("plan", "--json").stdout]
    for run in castle.data("runs")["runs"]:
        said += [castle.run("logs", run["id"], "--json").stdout, castle.run("report", run["id"], "--json").stdout]
    for name, secret in all_secrets(castle).items():
        for text in said:
            assert secret not in text, f"castle says {name}"
            assert json.dumps(secret)[1:-1] not in text, f"castle says {name}, quoted"


def test_no_secret_is_on_the_disk(castle: TestCastle, sampled: Sampler) -> None:
    """Everything below the test's directory: journal, logs, record, podman's database, volumes of the machines."""
    assert sampled.lines
    secrets = {name: value.encode() for name, value in all_secrets(castle).items()}
    found: set[tuple[str, Path]] = set()
    for path in files_below(castle.base):
        body = path.read_bytes()
        found |= {(name, path.relative_to(castle.base)) for name, value in secrets.items() if value in body}
    # These show that the search finds.
    assert ("identity", Path("castle.key")) in found
    assert any(name.startswith("writer/") and "iam" in path.parts for name, path in found)
    assert [(name, path) for name, path in found if not ALLOWED.search(f"/{path}")] == []
    temporary = [path for path in Path(tempfile.gettempdir()).glob("castle*") if path.is_file()]
    for path in temporary:
        assert not [name for name, value in secrets.items() if value in path.read_bytes()], path


def files_below(base: Path) -> Iterator[Path]:
    """Regular files, without those of memory-backed file systems: what lies in memory is not on a disk."""
    device = base.stat().st_dev
    for folder, folders, names in os.walk(base):
        folders[:] = [name for name in folders if not os.path.ismount(Path(folder, name)) and name != "merged"]
        for name in names:
            path = Path(folder, name)
            status = path.lstat()
            if path.is_file() and not path.is_symlink() and status.st_dev == device:
                yield path
