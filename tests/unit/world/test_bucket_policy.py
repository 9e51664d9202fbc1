"""Rewriting the one policy of a bucket that several accounts and castles share."""

import json

import pytest

from ephemeral_castle.errors import Permanent
from ephemeral_castle.world.bucket_policy import Grant, keeper_grants, reader_grants, rewrite, writer_grants

PATH = "here/pgbackrest/database/backup/castle"
FOREIGN = {"Effect": "Deny", "Principal": "*", "Action": "s3:DeleteBucket", "Resource": "arn:aws:s3:::b"}


def allowed(text: str, name: str) -> set[tuple[str, str]]:
    found: set[tuple[str, str]] = set()
    for statement in json.loads(text)["Statement"] if text else []:
        if isinstance(statement["Principal"], dict) and name in statement["Principal"]["AWS"]:
            found |= {(action, resource) for action in statement["Action"] for resource in statement["Resource"]}
    return found


def test_a_writer_deletes_only_what_pgbackrest_replaces():
    text = rewrite("", "b", "w1", writer_grants([PATH]), {"w1"})
    deletes = {resource for action, resource in allowed(text, "w1") if action == "s3:DeleteObject"}
    assert deletes == {f"arn:aws:s3:::b/{PATH}/latest", f"arn:aws:s3:::b/{PATH}/*/backup.manifest.copy"}
    puts = {resource for action, resource in allowed(text, "w1") if action == "s3:PutObject"}
    assert puts == {f"arn:aws:s3:::b/{PATH}/*", "arn:aws:s3:::b/here/pgbackrest/database/archive/castle/*"}
    actions = {action for action, _ in allowed(text, "w1")}
    assert actions == {
        f"s3:{a}" for a in ("ListBucket", "GetObject", "PutObject", "AbortMultipartUpload", "DeleteObject")
    }


def test_nobody_else_may_delete_a_version_or_touch_the_policy():
    for grants in (writer_grants([PATH]), reader_grants("here/pgbackrest"), keeper_grants("here/pgbackrest")):
        actions = {action for grant in grants for action in grant.actions}
        assert actions <= {"ListBucket", "GetObject", "PutObject", "AbortMultipartUpload", "DeleteObject"}
    assert {a for grant in reader_grants("here/pgbackrest") for a in grant.actions} == {"ListBucket", "GetObject"}


def test_accounts_with_equal_rights_share_statements_and_leave_one_by_one():
    one = rewrite("", "b", "w1", writer_grants([PATH]), {"w1"})
    two = rewrite(one, "b", "w2", writer_grants([PATH]), {"w1", "w2"})
    assert len(json.loads(two)["Statement"]) == len(json.loads(one)["Statement"]) == 3
    assert allowed(two, "w1") == allowed(two, "w2") == allowed(one, "w1")
    left = rewrite(two, "b", "w1", (), {"w1", "w2"})
    assert allowed(left, "w1") == set()
    assert allowed(left, "w2") == allowed(two, "w2")
    assert rewrite(left, "b", "w2", (), {"w2"}) == ""


def test_doing_it_again_changes_nothing():
    text = ""
    living = {"w1", "r", "k"}
    for name, grants in (("w1", writer_grants([PATH])), ("r", reader_grants("here")), ("k", keeper_grants("here"))):
        text = rewrite(text, "b", name, grants, living)
    for name, grants in (("w1", writer_grants([PATH])), ("r", reader_grants("here")), ("k", keeper_grants("here"))):
        settled = rewrite(text, "b", name, grants, living)
        assert rewrite(settled, "b", name, grants, living) == settled
        assert all(allowed(settled, each) == allowed(text, each) for each in living)


def test_new_rights_replace_the_old_ones():
    text = rewrite("", "b", "w1", keeper_grants("here/pgbackrest"), {"w1"})
    text = rewrite(text, "b", "w1", reader_grants("here/pgbackrest"), {"w1"})
    assert {action for action, _ in allowed(text, "w1")} == {"s3:ListBucket", "s3:GetObject"}


def test_the_dead_lose_their_rights_and_others_statements_stay():
    named = {"Effect": "Allow", "Principal": {"AWS": "alice"}, "Action": "s3:GetObject", "Resource": "arn:aws:s3:::b/x"}
    start = json.dumps({"Version": "2012-10-17", "Statement": [FOREIGN, named]})
    text = rewrite(start, "b", "w1", writer_grants([PATH]), {"w1", "alice"})
    assert json.loads(text)["Statement"][0] == FOREIGN
    assert json.loads(text)["Statement"][1]["Principal"] == {"AWS": ["alice"]}
    text = rewrite(text, "b", "w1", (), {"w1"})
    assert json.loads(text)["Statement"] == [FOREIGN]


def test_a_statement_of_another_castle_is_never_widened():
    public = {**Grant(("ListBucket",)).statement("b", ["x"]), "Principal": "*"}
    text = rewrite(json.dumps({"Statement": [public]}), "b", "w1", (Grant(("ListBucket",)),), {"w1"})
    assert json.loads(text)["Statement"][0]["Principal"] == "*"
    assert json.loads(text)["Statement"][1]["Principal"] == {"AWS": ["w1"]}


@pytest.mark.parametrize(
    "path",
    [
        "*",
        "here/*/backup/castle",
        "here/pgbackrest",
        "here/backup/",
        "here/backup/a/b",
        "../x/backup/c",
        "a?/backup/c",
        "",
    ],
)
def test_a_path_that_would_say_more_than_it_shows_is_refused(path):
    with pytest.raises(Permanent):
        writer_grants([path])


@pytest.mark.parametrize("path", ["*", "here/../other", "", "here/${aws:username}"])
def test_a_repository_that_would_say_more_than_it_shows_is_refused(path):
    for grants in (reader_grants, keeper_grants):
        with pytest.raises(Permanent):
            grants(path)
