"""A treasury that is gone, closed, wrong, rotten or full of holes: castle says so, and nothing is lost by it."""

from __future__ import annotations

import contextlib
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.castles import TestCastle
from tests.e2e.days import FAILED, REFUSED, as_soon_as, kill_machines, says, serving
from tests.e2e.treasuries import Treasury
from tests.e2e.writers import Writer
from tests.systems import CASTLE

pytestmark = [pytest.mark.machines, pytest.mark.evidence("real", *CASTLE, "s3")]
SEGMENTS = "archive/castle/15-1/*/*-*.zst"


@pytest.fixture(scope="module")
def treasury() -> Iterator[Treasury]:
    base = Path(tempfile.mkdtemp(prefix="castle-e2e-", dir="/var/tmp"))
    made = Treasury(base)
    yield made
    made.close()


@pytest.fixture(scope="module")
def castle(treasury: Treasury) -> Iterator[TestCastle]:
    """One castle for the whole module: every test leaves it as it found it, serving."""
    made = treasury.castle(Path(tempfile.mkdtemp(prefix="castle-e2e-", dir="/var/tmp")))
    try:
        made.raise_()
        yield made
    finally:
        made.down()


@contextlib.contextmanager
def defined(castle: TestCastle, treasury: str, *, max_age: str = "1ms") -> Iterator[None]:
    """Another `treasury:` in the definition for a moment."""
    good = castle.treasury
    castle.treasury = treasury
    castle.write(max_age=max_age)
    try:
        yield
    finally:
        castle.treasury = good
        castle.write()


def test_a_treasury_that_does_not_answer_is_never_taken_for_empty(castle: TestCastle, treasury: Treasury) -> None:
    life = castle.life()
    with serving(castle, life):
        treasury.stop()
        try:
            for verb in (["rebirth", "--confirm", castle.name], ["raise", "--new"]):
                result = castle.run(*verb, ok=False)
                says(result, FAILED, "the treasury does not answer", "nothing was destroyed", "castle doctor")
        finally:
            treasury.start()
    assert castle.life() == life


def test_wrong_words_for_the_treasury_are_named(castle: TestCastle, treasury: Treasury) -> None:
    """Bucket, secret, key id, and the key file of another castle on the same prefix."""
    life, keys = castle.life(), castle.base / "castle.key"
    text = keys.read_text()
    secret, access = castle.base / "secret.key", castle.base / "access.key"
    for file, old, new in (
        (secret, treasury.keys.secret_key.reveal(), "0" * 40),
        (access, treasury.keys.access_key, "NOBODY"),
    ):
        file.touch(mode=0o600)
        file.write_text(text.replace(old, new))
    other = treasury.key_file(castle.base / "other.key")
    prefix = castle.name
    cases = (
        (treasury.definition(prefix, keys, bucket="elsewhere"), FAILED, "NoSuchBucket", "`treasury.url`"),
        (treasury.definition(prefix, secret), FAILED, "SignatureDoesNotMatch", "key file"),
        (treasury.definition(prefix, access), FAILED, "InvalidAccessKeyId", "key file"),
        (treasury.definition(prefix, other), REFUSED, "belongs to another castle", "nothing was changed"),
    )
    with serving(castle, life):
        for definition, code, *parts in cases:
            with defined(castle, definition):
                for verb in (["rebirth", "--confirm", castle.name], ["raise", "--new"]):
                    says(castle.run(*verb, ok=False), code, *parts)
    assert castle.life() == life


def test_a_typo_in_the_prefix_never_makes_a_new_castle(castle: TestCastle, treasury: Treasury) -> None:
    life, typo = castle.life(), castle.name + "-typo"
    with serving(castle, life), defined(castle, treasury.definition(typo, castle.base / "castle.key")):
        for verb in (["rebirth", "--confirm", castle.name], ["raise"], ["raise", "--new"]):
            says(castle.run(*verb, ok=False), REFUSED, typo, "nothing was changed", "`treasury.url`")
        left = [name for name in treasury.names(typo) if not name.endswith("lease.json")]
        assert left == []
    assert castle.life() == life


def test_an_expired_certificate_is_named(castle: TestCastle, treasury: Treasury) -> None:
    life = castle.life()
    with serving(castle, life):
        treasury.age_certificate()
        try:
            says(castle.rebirth(ok=False), FAILED, "certificate has expired", "nothing was destroyed")
        finally:
            treasury.start()
    assert castle.life() == life


def test_a_wrong_cipher_pass_is_refused_by_the_name_of_its_secret(castle: TestCastle, treasury: Treasury) -> None:
    """A repository that cannot be decrypted was once waited for, as if its backup were only late."""
    life, right = castle.life(), treasury.secret(castle, "database/cipher")
    with serving(castle, life):
        treasury.put_secret(castle, "database/cipher", right[::-1])
        try:
            for verb in (["rebirth", "--confirm", castle.name], ["backup"]):
                result = castle.run(*verb, ok=False)
                says(result, REFUSED, "cannot be decrypted", "secret `database/cipher`", "nothing was changed")
        finally:
            treasury.put_secret(castle, "database/cipher", right)
    assert castle.life() == life


def test_info_files_that_are_gone_are_damage_not_a_new_place(castle: TestCastle, treasury: Treasury) -> None:
    life = castle.life()
    with serving(castle, life):
        with treasury.without(castle, "backup/castle/backup.info", "backup/castle/backup.info.copy"):
            says(castle.rebirth(ok=False), REFUSED, "repo1 is damaged", "nothing was changed", "castle doctor")
        castle.run("backup")
    assert castle.life() == life


