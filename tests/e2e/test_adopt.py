"""A repository that castle did not make is taken over by an explicit word, and by nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import pytest

from ephemeral_castle.spi.secret import Secret
from ephemeral_castle.world.keys import KeyFile
from tests.e2e.castles import TestCastle
from tests.e2e.treasuries import Treasury, standing_beside
from tests.systems import CASTLE

pytestmark = [pytest.mark.machines, pytest.mark.evidence("real", *CASTLE)]


@dataclass
class Found:
    """A treasury with a foreign repository, the castle that wants it, and the pass of the repository."""

    treasury: Treasury
    castle: TestCastle
    cipher: str


@pytest.fixture(scope="module")
def found() -> Iterator[Found]:
    """What pgBackRest leaves in a bucket: no castle's record, secrets or tables; keys of somebody else."""
    with standing_beside() as (treasury, castle):
        cipher = treasury.secret(castle, "database/cipher")
        castle.sql("insert into ledger(id, body) values (1, 'older than any castle')", life=1)
        castle.sql("create role stranger login", life=1)
        castle.sql("drop schema castle cascade", life=1, database="postgres")
        machine = f"{castle.name}-1-431"
        command = ["podman", "exec", "database", "pgbackrest", "--config=/run/castle/pgbackrest.conf"]
        done = castle.podman("exec", machine, *command, "--stanza=castle", "--repo=1", "--type=full", "backup")
        assert done.returncode == 0, done.stderr
        castle.sql("insert into ledger(id, body) values (2, 'after the backup')", life=1)
        castle.sql("select pg_switch_wal()", life=1)
        castle.sql("select pg_sleep(3)", life=1)
        castle.run("down", "--confirm", castle.name)
        for name in treasury.names(f"{castle.name}/"):
            if "/pgbackrest/" not in name:
                treasury.remove(name)
        keys = castle.base / "castle.key"
        keys.unlink()
        treasury.key_file(keys)
        yield Found(treasury, castle, cipher)


@pytest.mark.parametrize("words", [(), ("--new",)])
def test_without_the_word_it_is_refused_with_both_facts(found: Found, words: tuple[str, ...]) -> None:
    before = found.treasury.names(f"{found.castle.name}/pgbackrest/")
    refused = found.castle.run("raise", *words, ok=False)
    assert refused.returncode == 9, refused.stderr
    assert "there is no castle.json, and there is pgbackrest/database/" in refused.stderr
    assert "castle raise --adopt" in refused.stderr
    assert found.treasury.names(f"{found.castle.name}/pgbackrest/") == before
    names = found.treasury.names(f"{found.castle.name}/")
    assert not [name for name in names if name.endswith(("castle.json", "secrets.age"))]


def test_without_the_pass_nothing_is_made_up(found: Found) -> None:
    refused = found.castle.run("raise", "--adopt", ok=False)
    assert refused.returncode in (4, 9)
    assert "the secret `database/cipher` is missing" in refused.stderr
    assert "[secrets]" in refused.stderr


def test_with_word_and_pass_it_comes_home_as_the_first_life(found: Found) -> None:
    castle = found.castle
    path = castle.base / "castle.key"
    keys = KeyFile.load(path)
    path.unlink()
    replace(keys, secrets={"database/cipher": Secret(found.cipher)}).write(path)
    castle.run("raise", "--adopt")
    assert castle.sql("select string_agg(body, ', ' order by id) from ledger", life=1) == (
        "older than any castle, after the backup"
    )
    status = castle.data("status")
    assert (status["state"], status["life"]) == ("up", 1)
    report = castle.data("report")
    assert any("stranger" in warning["text"] for warning in report["warnings"])
    # From here on it is a castle like any other, and the word is not needed again.
    castle.rebirth()
    assert castle.sql("select count(*) from ledger", life=2) == "2"
