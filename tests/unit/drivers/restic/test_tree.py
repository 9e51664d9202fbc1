"""A manifest says what is in a tree, notices every change, and reads a file again only when it changed."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ephemeral_castle.drivers.restic import tree


@pytest.fixture
def root(tmp_path: Path) -> Path:
    made = tmp_path / "data"
    (made / "folder/empty").mkdir(parents=True)
    (made / "folder/one").write_text("one")
    (made / "line\nbreak").write_text("x")
    Path(os.fsdecode(os.fsencode(made) + b"/\xff\xfe")).write_text("no UTF-8")
    (made / "ümläut").write_text("y")
    (made / "link").symlink_to("folder/one")
    (made / "broken").symlink_to("/nowhere")
    os.link(made / "folder/one", made / "hard")
    os.mkfifo(made / "pipe")
    return made


def taken(root: Path) -> tuple[list[tree.Row], tree.Known]:
    return tree.rows(str(root), {})


def by_path(root: Path) -> dict[str, tree.Row]:
    return {row[0]: row for row in taken(root)[0]}


def test_everything_is_in_the_manifest(root: Path) -> None:
    found = by_path(root)
    assert {path: row[1] for path, row in found.items()} == {
        ".": "folder", "folder": "folder", "folder/empty": "folder", "folder/one": "file", "line\nbreak": "file",
        "\udcff\udcfe": "file", "ümläut": "file", "link": "link", "broken": "link", "hard": "file", "pipe": "pipe",
    }  # fmt: skip
    assert found["folder/one"][7] == "7692c3ad3540bb803c020b3aee66cd8887123234ea0c6e7143c0add73ff431ed"
    assert found["link"][7] == "folder/one"
    assert (found["hard"][8], found["line\nbreak"][8]) == (2, 1)


def test_it_survives_being_written_and_read(root: Path, tmp_path: Path) -> None:
    counted = tree.take(str(root), str(tmp_path / "m"), str(tmp_path / "k"))
    assert counted["files"] == 5
    assert tree.load_rows(str(tmp_path / "m")) == by_path(root)
    assert tree.count(list(tree.load_rows(str(tmp_path / "m")).values())) == counted


@pytest.mark.parametrize(
    ("change", "path", "what"),
    [
        (lambda root: (root / "folder/one").write_text("two"), "folder/one", "content"),
        (lambda root: (root / "ümläut").chmod(0o600), "ümläut", "mode"),
        (lambda root: os.utime(root / "ümläut", ns=(1, 1)), "ümläut", "time"),
        (lambda root: (root / "pipe").unlink(), "pipe", "is missing"),
        (lambda root: (root / "new").write_text(""), "new", "is new"),
        (lambda root: ((root / "link").unlink(), (root / "link").symlink_to("hard")), "link", "content"),
    ],
)
def test_every_change_is_told_by_path_and_field(root: Path, change: Any, path: str, what: str) -> None:
    before, known = taken(root)
    change(root)
    after = by_path(root)
    found = dict(tree.differ({row[0]: row for row in before}, after))
    assert what in found[path]
    assert path in tree.moved(str(root), known)
    assert tree.differ({row[0]: row for row in before}, after, excepted=found) == []


def test_a_file_that_did_not_change_is_not_read_again(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tree, "RACY", -(10**18))
    _, known = taken(root)
    monkeypatch.setattr(tree, "digest_of", lambda path: f"read {path.name}")
    again = {row[0]: row for row in tree.rows(str(root), known)[0]}
    assert again["folder/one"][7].startswith("7692c3ad")
    (root / "folder/one").write_text("two")
    assert {row[0]: row for row in tree.rows(str(root), known)[0]}["folder/one"][7] == "read one"


def test_a_file_that_changed_a_moment_ago_is_read_again(root: Path) -> None:
    """Two changes within one tick of the clock look like one: size, time and inode may all be the same."""
    _, known = taken(root)
    assert known["folder/one"][1] == ""


def test_a_tree_whose_folder_vanishes_meanwhile_is_no_error(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = tree.walk(str(root))
    assert next(seen)[0] == "."
    for path in (root / "folder").iterdir():
        path.rmdir() if path.is_dir() else path.unlink()
    (root / "folder").rmdir()
    assert "folder/one" not in [path for path, _ in seen]


def test_a_broken_memory_means_that_all_is_read(tmp_path: Path) -> None:
    (tmp_path / "k").write_text('{"half')
    assert tree.load_known(str(tmp_path / "k")) == tree.load_known(str(tmp_path / "none")) == {}


def node(path: str, kind: str, mode: int, size: int = 0) -> str:
    return json.dumps(
        {"struct_type": "node", "path": path, "type": kind, "mode": mode, "uid": 0, "gid": 0, "size": size}
    )


def test_what_restic_lists_has_the_outline_of_the_manifest(root: Path, tmp_path: Path) -> None:
    """restic's modes are Go's, and each byte that is no UTF-8 is U+FFFD in its JSON."""
    (root / "folder/one").chmod(0o4755)
    rows = [[*row[:3], 0, 0, *row[5:]] for row in taken(root)[0]]
    kinds = {name: kind for kind, name in tree.KINDS.items()}
    lines = ['{"struct_type":"snapshot"}', node("/castle", "dir", 0o755), node("/castle/note/marker", "file", 0o644, 3)]
    for path, kind, mode, *rest in rows:
        special = sum(go for go, unix in tree.SPECIAL if mode & unix)
        name = "/data" if path == "." else "/data/" + path.replace("\udcff\udcfe", "\ufffd\ufffd")
        lines.append(node(name, kinds[kind], (mode & 0o777) | special, rest[3]))
    (tmp_path / "listing").write_text("\n".join(lines))
    listed, counted = tree.listed(str(tmp_path / "listing")), tree.count(rows)
    assert {key: counted[key] for key in listed} == listed


def test_it_runs_alone_with_the_standard_library(root: Path, tmp_path: Path) -> None:
    """In the containers of restic there is no castle."""
    script = tmp_path / "tree.py"
    script.write_text(Path(tree.__file__).read_text())

    def run(*args: str) -> Any:
        command = [sys.executable, "-I", str(script), *args]
        return json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)

    first = run("take", str(root), str(tmp_path / "m"), str(tmp_path / "k"))
    assert run("count", str(tmp_path / "m")) == first
    assert run("moved", str(root), str(tmp_path / "k")) == []
    (root / "new").write_text("")
    assert run("moved", str(root), str(tmp_path / "k")) == [".", "new"]
    run("take", str(root), str(tmp_path / "n"), str(tmp_path / "k"))
    assert [path for path, _ in run("differ", str(tmp_path / "m"), str(tmp_path / "n"))] == [".", "new"]
    (tmp_path / "except").write_text('["new", "."]')
    assert run("differ", str(tmp_path / "m"), str(tmp_path / "n"), str(tmp_path / "except")) == []


def test_a_sample_is_spread_over_plain_files_and_says_what_they_hold(tmp_path):
    for number in range(10):
        (tmp_path / f"file{number}").write_text(str(number))
    (tmp_path / "two\nlines").write_text("x")
    (tmp_path / "folder").mkdir()
    made, _ = tree.rows(str(tmp_path), {})
    found = tree.sample(made, 5)
    assert [each["path"] for each in found] == ["file0", "file2", "file4", "file6", "file8"]
    assert found[1]["sha256"] == hashlib.sha256(b"2").hexdigest()
    assert tree.sample([], 5) == []


def test_more_than_a_thousand_files_that_moved_during_a_backup_failed_its_proof(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The proof leaves out what moved meanwhile; of that list only the first thousand were told."""
    made = tmp_path / "data"
    made.mkdir()
    tree.take(str(made), str(tmp_path / "m"), str(tmp_path / "k"))
    for number in range(tree.SHOWN + 1):
        (made / f"{number}").touch()
    tree.main(["moved", str(made), str(tmp_path / "k")])
    assert len(json.loads(capsys.readouterr().out)) == tree.SHOWN + 2  # the folder itself, too
