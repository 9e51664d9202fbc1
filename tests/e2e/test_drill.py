"""A drill beside a living castle: everything comes back from the treasury, and nothing of it stays."""

from __future__ import annotations

import hashlib
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from ephemeral_castle.model.events import Kind, RunStatus
from tests.e2e.accidents import Moment
from tests.e2e.castles import Computer, TestCastle
from tests.e2e.drills import BrokenDrill, footing, record, traces
from tests.e2e.treasuries import Treasury, standing_beside
from tests.e2e.writers import Writer
from tests.systems import CASTLE

pytestmark = [pytest.mark.machines, pytest.mark.evidence("real", *CASTLE, "s3")]

SEGMENT = re.compile(r"(\d{8})0{8}[0-9A-F]{8}(-[0-9a-f]{40})?(\.\w+)?$")
# In the order in which a drill comes by.
MOMENTS = [
    Moment("castle.room", Kind.STEP_INTENT, what="create room", later=0.2),
    Moment("machines.create-data"),
    Moment("database.home", Kind.STEP_INTENT, what="restore", later=0.5),
    Moment("database.promote"),
    Moment("answers.sql"),
    Moment("castle.dissolve", Kind.STEP_INTENT, later=0.5),
]


@pytest.fixture(scope="module")
def castle() -> Iterator[TestCastle]:
    """A castle whose proofs hold for a day."""
    made = TestCastle(Path(tempfile.mkdtemp(prefix="castle-e2e-", dir="/var/tmp")), max_age="24h")
    try:
        made.raise_()
        yield made
    finally:
        made.down()


def stored(castle: TestCastle) -> dict[str, str]:
    """Every object and account of the treasury with a digest, without the versions that were replaced."""
    base = castle.here.base / "state" / f"{castle.name}.treasury"
    found = {}
    for folder in ("store", "iam"):
        for path in (base / folder).rglob("*"):
            if path.is_file() and not {".sgwtmp", ".vgwlocks"} & set(path.parts):  # the server's own
                found[str(path.relative_to(base))] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found


def test_a_drill_beside_a_castle_that_serves_changes_only_the_proof(castle: TestCastle) -> None:
    life = castle.life()
    with Writer(castle) as writer:
        writer.wait_for(50)
        castle.sql("select pg_switch_wal()", life=life)
        before, stands, known = stored(castle), footing(castle, life), record(castle)
        report = castle.data("drill")
        writer.wait_for(writer.count() + 20)
        after = stored(castle)
        assert footing(castle, life) == stands
    assert traces(castle) == []
    assert writer.missing(life) == set()
    assert report["tables"]["app.public.ledger"]["after"] >= 50
    assert report["markers"] == {f"of life {life}": {"found": True}}
    assert report["figures"]["rto"]["seconds"] < 60
    # The living castle archived meanwhile, on its own timeline; of the drill there is nothing but the proof.
    changed = {path for path in {*before, *after} if before.get(path) != after.get(path)}
    archived = {path: found[1] for path in changed if "/archive/" in path and (found := SEGMENT.search(path))}
    assert set(archived.values()) <= {"00000001"}
    others = sorted(path for path in changed - archived.keys() if not path.endswith("/castle.json"))
    assert others == []
    now = record(castle)
    proof = now["lineage"]["database"].pop("proof")
    known["lineage"]["database"].pop("proof", None)
    assert {**now, "nonce": ""} == {**known, "nonce": ""}
    assert (proof["by"], proof["run"]) == ("drill", report["run"])


def test_what_a_drill_proved_spares_the_next_rebirth_its_proof(castle: TestCastle) -> None:
    life = castle.life()
    label = castle.data("drill")["run"] and record(castle)["lineage"]["database"]["proof"]["label"]
    with Writer(castle) as writer:
        writer.wait_for(20)
        said = castle.rebirth().stderr
        writer.wait_for(writer.count() + 5)
    assert f"backup {label} was proven" in said
    assert writer.missing(life + 1) == set()


