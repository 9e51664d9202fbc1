"""Rewriting the one policy of a bucket that several accounts and castles share."""

import json

import pytest

from ephemeral_castle.errors import Permanent
from ephemeral_castle.spi.world import Rights
from ephemeral_castle.world.bucket_policy import Grant, keeper_grants, reader_grants, rewrite, same, writer_grants

PATH = "here/pgbackrest/database/backup/castle"
RIGHTS = Rights(
    ("pgbackrest/database/backup/castle", "pgbackrest/database/archive/castle"),
    ("pgbackrest/database/backup/castle/latest", "pgbackrest/database/backup/castle/*/backup.manifest.copy"),
)
FILES = Rights(("restic/uploads",), ("restic/uploads/locks/*",))
FOREIGN = {"Effect": "Deny", "Principal": "*", "Action": "s3:DeleteBucket", "Resource": "arn:aws:s3:::b"}


def allowed(text: str, name: str) -> set[tuple[str, str]]:
    found: set[tuple[str, str]] = set()
    for statement in json.loads(text)["Statement"] if text else []:
        if isinstance(statement["Principal"], dict) and name in statement["Principal"]["AWS"]:
            found |= {(action, resource) for action in statement["Action"] for resource in statement["Resource"]}
    return found


def test_a_writer_deletes_only_what_pgbackrest_replaces():
    text = rewrite("", "b", "w1", writer_grants("here", [RIGHTS]), {"w1"})
    deletes = {resource for action, resource in allowed(text, "w1") if action == "s3:DeleteObject"}
    assert deletes == {f"arn:aws:s3:::b/{PATH}/latest", f"arn:aws:s3:::b/{PATH}/*/backup.manifest.copy"}
    puts = {resource for action, resource in allowed(text, "w1") if action == "s3:PutObject"}
    assert puts == {f"arn:aws:s3:::b/{PATH}/*", "arn:aws:s3:::b/here/pgbackrest/database/archive/castle/*"}
    actions = {action for action, _ in allowed(text, "w1")}
    assert actions == {
        f"s3:{a}" for a in ("ListBucket", "GetObject", "PutObject", "AbortMultipartUpload", "DeleteObject")
    }


def test_nobody_else_may_delete_a_version_or_touch_the_policy():
    for grants in (writer_grants("here", [RIGHTS]), reader_grants("here/pgbackrest"), keeper_grants("here/pgbackrest")):
        actions = {action for grant in grants for action in grant.actions}
        assert actions <= {"ListBucket", "GetObject", "PutObject", "AbortMultipartUpload", "DeleteObject"}
    assert {a for grant in reader_grants("here/pgbackrest") for a in grant.actions} == {"ListBucket", "GetObject"}


def test_accounts_with_equal_rights_share_statements_and_leave_one_by_one():
    one = rewrite("", "b", "w1", writer_grants("here", [RIGHTS]), {"w1"})
    two = rewrite(one, "b", "w2", writer_grants("here", [RIGHTS]), {"w1", "w2"})
    assert len(json.loads(two)["Statement"]) == len(json.loads(one)["Statement"]) == 3
    assert allowed(two, "w1") == allowed(two, "w2") == allowed(one, "w1")
    left = rewrite(two, "b", "w1", (), {"w1", "w2"})
    assert allowed(left, "w1") == set()
    assert allowed(left, "w2") == allowed(two, "w2")
    assert rewrite(left, "b", "w2", (), {"w2"}) == ""


def test_doing_it_again_changes_nothing():
    text = ""
    living = {"w1", "r", "k"}
    writer = writer_grants("here", [RIGHTS, FILES])
    everybody = (("w1", writer), ("r", reader_grants("here")), ("k", keeper_grants("here")))
    for name, grants in everybody:
        text = rewrite(text, "b", name, grants, living)
    for name, grants in everybody:
        settled = rewrite(text, "b", name, grants, living)
        assert rewrite(settled, "b", name, grants, living) == settled
        assert all(allowed(settled, each) == allowed(text, each) for each in living)


