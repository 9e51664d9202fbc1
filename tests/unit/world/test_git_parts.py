"""The pure parts of the castle's repository: what git says, what a name means, links."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ephemeral_castle.errors import CastleError, Damaged, Denied, NotFound, Permanent, Refused, Unreachable
from ephemeral_castle.world.git_copies import Copy
from ephemeral_castle.world.git_refs import find, newest_of
from ephemeral_castle.world.git_tree import LINK, Entry, below, follow_links, parse_blobs, parse_listing, tidy_folder
from ephemeral_castle.world.git_words import failure, is_local_damage, last_words


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        ("fatal: unable to access 'https://h/c/': Could not resolve host: h", Unreachable),
        ("fatal: unable to access 'https://h/c/': Failed to connect to h port 443: Connection refused", Unreachable),
        (
            "ssh: connect to host h port 22: No route to host\nfatal: Could not read from remote repository.",
            Unreachable,
        ),
        ("ssh: connect to host h port 22: Connection timed out", Unreachable),
        ("kex_exchange_identification: Connection closed by remote host", Unreachable),
        ("fatal: unable to access 'https://h/c/': The requested URL returned error: 502", Unreachable),
        ("fatal: the remote end hung up unexpectedly\nfatal: early EOF", Unreachable),
        ("fatal: Authentication failed for 'https://h/c/'", Denied),
        ("fatal: could not read Username for 'https://h': terminal prompts disabled", Denied),
        ("git@h: Permission denied (publickey).", Denied),
        ("fatal: unable to access 'https://h/c/': server certificate verification failed. CAfile: x", Denied),
        ("No ED25519 host key is known for castle-repository\nHost key verification failed.", Denied),
        ("fatal: repository 'https://h/c/' not found", NotFound),
        ("ERROR: Repository not found.\nfatal: Could not read from remote repository.", NotFound),
        ("fatal: detected dubious ownership in repository at '/srv/c'", Refused),
        ("error: object 12: badTimezone\nfatal: fsck error in packed object\nfatal: index-pack failed", Damaged),
        ("fatal: write error: No space left on device", Permanent),
        ("fatal: something that nobody has seen", Permanent),
        ("", Permanent),
    ],
)
def test_what_git_says_becomes_its_kind_of_error(said, kind):
    error = failure(said, "https://h/c")
    assert type(error) is kind
    assert error.where == "https://h/c"
    assert error.why


def test_the_last_words_carry_no_secret_and_no_escape_sequence():
    said = (
        "remote: \x1b[31mtoken abc123 is wrong\x1b[0m\x07\nfatal: no\nfatal: Could not read from remote repository.\n"
    )
    assert last_words(said, "abc123") == "remote: token [redacted] is wrong / fatal: no"


def test_a_broken_copy_of_ours_is_told_from_a_broken_repository():
    assert is_local_damage("error: object file /s/git/objects/1 is empty", "/s/git")
    assert is_local_damage("fatal: not a git repository: '/s/git'", "/s/git")
    assert not is_local_damage("remote: error: object file /srv/c/objects/1 is empty", "/s/git")


def test_a_name_among_branches_and_tags():
    refs = {"refs/heads/main": "1", "refs/tags/v1": "2", "refs/tags/v1^{}": "3", "refs/heads/release": "4"}
    assert find("main", refs, "here") == "refs/heads/main"
    assert find("v1", refs, "here") == "refs/tags/v1"
    with pytest.raises(NotFound) as caught:
        find("0123abc", refs, "here")
    assert "all 40 characters" in caught.value.hints[0]
    with pytest.raises(NotFound) as caught:
        find("zzz", refs, "here")
    assert caught.value.hints == ("it has `main`, `release`, `v1`",)


def test_the_copy_for_a_name_or_an_id():
    copies = [Copy("main", "b", 2), Copy("v1", "a", 1), Copy("main", "a", 1)]
    assert newest_of(copies, "main") == copies[0]
    assert newest_of(copies, "a") == copies[1]
    assert newest_of(copies, "other") is None


def test_listings_are_read_whole():
    raw = b"100644 blob aa      12\tdata/a\tb\n\x00160000 commit bb       -\tlib\x00"
    assert parse_listing(raw) == [Entry("data/a\tb\n", "100644", "aa", 12), Entry("lib", "160000", "bb", 0)]
    with pytest.raises(Refused, match="cannot be used"):
        parse_listing(b"100644 blob aa 1\t\xff\x00")


@pytest.mark.parametrize("raw", [b"", b"abc missing\n", b"x", b"\n\n"])
def test_an_answer_cut_short_is_damage(raw):
    with pytest.raises(Damaged):
        parse_blobs(raw, ["abc"])


def test_a_content_that_is_not_what_its_id_says_is_damage():
    sha = "257cc5642cb1a054f08cc83f2d943e56fd3ebe99"  # of "foo\n"
    assert parse_blobs(b"%s blob 4\nfoo\n\n" % sha.encode(), [sha]) == {sha: b"foo\n"}
    with pytest.raises(Damaged):
        parse_blobs(b"%s blob 4\nfox\n\n" % sha.encode(), [sha])


def test_folders_are_tidied_and_kept_inside():
    assert [tidy_folder(text) for text in ("", ".", "./a//b/", "a")] == ["", "", "a/b", "a"]
    for text in ("/etc", "a/../b", ".."):
        with pytest.raises(Refused):
            tidy_folder(text)


def test_links_that_multiply_end():
    entries = {f"d/{name}": Entry(f"d/{name}", LINK, "self", 2) for name in "abcd"}
    entries["d/file"] = Entry("d/file", "100644", "x", 1)
    with pytest.raises(Refused):
        follow_links(entries, {"self": b"../d"})


def test_large_files_counted_through_links_are_refused():
    entries = {"big": Entry("big", "100644", "x", 40 * 2**20), "again": Entry("again", LINK, "l", 3)}
    with pytest.raises(Refused, match="too large"):
        follow_links(entries, {"l": b"big"})


NAMES = st.sampled_from(["a", "b", "c"])
PATHS = st.lists(NAMES, min_size=1, max_size=3).map("/".join)
WAYS = st.lists(st.sampled_from(["a", "b", "c", "..", ".", ""]), min_size=1, max_size=5).map("/".join)


@given(st.dictionaries(PATHS, st.one_of(st.none(), WAYS), min_size=1, max_size=8))
def test_links_lead_to_files_of_the_folder_or_are_refused(tree):
    tree = {path: way for path, way in tree.items() if not any(other.startswith(f"{path}/") for other in tree)}
    entries = {path: Entry(path, "100644" if way is None else LINK, way or "f", 1) for path, way in tree.items()}
    targets = {way: way.encode() for way in tree.values() if way is not None}
    try:
        found = follow_links(below(entries.values(), ""), {**targets, "f": b""})
    except CastleError:
        return
    assert set(found.values()) <= {entry for entry in entries.values() if entry.mode != LINK}
    assert {path for path, way in tree.items() if way is None} <= set(found)
