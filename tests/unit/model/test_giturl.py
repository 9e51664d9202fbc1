"""Addresses of repositories and names of revisions."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ephemeral_castle.model.giturl import BadAddress, address_of, check_ref, is_full_id, is_part_of_id


@pytest.mark.parametrize(
    ("text", "kind", "url"),
    [
        ("https://git.example.org/home/castle.git", "https", "https://git.example.org/home/castle.git"),
        ("https://me@git.example.org:8443/c", "https", "https://git.example.org:8443/c"),
        ("https://[::1]:8443/c", "https", "https://[::1]:8443/c"),
        ("ssh://git@host:2222/srv/castle.git", "ssh", "ssh://git@host:2222/srv/castle.git"),
        ("git@host:home/castle.git", "ssh", "ssh://git@host/~/home/castle.git"),
        ("git@host:/srv/castle.git", "ssh", "ssh://git@host/srv/castle.git"),
        ("host:~me/castle.git", "ssh", "ssh://host/~me/castle.git"),
        ("/srv/castle.git", "file", "/srv/castle.git"),
        ("file:///srv/castle.git", "file", "/srv/castle.git"),
        ("../castle.git", "file", "../castle.git"),
        ("./with:colon", "file", "./with:colon"),
    ],
)
def test_every_usual_form(text: str, kind: str, url: str) -> None:
    address = address_of(text)
    assert (address.kind, address.url) == (kind, url)


@pytest.mark.parametrize(
    "text",
    [
        "", "http://host/c", "git://host/c", "ftp://host/c", "ext::sh -c id", "https://me:hunter2@host/c", "https://host",
        "ssh://-oProxyCommand=id/c", "-oProxyCommand=id:c", "git@-host:c", "--upload-pack=id", "https://host/c?x=1",
        "https://host:99999/c", "https:///c", "file://host/c", "a\nb", "ssh://-x@host/c", "x@y@host:c", "transport::x",
    ],
)  # fmt: skip
def test_what_git_could_misunderstand_is_no_address(text: str) -> None:
    with pytest.raises(BadAddress) as caught:
        address_of(text)
    assert caught.value.hint
    assert "hunter2" not in caught.value.message


@pytest.mark.parametrize("ref", ["main", "feature/x", "v1.2.3", "refs/tags/v1", "a" * 40, "über", "a-b_c"])
def test_names_that_git_allows(ref: str) -> None:
    check_ref(ref)


@given(st.text(max_size=30))
def test_nothing_that_passes_can_be_an_option_or_a_pattern(ref: str) -> None:
    try:
        check_ref(ref)
    except BadAddress:
        return
    assert not ref.startswith("-")
    assert not set(ref) & set(" ~^:?*[\\\n\t\0")
    assert ".." not in ref


@given(st.text(max_size=40))
def test_every_text_is_an_address_or_refused_in_words(text: str) -> None:
    try:
        address = address_of(text)
    except BadAddress:
        return
    assert not address.url.startswith("-")
    assert not address.host.startswith("-")


def test_ids() -> None:
    assert is_full_id("0" * 40)
    assert not is_full_id("0" * 39)
    assert is_part_of_id("0123abc")
    assert not is_part_of_id("main")
