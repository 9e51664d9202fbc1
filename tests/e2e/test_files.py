"""A tree of files dies and comes back; on bad days nothing is destroyed, and castle says why."""

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ephemeral_castle.drivers.restic.locks import host_name
from ephemeral_castle.model.events import Kind
from tests.e2e.accidents import BrokenRun, Moment
from tests.e2e.days import FAILED, REFUSED, kill_machines, says
from tests.e2e.drills import record
from tests.e2e.files import DATA, DEFINITION, FilesCastle, standing
from tests.e2e.secrets_of import all_secrets

pytestmark = [pytest.mark.machines, pytest.mark.evidence("real", "podman", "restic", "versitygw")]
BEGUN = Kind.STEP_STARTED
LOUD = 'cd "$1"; (while :; do date +%N > log; sleep 0.05; done) >/dev/null 2>&1 & echo $!'


@pytest.fixture(scope="module")
def castle() -> Iterator[FilesCastle]:
    with standing() as made:
        yield made


@contextlib.contextmanager
def untouched(castle: FilesCastle) -> Iterator[None]:
    """The same life, the same files, every snapshot of before."""
    life, files, snapshots = castle.life(), castle.listing(), castle.snapshots()
    yield
    assert castle.life() == life
    assert castle.listing() == files
    assert castle.snapshots() >= snapshots


def test_a_planned_rebirth_brings_every_path_home(castle: FilesCastle) -> None:
    """Names that are no UTF-8, links, owners, modes, times, hard links; then once more from the result."""
    for _ in range(2):
        life, before = castle.life(), castle.listing()
        castle.rebirth()
        assert castle.life() == life + 1
        assert castle.listing() == before
    report = castle.data("report")
    assert report["verified"] is True
    assert report["files"]["uploads"]["before"] == report["files"]["uploads"]["after"]
    assert report["loss"]["uploads"]["seconds"] == 0


def test_the_volume_is_taken_by_compose_for_its_own(castle: FilesCastle) -> None:
    form = '{{index .Labels "com.docker.compose.project"}} {{index .Labels "com.docker.compose.volume"}}'
    assert castle.on_machine(f"podman volume inspect -f '{form}' blog_uploads").stdout.split() == ["blog", "uploads"]


def test_dead_machines_come_back_with_the_newest_snapshot_and_a_bound(castle: FilesCastle) -> None:
    castle.on_machine('echo kept > "$1/kept"', DATA)
    castle.run("backup", "--prove")
    before = castle.listing()
    castle.on_machine('echo lost > "$1/lost"', DATA)
    kill_machines(castle)
    castle.rebirth()
    assert castle.listing() == before
    loss = castle.data("report")["loss"]["uploads"]
    assert loss["bound"] is True
    assert 0 < loss["seconds"] < 60


def test_a_writer_after_the_cut_is_named_and_nothing_is_destroyed(castle: FilesCastle) -> None:
    life = castle.life()
    writer = castle.on_machine(LOUD, DATA).stdout.strip()
    try:
        says(castle.rebirth(ok=False), REFUSED, "still writes into the files after the cut", "log changed", "castle")
    finally:
        castle.on_machine(f"kill {writer}")
    assert castle.life() == life
    castle.run("backup", "--prove")  # beside a writer it would be well, too: what moves is left out of the comparison
    castle.on_machine('rm "$1/log"', DATA)


def test_a_backup_beside_a_writer_is_proven_but_for_what_moved(castle: FilesCastle) -> None:
    writer = castle.on_machine(LOUD, DATA).stdout.strip()
    try:
        said = castle.run("backup", "--prove")
    finally:
        castle.on_machine(f"kill {writer}; rm -f {DATA}/log")
    assert "changed meanwhile" in said.stderr + said.stdout


def test_a_lock_of_an_earlier_run_is_taken_away_and_a_strangers_is_not(castle: FilesCastle) -> None:
    castle.run("backup")
    castle.lock(host_name(castle.life(), "20260101-000000-dead", castle.name, record(castle)["computer"]))
    assert castle.locks()
    said = castle.run("backup", "--expire")
    assert "unlock" in said.stdout + said.stderr
    assert not castle.locks()
    for host in ("laptop", host_name(castle.life(), "20260101-000000-dead", castle.name, "another computer")):
        castle.lock(host)
        with untouched(castle):
            says(castle.run("backup", ok=False), FAILED, "is locked", f"of {host}", "restic unlock")
        assert castle.locks()
        shutil.rmtree(castle.bucket() / "locks")


