"""A drill of the whole example castle: services, files, certificate, beside the one to which its name leads."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from ephemeral_castle.model.events import Kind, RunStatus
from tests.e2e.accidents import Moment
from tests.e2e.drills import BrokenDrill, footing, record, traces
from tests.e2e.whole import WholeCastle
from tests.systems import WHOLE

pytestmark = [pytest.mark.machines, pytest.mark.evidence("real", *WHOLE)]

UPLOADS = "/var/lib/containers/storage/volumes/blog_uploads/_data"
MOMENTS = [
    Moment("uploads.home", Kind.STEP_INTENT, what="restore", later=0.3),
    Moment("blog.up-edge"),
    Moment("blog.healthy"),
    Moment("page.get"),
]


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