def test_a_rotten_backup_is_found_before_the_fence_and_a_full_one_mends_it(
    castle: TestCastle, treasury: Treasury
) -> None:
    """Bytes of every object are flipped, and its end is cut off; pgBackRest tries for half a minute."""
    life = castle.life()
    with serving(castle, life):
        for file in treasury.files(castle, "backup/castle/*F/bundle/*"):
            body = file.read_bytes()
            file.write_bytes(body[:200] + bytes([body[200] ^ 255]) + body[201:-512])
        result = castle.rebirth(ok=False)
        says(result, FAILED, "could not be restored outside the castle", "castle serves", "castle backup --full")
        assert "✔ database/fence" not in result.stdout + result.stderr
        castle.run("backup", "--full")
    assert castle.life() == life


def test_a_segment_that_vanishes_during_the_run_is_missed_behind_the_fence(
    castle: TestCastle, treasury: Treasury
) -> None:
    life = castle.life()

    def burn() -> None:
        treasury.files(castle, SEGMENTS)[-1].unlink()

    with serving(castle, life), as_soon_as(castle, "database.proof", burn):
        result = castle.rebirth(ok=False)
    says(result, REFUSED, "WAL segments are missing", "the first is", "nothing was destroyed", "castle rebirth")
    assert castle.life() == life


def test_a_treasury_that_comes_back_during_the_run_costs_time_only(castle: TestCastle, treasury: Treasury) -> None:
    life = castle.life()

    def away() -> None:
        treasury.stop()
        time.sleep(3)
        treasury.start()

    with Writer(castle) as writer:
        writer.wait_for(writer.count() + 5)
        with as_soon_as(castle, "database.marker-b", away):
            castle.rebirth()
        writer.wait_for(writer.count() + 5)
    assert castle.life() == life + 1
    assert writer.missing(life + 1) == set()


def test_a_treasury_that_dies_behind_the_fence_for_good_lets_writers_go_on(
    castle: TestCastle, treasury: Treasury
) -> None:
    """The last segment never arrives: no seal, no wipe; lifting the fence asks the treasury for nothing."""
    life = castle.life()
    began = time.monotonic()
    try:
        with serving(castle, life) as writer:
            with as_soon_as(castle, "database.fence", treasury.stop):
                result = castle.rebirth(ok=False)
            fenced = time.monotonic() - began
            writer.wait_for(writer.count() + 5)  # while nobody has mended the treasury
    finally:
        treasury.start()
    says(result, REFUSED, "was not archived within", "nothing was destroyed", "castle doctor", "castle rebirth")
    assert fenced < 110
    assert castle.life() == life
    with Writer(castle) as writer:
        writer.wait_for(writer.count() + 5)
        castle.run("resume")  # the broken run itself goes on: from a new marker, behind a new fence
        writer.wait_for(writer.count() + 5)
    assert castle.life() == life + 1
    assert writer.missing(life + 1) == set()


def test_a_young_proof_spares_the_backup_but_never_over_a_hole(castle: TestCastle, treasury: Treasury) -> None:
    """The proven set comes back by its name, with WAL over two timelines; a gap behind it makes a new proof needed."""
    if not castle.data("status")["treasures"]["database"]["proof"]:
        castle.rebirth()
    life = castle.life()
    with defined(castle, castle.treasury, max_age="1h"), Writer(castle) as writer:
        writer.wait_for(writer.count() + 5)
        young = castle.rebirth()
        says(young, 0, "not needed: backup", "ago")
        writer.wait_for(writer.count() + 5)
        newest = treasury.files(castle, SEGMENTS)[-1].name[:8]
        next(file for file in treasury.files(castle, SEGMENTS) if file.name.startswith(newest)).unlink()
        says(castle.rebirth(), 0, "does not hold any more", "another backup is taken and proven")
        writer.wait_for(writer.count() + 5)
    assert writer.missing(life + 2) == set()


def test_a_dead_castle_with_a_hole_in_its_history_says_what_would_be_lost(
    castle: TestCastle, treasury: Treasury
) -> None:
    """Empty archive, then one segment missing in the middle: refused; given up explicitly, it comes back."""
    life = castle.life()
    for row in (1, 2, 3):
        castle.sql(f"insert into ledger(id, body) values (-{row}, 'x')", life=life)
        castle.sql("select pg_switch_wal()", life=life)
    castle.run("backup")
    for row in (4, 5, 6, 7):
        castle.sql(f"insert into ledger(id, body) values (-{row}, 'x')", life=life)
        castle.sql("select pg_switch_wal()", life=life)
    time.sleep(1)
    kill_machines(castle)
    with treasury.without(castle, SEGMENTS):
        says(castle.rebirth(ok=False), REFUSED, "is not in the archive", "nothing was changed", "castle doctor")
    segments = sorted(treasury.files(castle, SEGMENTS))
    segments[-3].unlink()
    result = castle.rebirth(ok=False)
    says(result, REFUSED, "has a hole", "unbroken up to", "nothing was changed", "--accept-loss-after")
    lsn = (result.stdout + result.stderr).split("--accept-loss-after ")[1].split()[0]
    castle.rebirth("--accept-loss-after", lsn)
    loss = castle.data("report")["loss"]["database"]
    assert loss["bound"] is True
    assert loss["seconds"] > 0
    back = castle.sql("select id from ledger where id < 0 order by id desc", life=life + 1).split()
    assert back[:4] == ["-1", "-2", "-3", "-4"]
    assert "-7" not in back
    assert castle.life() == life + 1
    castle.rebirth()
