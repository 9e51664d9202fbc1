"""Paths of a repository: what they mean, and that none leaves it."""

from __future__ import annotations

import pytest

from ephemeral_castle.manifests.files import Memory, joined, within

TREE = Memory({"a/b/c.yaml": "x", "a/d.yaml": b"\xff", "e.yaml": ""})


def test_a_directory_names_what_is_in_it() -> None:
    assert TREE.list("") == ["a/", "e.yaml"]
    assert TREE.list("a") == ["b/", "d.yaml"]
    assert TREE.list("a/x") == []


def test_files_and_directories_are_told_apart() -> None:
    assert TREE.is_file("e.yaml")
    assert not TREE.is_file("a")
    assert TREE.is_directory("a/b")
    assert not TREE.is_directory("e.yaml")
    assert TREE.read("a/d.yaml") == b"\xff"
    with pytest.raises(FileNotFoundError):
        TREE.read("a")


@pytest.mark.parametrize(
    ("directory", "path", "meant"),
    [("a/b", "../c", "a/c"), ("a", "./b/", "a/b"), ("a", "..", ""), ("a", "../..", None), ("", "../x", None),
     ("a", "/etc/passwd", None), ("", ".", "")],
)  # fmt: skip
def test_no_path_leaves_the_repository(directory: str, path: str, meant: str | None) -> None:
    assert joined(directory, path) == meant


def test_what_lies_below_is_told_by_whole_names() -> None:
    assert within("a/b", "a")
    assert within("a", "a")
    assert not within("ab", "a")
    assert within("x", "")