def test_a_repository_that_vanished_is_refused_and_never_begun_anew(castle: FilesCastle) -> None:
    aside = castle.base / "aside"
    with untouched_when_back(castle, aside):
        says(castle.rebirth(ok=False), REFUSED, "yet the record knows one", "castle doctor")
        says(castle.run("raise", "--new", ok=False), REFUSED, "would choose nothing")
        said = castle.run("raise")  # the life stands; it goes on, and this is said
        assert "is gone" in said.stdout + said.stderr
        assert not castle.bucket().exists() or not any(castle.bucket().rglob("config"))


@contextlib.contextmanager
def untouched_when_back(castle: FilesCastle, aside: Path) -> Iterator[None]:
    """The repository is moved aside for a while."""
    with untouched(castle):
        castle.bucket().rename(aside)
        try:
            yield
        finally:
            shutil.rmtree(castle.bucket(), ignore_errors=True)
            aside.rename(castle.bucket())


def test_another_repository_in_its_place_is_refused(castle: FilesCastle) -> None:
    config = castle.bucket() / "config"
    held = config.read_bytes()
    with untouched(castle):
        subprocess.run(["cp", "-a", str(config), str(castle.base / "config")], check=True)
        config.write_bytes(held[::-1])
        result = castle.rebirth(ok=False)
        config.write_bytes(held)
        assert result.returncode in (REFUSED, FAILED), result.stdout + result.stderr


def test_a_wrong_password_is_refused_with_the_name_of_the_secret(castle: FilesCastle) -> None:
    keys = castle.base / "castle.key"
    held = keys.read_text()
    with untouched(castle):
        keys.write_text(f"{held}\n[secrets]\n'uploads/repository' = 'not the password'\n")
        says(castle.rebirth(ok=False), REFUSED, "cannot be opened", "password", "castle")
        keys.write_text(held)


def test_a_damaged_pack_is_found_by_the_proof_before_anything_is_destroyed(castle: FilesCastle) -> None:
    packs = sorted((castle.bucket() / "data").rglob("*"), key=lambda path: path.stat().st_size if path.is_file() else 0)
    held = packs[-1].read_bytes()
    middle = len(held) // 2
    with untouched(castle):
        packs[-1].write_bytes(held[:middle] + bytes([held[middle] ^ 1]) + held[middle + 1 :])
        result = castle.rebirth(ok=False)
        packs[-1].write_bytes(held)
        says(result, FAILED, "outside the castle failed", "missing or damaged", "the castle serves as before")


def test_a_volume_that_was_made_anew_is_not_taken_for_the_files(castle: FilesCastle) -> None:
    """An empty volume in place of a lost one would have been sealed as if somebody had deleted every file."""
    before = castle.listing()
    castle.run("backup", "--prove")
    castle.on_machine("podman volume rm -f blog_uploads; sleep 1.1; podman volume create blog_uploads")
    says(castle.rebirth(ok=False), REFUSED, "not the one that castle knows", "castle rebirth --abandon-data")
    says(castle.run("raise", ok=False), REFUSED, "not its files", "castle raise --adopt")
    castle.rebirth("--abandon-data")
    assert castle.listing() == before


def test_a_copy_of_an_earlier_time_and_a_restore_in_place(castle: FilesCastle) -> None:
    castle.run("backup")
    then, before = time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime(time.time() + 1)), castle.listing()
    time.sleep(2)
    castle.on_machine('cd "$1"; rm -rf 2026; echo changed > nothing; echo new > new', DATA)
    after = castle.listing()
    castle.run("restore", "--to", then, "--side")
    assert castle.listing() == after
    assert castle.listing(folder=DATA.replace("blog_uploads", "blog_uploads-side")) == before
    says(castle.run("restore", "--to", "2001-01-01T00:00:00+00:00", "--side", ok=False), REFUSED, "no snapshot as old")
    castle.run("restore", "--to", then, "--confirm", castle.name)
    assert castle.listing() == before
    castle.on_machine("podman volume rm -f blog_uploads-side")


def test_a_volume_named_like_a_copy_that_castle_did_not_make_is_left_alone(castle: FilesCastle) -> None:
    """Whatever lay in it was deleted: the copy is restored over what is there."""
    castle.run("backup")
    folder = DATA.replace("blog_uploads", "blog_uploads-side")
    castle.on_machine('podman volume create blog_uploads-side && echo mine > "$1/mine"', folder)
    with untouched(castle):
        says(castle.run("restore", "--side", ok=False), REFUSED, "carries our name but not our mark")
    assert castle.on_machine('cat "$1/mine"', folder).stdout == "mine\n"
    castle.on_machine("podman volume rm blog_uploads-side")


def test_a_snapshot_that_castle_did_not_make_stays_when_old_ones_are_forgotten(castle: FilesCastle) -> None:
    said = castle.restic(
        "mkdir -p $TMPDIR; "
        "restic $options backup --quiet --json --host laptop --time '2001-02-03 04:05:06' /etc/hostname",
        "laptop",
    )
    foreign = json.loads(said.splitlines()[-1])["snapshot_id"]
    castle.run("backup", "--expire")
    assert foreign in castle.snapshots()