def test_a_drill_is_listed_shown_and_reported_like_any_run(castle: TestCastle) -> None:
    run = castle.data("drill")["run"]
    listed = castle.data("runs")["runs"]
    assert (listed[0]["id"], listed[0]["verb"], listed[0]["status"]) == (run, "drill", "done")
    assert {"raise", "drill"} <= {each["verb"] for each in listed}
    assert castle.data("report")["run"] == run
    assert "castle/dissolve" in castle.run("logs", run).stdout
    assert castle.run("watch", run).returncode == 0


def test_status_and_backup_go_on_beside_a_drill(castle: TestCastle) -> None:
    drill = BrokenDrill(castle)
    assert castle.run("drill", ok=False).returncode == 11  # one at a time
    assert castle.run("status", ok=False).returncode in (0, 8)
    castle.run("backup")
    castle.run("watch", drill.id)
    assert drill.status is RunStatus.DONE
    assert traces(castle) == []


def test_killed_and_resumed_again_and_again_a_drill_ends_well_and_leaves_nothing(castle: TestCastle) -> None:
    life = castle.life()
    stands = footing(castle, life)
    with BrokenDrill(castle) as drill:
        drill.through(MOMENTS)
    assert drill.status is RunStatus.DONE
    assert {step: times for step, times in drill.acted().items() if times > 1} == {}
    assert footing(castle, life) == stands
    assert traces(castle) == []


def test_a_killed_drill_is_an_alarm_and_the_next_one_removes_what_it_left(castle: TestCastle) -> None:
    life = castle.life()
    stands = footing(castle, life)
    drill = BrokenDrill(castle)
    drill.kill_at(Moment("database.home"))
    alarms = castle.data("status")["alarms"]
    assert any(drill.id in each["text"] and each["mend"] == f"castle cancel {drill.id}" for each in alarms)
    castle.run("drill")
    assert traces(castle) == []
    # What it had made is gone; it says so, and touches nothing.
    assert castle.run("resume", drill.id, ok=False).returncode == 9
    assert footing(castle, life) == stands
    assert traces(castle) == []


def test_cancel_removes_what_a_drill_made(castle: TestCastle) -> None:
    for killed in (False, True):
        drill = BrokenDrill(castle)
        if killed:
            drill.kill_at(Moment("machines.create-data"))
        said = castle.run("cancel", drill.id)
        assert "the living castle is not touched" in said.stdout
        castle.run("watch", drill.id, ok=False)
        assert drill.status is RunStatus.CANCELLED
        assert traces(castle) == []


def test_a_drill_that_fails_is_removed_and_kept_only_by_word(castle: TestCastle) -> None:
    """What the probe asks for never comes: the data are home, and nobody could use them."""
    good = castle.file.read_text()
    life = castle.life()
    castle.file.write_text(good.replace("database: database}", "database: database, query: 'select 1/0', timeout: 3s}"))
    try:
        for keep in (False, True):
            stands, known = footing(castle, life), record(castle)
            failed = castle.run("drill", *(["--keep"] if keep else []), ok=False)
            assert failed.returncode == 5, failed.stderr
            assert record(castle) == known, "a drill that failed proved something"
            assert footing(castle, life) == stands
            assert bool(traces(castle)) is keep
        run = castle.data("runs")["runs"][0]["id"]
        assert f"castle cancel {run}" in failed.stderr
        castle.run("cancel", run)
        castle.run("watch", run, ok=False)
        assert traces(castle) == []
    finally:
        castle.file.write_text(good)


def test_a_rebirth_and_a_drill_go_on_beside_each_other(castle: TestCastle) -> None:
    life = castle.life()
    with Writer(castle) as writer:
        writer.wait_for(writer.count() + 20)
        drill = BrokenDrill(castle)
        castle.rebirth("--prove")
        castle.run("watch", drill.id)
        writer.wait_for(writer.count() + 5)
    assert drill.status is RunStatus.DONE
    assert castle.life() == life + 1
    assert writer.missing(life + 1) == set()
    assert traces(castle) == []
    assert (
        record(castle)["lineage"]["database"]["proof"]["at"]
        >= next(event.at for event in drill.events() if event.step == "castle.record-proof") - 60
    )  # whichever came later, a fresh one


