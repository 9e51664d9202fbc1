"""A drill of the whole example castle: services, files, certificate, beside the one to which its name leads."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ephemeral_castle.model.events import Kind, RunStatus
from ephemeral_castle.world.keys import KeyFile
from tests.e2e.accidents import Moment
from tests.e2e.castles import TestCastle
from tests.e2e.drills import BrokenDrill, footing, record, traces

pytestmark = pytest.mark.machines

ROOT = Path(__file__).parents[2]
KNOT, EXAMPLE = ROOT / "testbed/knot.py", ROOT / "examples/here"
UPLOADS = "/var/lib/containers/storage/volumes/blog_uploads/_data"
MOMENTS = [
    Moment("uploads.home", Kind.STEP_INTENT, what="restore", later=0.3),
    Moment("blog.up-edge"),
    Moment("blog.healthy"),
    Moment("page.get"),
]


class WholeCastle(TestCastle):
    """The example castle, with a repository and a name server of its own."""

    def __init__(self, base: Path) -> None:
        self.server: dict[str, Any] = json.loads(self.knot(base, "start"))
        self.repository = self._repository(base)
        super().__init__(base)
        (base / "init.sql").write_text((EXAMPLE / "init.sql").read_text())
        keys = base / "castle.key"
        KeyFile.generate(self.name).write(keys)
        keys.write_text(keys.read_text() + f'\n[secrets]\n"dns/tsig" = "{self.server["key"]}"\n')

    def write(self, *, transport: str = "podman", max_age: str = "1ms") -> None:
        text = (EXAMPLE / "castle.yaml").read_text()
        for old, new in (
            ("castle: here", f"castle: {self.name}"),
            ("treasury: {url: s3://castle-here, server: here}", f"treasury: {self.treasury}"),
            ("/var/tmp/castle-demo/castle.git", str(self.repository)),
            ("127.0.0.1:15353", self.server["server"]),
            ("memory: 2GiB", "memory: 1GiB"),
        ):
            assert old in text, old
            text = text.replace(old, new)
        self.file.write_text(text)

    @staticmethod
    def knot(base: Path, verb: str) -> str:
        """Starts or stops the name server."""
        command = [sys.executable, str(KNOT), verb, str(base / "names")]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    @staticmethod
    def _repository(base: Path) -> Path:
        bare = base / "castle.git"
        env = {**os.environ, "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_NOSYSTEM": "1", "GIT_DIR": str(bare)}
        env |= {"GIT_WORK_TREE": str(EXAMPLE / "castle"), "GIT_INDEX_FILE": str(base / "index")}
        subprocess.run(["git", "init", "-q", "--bare", "-b", "main", str(bare)], check=True)
        for words in (("add", "-A", "."), ("-c", "user.name=t", "-c", "user.email=t@t", "commit", "-q", "-m", "blog")):
            subprocess.run(["git", *words], env=env, cwd=EXAMPLE / "castle", check=True)
        return bare

    def names(self) -> str:
        """The zone as the server has it: whatever changes a zone raises its serial number."""
        path = self.base / "names" / "zone"
        return "".join(line for line in path.read_text().splitlines(keepends=True) if not line.startswith(";;"))


@pytest.fixture(scope="module")
def castle() -> Iterator[WholeCastle]:
    """A castle that serves, with a few uploads in a snapshot."""
    base = Path(tempfile.mkdtemp(prefix="castle-e2e-", dir="/var/tmp"))
    made = WholeCastle(base)
    try:
        made.raise_()
        script = f"cd {UPLOADS} && for i in 1 2 3; do head -c 100000 /dev/urandom > f$i; done"
        assert made.podman("exec", f"{made.name}-1-431", "sh", "-c", script).returncode == 0
        made.run("backup")
        yield made
    finally:
        made.knot(base, "stop")
        made.down()


def test_services_files_and_pages_come_back_beside_the_castle_and_its_name_stays(castle: WholeCastle) -> None:
    stands, zone = footing(castle, 1), castle.names()
    report = castle.data("drill")
    assert footing(castle, 1) == stands
    assert castle.names() == zone
    assert traces(castle) == []
    files = report["files"]["uploads"]
    assert (files["after"]["files"], files["same"]) == (3, True)
    assert "3 files at" in castle.run("logs", report["run"], "--step", "page/get").stdout
    assert report["names"] == {}
    proofs = {name: facts["proof"] for name, facts in record(castle)["lineage"].items()}
    assert {name: (proof["run"], proof["by"]) for name, proof in proofs.items()} == {
        "database": (report["run"], "drill"),
        "uploads": (report["run"], "drill"),
    }


def test_killed_among_services_and_resumed_it_ends_well_and_leaves_nothing(castle: WholeCastle) -> None:
    stands, zone = footing(castle, 1), castle.names()
    with BrokenDrill(castle) as drill:
        drill.through(MOMENTS)
    assert drill.status is RunStatus.DONE
    assert {step: times for step, times in drill.acted().items() if times > 1} == {}
    assert footing(castle, 1) == stands
    assert castle.names() == zone
    assert traces(castle) == []


def test_both_proofs_spare_the_rebirth_its_own(castle: WholeCastle) -> None:
    castle.run("drill")
    said = castle.rebirth().stderr
    for layer in ("database", "uploads"):
        (line,) = (line for line in said.splitlines() if f"{layer}/proof " in line and "done" in line)
        assert "was proven" in line
    assert castle.life() == 2
