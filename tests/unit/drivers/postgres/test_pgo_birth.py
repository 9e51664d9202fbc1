"""What the operator is told of a birth, and what the lock lets through."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ephemeral_castle.drivers.postgres.pgo import birth, manifests
from ephemeral_castle.drivers.postgres.pgo.birth import CREATE, RESTORE, STANDS, Birth
from ephemeral_castle.drivers.postgres.pgo.guard import Guard, rules
from ephemeral_castle.postgres.config import S3Repository
from tests.unit.drivers.postgres.operated import options

S3 = S3Repository(
    bucket="b", region="r", host="treasury.castle", port=8443, path="/lab/pgbackrest/database", key="the-key",
    key_secret="the-secret", cipher_pass="the-pass", ca_file=birth.ca_file(),
)  # fmt: skip
REPO = birth.repository(S3, "db-s3", 2)
SEALED = Birth.restored("20261122-1F", 3, "castle-r1")
OPEN = Birth.restored("20261122-1F", 3, "")
LOCK = Guard("c0ffee00-0000", "database", "data", "db", REPO.path, SEALED, 2)


def made(how: Birth) -> dict[str, Any]:
    spec: dict[str, Any] = manifests.cluster(options(), "db", {"castle.id": "c"}, REPO, how)["spec"]
    return spec


def test_no_secret_stands_in_what_everybody_may_read() -> None:
    for text in (json.dumps(made(SEALED)), json.dumps(birth.life_data("database", 2, SEALED, REPO))):
        for word in ("the-key", "the-secret", "the-pass"):
            assert word not in text
    assert {line.split("=")[0] for line in birth.credentials(S3).splitlines()[1:]} == set(birth.SECRET_OPTIONS)
    assert birth.passes(birth.credentials(S3)) == "the-pass"


@pytest.mark.parametrize("text", ["", "[global]\nrepo1-s3-key=a\n", "repo1-cipher-pass\n"])
def test_a_secret_without_a_pass_has_none(text: str) -> None:
    assert birth.passes(text) == ""


def test_backups_and_source_name_the_same_repository() -> None:
    """A restore reads the one, the living cluster the other: a word that is missing in one fails for ever."""
    spec = made(SEALED)
    source, backups = spec["dataSource"]["pgbackrest"], spec["backups"]["pgbackrest"]
    assert source["repo"] == backups["repos"][0]
    assert source["configuration"] == backups["configuration"] == [{"secret": {"name": "db-s3"}}]
    for key in ("repo1-path", "repo1-cipher-type", "repo1-s3-uri-style", "repo1-storage-port", "repo1-storage-ca-file"):
        assert source["global"][key] == backups["global"][key]


def test_a_new_database_has_no_source() -> None:
    assert "dataSource" not in made(Birth(CREATE))


def test_a_sealed_history_is_restored_to_its_mark_and_no_further() -> None:
    assert SEALED.options == ("--set=20261122-1F", "--target-timeline=3", "--type=name", "--target=castle-r1")


def test_an_open_end_has_no_word_that_makes_the_operator_add_a_target_action() -> None:
    """It looks for `--target` in every option, and pgBackRest refuses what it adds where there is no target."""
    assert OPEN.options == ("--set=20261122-1F", "--recovery-option=recovery_target_timeline=3")
    assert not [each for each in OPEN.options if "--target" in each]


FORBIDDEN = ("--repo", "--stanza", "--pg1-path", "--target-action", "--link-map")


@pytest.mark.parametrize("how", [SEALED, OPEN])
def test_nothing_stands_in_the_options_that_the_operator_refuses(how: Birth) -> None:
    assert not [each for each in how.options for word in FORBIDDEN if word in each]


def test_the_expiry_is_left_to_the_keeper() -> None:
    assert made(SEALED)["backups"]["pgbackrest"]["global"]["expire-auto"] == "n"


def test_one_line_of_a_tree_stands_for_both_answers() -> None:
    restored = birth.life_data("my-db", 2, SEALED, REPO)
    assert restored["my_db_birth_key"] == "dataSource"
    assert json.loads(restored["my_db_birth_value"])["pgbackrest"]["options"] == list(SEALED.options)
    created = birth.life_data("my-db", 1, Birth(CREATE), REPO)
    assert (created["my_db_birth_key"], created["my_db_birth_value"]) == ("shutdown", "false")


def test_users_own_their_databases() -> None:
    given = options(databases={"app": {"owner": "app"}, "more": {"owner": "app"}}, users={"app": {}, "guest": {}})
    users = manifests.cluster(given, "db", {}, REPO, SEALED)["spec"]["users"]
    assert users == [{"name": "app", "databases": ["app", "more"]}, {"name": "guest"}]


def test_every_answer_has_a_lock_of_its_own() -> None:
    births = (Birth(CREATE), Birth(STANDS), SEALED, OPEN)
    locks = [Guard("c", "l", "n", "db", "/p", each, life) for each in births for life in (1, 2)]
    locks += [Guard("c", "l", "n", "db", "/p", SEALED, 2, wiping=True)]
    assert len({each.token for each in locks}) == len(locks)


def test_only_a_wipe_opens_the_lock_for_an_end() -> None:
    closed = [expression for expression, _ in rules(LOCK) if "DELETE" in expression]
    opened = [expression for expression, _ in rules(Guard("c", "l", "n", "db", "/p", SEALED, 2, wiping=True))]
    assert closed
    assert not [each for each in opened if "DELETE" in each]


@pytest.mark.parametrize("answer", [CREATE, RESTORE, STANDS])
def test_every_refusal_says_why(answer: str) -> None:
    for _, message in rules(Guard("c0ffee00", "l", "n", "db", "/p", Birth(answer), 1)):
        assert "\n" not in message
        assert len(message) > 20