def test_a_wiped_castle_is_drilled_and_compared_with_its_seal(castle: TestCastle) -> None:
    castle.run("wipe", "--confirm", castle.name)
    before = stored(castle)
    report = castle.data("drill")
    ledger = report["tables"]["app.public.ledger"]
    assert (ledger["same"], ledger["before"]) == (True, ledger["after"])
    assert report["loss"]["database"]["rows"] == 0
    assert traces(castle) == []
    changed = {path for path, digest in stored(castle).items() if before.get(path) != digest}
    assert {Path(path).name for path in changed} == {"castle.json"}
    assert castle.run("status", ok=False).stdout.startswith(f"castle {castle.name} is down")
    castle.run("raise")


def test_too_little_memory_for_two_castles_is_refused_with_what_is_missing(castle: TestCastle) -> None:
    good = castle.file.read_text()
    (kibibytes,) = re.findall(r"MemTotal:\s+(\d+)", Path("/proc/meminfo").read_text())
    total = int(kibibytes) >> 10
    castle.file.write_text(good.replace("memory: 1GiB", f"memory: {total // 2}MiB"))
    try:
        refused = castle.run("drill", ok=False)
    finally:
        castle.file.write_text(good)
    assert refused.returncode == 9
    wanted = 2 * (total // 2 + 512) + 256
    missing = re.search(r"has (\d+) MiB of memory too little for two castles", refused.stderr)
    assert missing is not None, refused.stderr
    assert int(missing[1]) >= wanted - total
    assert traces(castle) == []


def test_down_takes_a_drill_along_but_not_while_it_runs(castle: TestCastle) -> None:
    """The last test of this castle."""
    drill = BrokenDrill(castle)
    assert castle.run("down", "--confirm", castle.name, ok=False).returncode == 11
    drill.kill_at(Moment("machines.create-data"))
    castle.run("down", "--confirm", castle.name)
    assert traces(castle) == []


@pytest.fixture(scope="module")
def beside() -> Iterator[tuple[Treasury, TestCastle]]:
    """A castle with 50 rows in a backup, in a treasury that a test can stop and damage."""
    with standing_beside() as (treasury, castle):
        castle.sql("insert into ledger(id, body) select g, 'row' from generate_series(1, 50) g", life=1)
        castle.sql("select pg_switch_wal()", life=1)
        castle.run("backup")
        yield treasury, castle


def test_a_drill_on_a_computer_where_the_castle_never_stood(beside: tuple[Treasury, TestCastle]) -> None:
    _, castle = beside
    there = Computer(castle.base / "there")
    report = castle.data("drill", on=there)
    assert report["tables"]["app.public.ledger"]["after"] == 50
    assert traces(castle, there) == []
    assert castle.data("status")["treasures"]["database"]["proof"]["age"] < 60


def test_without_a_treasury_or_a_backup_nothing_is_made(beside: tuple[Treasury, TestCastle]) -> None:
    treasury, castle = beside
    treasury.stop()
    try:
        silent = castle.run("drill", ok=False)
    finally:
        treasury.start()
    assert silent.returncode == 4
    assert "does not answer" in silent.stderr
    assert traces(castle) == []
    with treasury.without(castle, "backup/castle/*F/*", "backup/castle/*I/*", "backup/castle/backup.info*"):
        refused = castle.run("drill", ok=False)
    assert refused.returncode == 9, refused.stderr
    assert "castle/room             undone" in refused.stderr
    assert traces(castle) == []
    castle.run("drill")


def test_a_backup_that_cannot_be_restored_fails_the_drill_and_proves_nothing(
    beside: tuple[Treasury, TestCastle],
) -> None:
    treasury, castle = beside
    before = treasury.read(f"{castle.name}/castle.json")
    with treasury.without(castle, "backup/castle/*F/bundle/*"):
        failed = castle.run("drill", ok=False)
    assert failed.returncode == 4, failed.stderr
    assert traces(castle) == []
    assert treasury.read(f"{castle.name}/castle.json") == before