def test_an_account_that_has_its_rights_is_seen_to_have_them_wherever_its_statements_stand():
    """Rewriting puts an account's statements last: each raise took the writer for one with other rights."""
    text = rewrite("", "b", "w1", writer_grants("here", [RIGHTS, FILES]), {"w1"})
    text = rewrite(text, "b", "r", reader_grants("here/restic"), {"w1", "r"})
    again = rewrite(text, "b", "w1", writer_grants("here", [RIGHTS, FILES]), {"w1", "r"})
    assert same(text, again)
    assert not same(text, rewrite(text, "b", "w1", writer_grants("here", [RIGHTS]), {"w1", "r"}))
    assert not same(text, rewrite(text, "b", "w1", (), {"w1", "r"}))
    assert not same(text, "")


def test_new_rights_replace_the_old_ones():
    text = rewrite("", "b", "w1", keeper_grants("here/pgbackrest"), {"w1"})
    text = rewrite(text, "b", "w1", reader_grants("here/pgbackrest"), {"w1"})
    assert {action for action, _ in allowed(text, "w1")} == {"s3:ListBucket", "s3:GetObject"}


def test_the_dead_lose_their_rights_and_others_statements_stay():
    named = {"Effect": "Allow", "Principal": {"AWS": "alice"}, "Action": "s3:GetObject", "Resource": "arn:aws:s3:::b/x"}
    start = json.dumps({"Version": "2012-10-17", "Statement": [FOREIGN, named]})
    text = rewrite(start, "b", "w1", writer_grants("here", [RIGHTS]), {"w1", "alice"})
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
        "../x/backup/c",
        "a?/backup/c",
        "",
    ],
)
def test_a_path_that_would_say_more_than_it_shows_is_refused(path):
    with pytest.raises(Permanent):
        writer_grants("here", [Rights((path,))])


@pytest.mark.parametrize("key", ["a/b*", "../a", "a//b", ""])
def test_a_pattern_stands_for_whole_names_only(key):
    with pytest.raises(Permanent):
        writer_grants("here", [Rights(("a",), (key,))])


def test_a_writer_of_files_takes_back_nothing_but_its_locks():
    text = rewrite("", "b", "w1", writer_grants("here", [FILES]), {"w1"})
    deletes = {resource for action, resource in allowed(text, "w1") if action == "s3:DeleteObject"}
    assert deletes == {"arn:aws:s3:::b/here/restic/uploads/locks/*"}
    puts = {resource for action, resource in allowed(text, "w1") if action == "s3:PutObject"}
    assert puts == {"arn:aws:s3:::b/here/restic/uploads/*"}


def test_the_policy_of_two_lives_with_nine_layers_fits_where_it_is_kept():
    """An extended attribute on ext4 holds about 4 kB; layers that write nothing take no room in it."""
    text = ""
    for name in ("castle-0123abcd-11", "castle-0123abcd-12"):
        text = rewrite(text, "castle-here", name, writer_grants("here", [RIGHTS, FILES]), {name, "castle-0123abcd-11"})
    for repositories in ("pgbackrest", "restic"):
        for kind, grants in (("reader", reader_grants), ("keeper", keeper_grants)):
            name = f"castle-0123abcd-{repositories}-{kind}"
            living = {name, *(n for s in json.loads(text)["Statement"] for n in s["Principal"]["AWS"])}
            text = rewrite(text, "castle-here", name, grants(f"here/{repositories}"), living)
    assert len(text) < 3000


@pytest.mark.parametrize("path", ["*", "here/../other", "", "here/${aws:username}"])
def test_a_repository_that_would_say_more_than_it_shows_is_refused(path):
    for grants in (reader_grants, keeper_grants):
        with pytest.raises(Permanent):
            grants(path)
