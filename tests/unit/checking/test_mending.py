"""The edits of findings as a diff, and written."""

from __future__ import annotations

import subprocess

import pytest

from ephemeral_castle.cli.checking import mending
from ephemeral_castle.errors import Conflict
from ephemeral_castle.model.finding import Edit, Finding, Mark, Severity


def with_edits(*edits: Edit) -> Finding:
    return Finding("x", Severity.ERROR, "wrong", Mark("a.yaml", 1), edits=edits)


def edit(line: int, column: int, width: int, text: str, file: str = "a.yaml") -> Edit:
    return Edit(Mark(file, line, column, width), text)


def test_several_edits_of_a_line_and_of_others():
    text = "one: a_b\ntwo: a_b # a_b\nthree\n"
    found = [with_edits(edit(2, 6, 3, "a-b"), edit(1, 6, 3, "a-b")), with_edits(edit(2, 12, 3, "a-b"))]
    assert mending.mended(found, {"a.yaml": text}) == {"a.yaml": "one: a-b\ntwo: a-b # a-b\nthree\n"}


def test_the_same_edit_of_two_findings_is_made_once():
    found = [with_edits(edit(1, 1, 1, "bb")), with_edits(edit(1, 1, 1, "bb"))]
    assert mending.mended(found, {"a.yaml": "a"}) == {"a.yaml": "bb"}


def test_of_edits_that_overlap_the_first_is_made():
    found = [with_edits(edit(1, 1, 4, "x")), with_edits(edit(1, 3, 4, "y"))]
    assert mending.mended(found, {"a.yaml": "abcdef\n"}) == {"a.yaml": "xef\n"}


def test_an_edit_may_take_several_lines_and_keeps_other_line_ends():
    text = "a:\r\n  b: 1\r\n  c: 2\r\nd: 3\r\n"
    assert mending.mended([with_edits(edit(2, 1, 16, ""))], {"a.yaml": text}) == {"a.yaml": "a:\r\nd: 3\r\n"}


def test_a_file_that_was_not_read_is_left_alone():
    assert mending.mended([with_edits(edit(1, 1, 1, "x", "b.yaml"))], {"a.yaml": "a"}) == {}


@pytest.mark.parametrize("text", ["a: 1\nb: a_b\n", "a: 1\nb: a_b"])
def test_git_applies_the_diff(tmp_path, text):
    before = {"a.yaml": text}
    after = mending.mended([with_edits(edit(2, 4, 3, "a-b"))], before)
    (tmp_path / "a.yaml").write_text(text)
    diff = mending.diff(before, after)
    subprocess.run(["git", "apply", "-"], cwd=tmp_path, input=diff, text=True, check=True)
    assert (tmp_path / "a.yaml").read_text() == after["a.yaml"] != text


def test_written_files_keep_mode_and_links(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "real.yaml").write_text("old")
    (tmp_path / "real.yaml").chmod(0o640)
    (tmp_path / "a.yaml").symlink_to("real.yaml")
    assert mending.write({"a.yaml": "old"}, {"a.yaml": "new"}) == ["a.yaml"]
    assert (tmp_path / "real.yaml").read_text() == "new"
    assert (tmp_path / "a.yaml").is_symlink()
    assert (tmp_path / "real.yaml").stat().st_mode & 0o777 == 0o640
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.yaml", "real.yaml"]


def test_of_files_that_changed_meanwhile_none_is_written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.yaml").write_text("old")
    (tmp_path / "b.yaml").write_text("other")
    with pytest.raises(Conflict, match=r"b\.yaml"):
        mending.write({"a.yaml": "old", "b.yaml": "old"}, {"a.yaml": "new", "b.yaml": "new"})
    assert (tmp_path / "a.yaml").read_text() == "old"


def test_a_byte_order_mark_stays(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.yaml").write_bytes(b"\xef\xbb\xbfold")
    mending.write({"a.yaml": "old"}, {"a.yaml": "new"})
    assert (tmp_path / "a.yaml").read_bytes() == b"\xef\xbb\xbfnew"