@pytest.mark.parametrize(
    "moments",
    [
        [Moment("uploads.backup", BEGUN, later=0.5), Moment("uploads.proof", Kind.STEP_PROGRESS, later=0.3)],
        [Moment("uploads.last", BEGUN, later=0.5), Moment("uploads.quiet")],
        [Moment("uploads.home", Kind.STEP_INTENT, later=0.4), Moment("uploads.backup-after", BEGUN, later=0.3)],
    ],
    ids=["proof", "cut", "home"],
)  # fmt: skip
def test_a_killed_runner_is_resumed_and_every_path_comes_home(castle: FilesCastle, moments: list[Moment]) -> None:
    life, before = castle.life(), castle.listing()
    with BrokenRun(castle) as run:
        run.through(moments)
    assert castle.life() == life + 1
    assert castle.listing() == before
    assert run.acted()["uploads.home"] == 1


def test_what_was_written_while_the_runner_lay_dead_comes_home(castle: FilesCastle) -> None:
    with BrokenRun(castle) as run:
        run.kill_at(Moment("uploads.quiet"))
        castle.on_machine('echo late > "$1/late"', DATA)
        before = castle.listing()
        castle.run("resume", run.id)
    assert castle.listing() == before


def test_no_secret_stays_on_the_machine_or_in_podmans_metadata(castle: FilesCastle) -> None:
    state = castle.here.base / "state" / castle.name
    for name, secret in all_secrets(castle).items():
        found = subprocess.run(
            ["grep", "-rlFa", "-e", secret, str(state)], capture_output=True, text=True, check=False
        ).stdout
        assert found == "", f"{name} lies in {found}"


def test_a_raise_that_changes_nothing_takes_no_snapshot(castle: FilesCastle) -> None:
    with untouched(castle):
        known = castle.snapshots()
        castle.run("raise")
        assert castle.snapshots() == known
    treasure = castle.data("status")["treasures"]["uploads"]
    assert treasure["state"] == "up"
    assert treasure["backup"]["age"] == treasure["rpo"]["seconds"] >= 0


def test_a_wipe_and_a_raise_bring_the_sealed_files_back(castle: FilesCastle) -> None:
    before = castle.listing()
    castle.run("wipe", "--confirm", castle.name)
    castle.run("raise")
    assert castle.listing() == before


def test_files_join_a_castle_that_stands_when_a_person_says_so() -> None:
    """A layer added to a living castle: its repository is begun on a word only, its writer gets the right to it."""
    base = Path(tempfile.mkdtemp(prefix="castle-files-", dir="/var/tmp"))
    castle = FilesCastle(base)
    try:
        castle.write(
            text=DEFINITION.replace("  uploads: {{role: treasures, needs: [machines]}}\n", "").split("      uploads:")[
                0
            ]
        )
        castle.raise_()
        castle.write()
        castle.on_machine("podman volume create blog_uploads", life=1)
        castle.fill(1)
        before = castle.listing(1)
        says(castle.run("raise", ok=False), REFUSED, "no restic repository was found", "castle raise --adopt")
        says(castle.rebirth(ok=False), REFUSED, "no restic repository was found")
        castle.run("raise", "--adopt")
        assert castle.listing(1) == before
        castle.rebirth()
        assert castle.listing(2) == before
    finally:
        castle.down()


def test_by_ssh_a_young_proof_spares_the_restore_outside_as_long_as_the_repository_is_whole() -> None:
    with standing(transport="ssh", max_age="24h") as castle:
        castle.run("backup", "--prove")
        before = castle.listing()
        said = castle.rebirth()
        assert "was proven" in said.stdout + said.stderr
        assert castle.listing() == before
        packs = (path for path in (castle.bucket() / "data").rglob("*") if path.is_file())
        largest = max(packs, key=lambda path: path.stat().st_size)
        aside = castle.base / "pack"
        with untouched(castle):
            largest.rename(aside)
            says(castle.rebirth(ok=False), FAILED, "does not hold any more", "missing or damaged")
            aside.rename(largest)


def test_a_run_that_is_cancelled_in_its_backup_leaves_no_lock(castle: FilesCastle) -> None:
    castle.on_machine('head -c 100000000 /dev/urandom > "$1/ballast"', DATA)
    with untouched(castle):
        run = castle.run("rebirth", "--confirm", castle.name, "--detach").stdout.split()[0]
        deadline = time.monotonic() + 60
        while not castle.locks() and time.monotonic() < deadline:
            time.sleep(0.05)
        castle.run("cancel", run, ok=False)
        castle.run("watch", run, ok=False)
    assert not castle.locks()
    castle.on_machine('rm "$1/ballast"', DATA)
