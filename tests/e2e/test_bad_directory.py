"""What lies in the place of the data is not what should: it is seen before any server is started on it."""

from __future__ import annotations

import contextlib
import json
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.castles import TestCastle
from tests.e2e.days import FAILED, REFUSED, says
from tests.systems import CASTLE

pytestmark = [pytest.mark.machines, pytest.mark.evidence("real", *CASTLE)]
INITDB = "/usr/lib/postgresql/15/bin/initdb -D /pg/data -U postgres --locale=C.UTF-8"


@pytest.fixture(scope="module")
def castle() -> Iterator[TestCastle]:
    """One castle for the whole module: every test leaves it as it found it, serving."""
    made = TestCastle(Path(tempfile.mkdtemp(prefix="castle-e2e-", dir="/var/tmp")))
    try:
        made.raise_()
        made.sql("insert into ledger(id, body) values (1, 'kept')", life=1)
        yield made
    finally:
        made.down()


def on(castle: TestCastle, script: str) -> str:
    """A shell script on the machine of the database, in the volume of its data."""
    volume = "/var/lib/containers/storage/volumes/database/_data"
    done = castle.podman("exec", f"{castle.name}-1-431", "sh", "-ec", f"cd {volume}; {script}")
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@contextlib.contextmanager
def spoilt(castle: TestCastle, spoil: str, mend: str) -> Iterator[None]:
    """The database is stopped and its directory changed; nothing may touch it; then it is mended and serves again."""
    on(castle, f"podman stop -t 20 database >/dev/null; {spoil}")
    print_of = (
        "find data -type f -printf '%p %s %T@\\n' | sort | sha256sum; podman inspect -f '{{.State.Status}}' database"
    )
    before = on(castle, print_of)
    try:
        yield
        assert on(castle, print_of) == before, "something was changed, or a server was started"
    finally:
        on(castle, mend)
    castle.run("raise")
    assert castle.sql("select body from ledger", life=1) == "kept"


@pytest.mark.parametrize(
    ("verb", "spoil", "mend"),
    [
        ("rebirth", "mv data/global/pg_control aside", "mv aside data/global/pg_control"),
        ("backup", "touch data/backup.manifest", "rm data/backup.manifest"),
        ("raise", "touch rewinding", "rm rewinding"),
        ("raise", "touch data/recovery.signal", "rm data/recovery.signal"),
        ("raise", "mv data aside; mkdir data", "rmdir data; mv aside data"),
    ],
)
def test_a_restore_that_was_broken_off_is_not_started_as_if_it_were_whole(
    castle: TestCastle, verb: str, spoil: str, mend: str
) -> None:
    sure = ["--confirm", castle.name] if verb == "rebirth" else []
    with spoilt(castle, spoil, mend):
        result = castle.run(verb, *sure, ok=False)
        says(result, REFUSED, "data directory is incomplete", "nothing was changed", "castle resume")


def test_an_empty_database_where_the_restored_one_should_be_is_refused(castle: TestCastle) -> None:
    image = on(castle, "podman inspect -f '{{.ImageName}}' database")
    initdb = f"podman run --rm --network none --user postgres -v database:/pg {image} {INITDB} >/dev/null"
    with spoilt(
        castle, f"mv data aside; mkdir -m 700 data; chown 5432:5432 data; {initdb}", "rm -r data; mv aside data"
    ):
        for verb in (["rebirth", "--confirm", castle.name], ["raise"]):
            result = castle.run(*verb, ok=False)
            says(result, REFUSED, "an empty database stands where the restored one should", "nothing was changed")
    assert castle.life() == 1


def test_a_directory_that_cannot_be_read_is_unknown_and_never_absent(castle: TestCastle) -> None:
    aside = "mv data/global/pg_control aside; head -c 40 aside > data/global/pg_control"
    with spoilt(castle, aside, "mv -f aside data/global/pg_control"):
        for verb in (["rebirth", "--confirm", castle.name], ["raise"]):
            result = castle.run(*verb, ok=False)
            says(result, FAILED, "cannot be seen", "only 40 bytes", "nothing was changed", "castle doctor")
    assert castle.life() == 1


def test_a_twin_that_stayed_on_the_former_timeline_is_never_started(castle: TestCastle) -> None:
    """A copy of the directory from before a promotion: a server on it would archive over the history that went on."""
    on(castle, "podman stop -t 20 database >/dev/null; cp -a data twin")
    castle.run("raise")
    castle.run("restore", "--confirm", castle.name)
    with spoilt(castle, "mv data aside; mv twin data", "rm -r data; mv aside data"):
        for verb in (["rebirth", "--confirm", castle.name], ["raise"]):
            result = castle.run(*verb, ok=False)
            says(result, REFUSED, "the archive has gone on without this cluster", "nothing was changed")


def test_two_volumes_of_one_machine_of_one_life_are_refused_by_name(castle: TestCastle) -> None:
    """A copy with all its marks: which of the two holds the data, no mark can tell."""
    name = f"{castle.name}-1-431"
    labels = json.loads(castle.podman("volume", "inspect", name).stdout)[0]["Labels"]
    marks = [word for key, value in labels.items() for word in ("--label", f"{key}={value}")]
    assert castle.podman("volume", "create", *marks, "copy").returncode == 0
    for verb in (["rebirth", "--confirm", castle.name], ["raise"]):
        says(castle.run(*verb, ok=False), REFUSED, "`copy`", f"`{name}`", "life 1", "nothing was changed")
    assert castle.podman("volume", "rm", "copy").returncode == 0
    assert castle.life() == 1


def test_a_database_of_an_older_life_is_refused_by_its_own_marker(castle: TestCastle) -> None:
    castle.sql("update castle.life set life = 0", life=1, database="postgres")
    result = castle.rebirth(ok=False)
    says(
        result, REFUSED, "older life of this castle", "it is of life 0, the record names life 1", "nothing was changed"
    )
    castle.sql("update castle.life set life = 1", life=1, database="postgres")
    assert castle.life() == 1


def test_an_incomplete_directory_is_given_up_by_word_and_the_archive_comes_home(castle: TestCastle) -> None:
    castle.run("backup")
    on(castle, "podman stop -t 20 database >/dev/null; rm data/global/pg_control")
    castle.rebirth("--abandon-data")
    assert castle.sql("select body from ledger", life=2) == "kept"
