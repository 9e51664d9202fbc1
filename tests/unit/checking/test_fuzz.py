"""Any text: nothing crashes, excerpts keep their places, no secret of a Secret is shown."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ephemeral_castle.cli.checking import mending
from ephemeral_castle.cli.checking.ignoring import without_ignored
from ephemeral_castle.cli.checking.masks import Masks
from ephemeral_castle.model.checked import Checked
from ephemeral_castle.model.finding import Edit, Finding, Mark, Severity
from ephemeral_castle.views.findings.github import checked_github
from ephemeral_castle.views.findings.sarif import checked_sarif
from ephemeral_castle.views.findings.text import checked_text

WORDS = st.sampled_from(
    ["kind: Secret\n",
     "data:\n", "stringData:\n", "  a: b\n", "  - x\n", "---\n", "secretGenerator:\n", "- literals:\n",
     "  - a=b\n", "# castle:ignore a b\n", "\r\n", "\t", "\x85", "\N{LINE SEPARATOR}", "\x1b[2J", ": ", "value: x\n",
     "- name: TOKEN\n", "::", "é世"]
)  # fmt: skip
TEXTS = st.lists(WORDS | st.text(max_size=8), max_size=30).map("".join)


@given(TEXTS)
def test_every_line_keeps_its_length(text: str) -> None:
    masks = Masks(text)
    for number, line in enumerate(text.splitlines(), 1):
        assert len(masks.line(number)) == len(line)


@given(st.text(st.characters(codec="ascii", categories=["L", "N"]), min_size=4, max_size=20), st.booleans())
def test_a_value_of_a_secret_is_never_shown(value: str, quoted: bool) -> None:
    written = f'"{value}"' if quoted else value
    text = f"apiVersion: v1\nkind: Secret\nmetadata:\n  name: z\nstringData:\n  key: {written}\n"
    assert value not in Masks(text).line(6).removeprefix("  key: ")


@given(TEXTS, st.integers(1, 12), st.integers(1, 9), st.integers(0, 30), st.text(max_size=5))
def test_an_edit_anywhere_changes_only_what_it_covers(text: str, line: int, column: int, width: int, new: str) -> None:
    mark = Mark("a", line, column, width)
    found = mending.mended([Finding("x", Severity.ERROR, "m", mark, edits=(Edit(mark, new),))], {"a": text})
    for after in found.values():
        assert len(text) + len(new) - width <= len(after) <= len(text) + len(new)


@given(TEXTS, st.integers(0, 12), st.integers(0, 200))
def test_every_form_can_be_written(text: str, line: int, column: int) -> None:
    mark = Mark(text[:9] or "a", line, column, 3)
    finding = Finding("x", Severity.ERROR, text, mark, (text,), text, text, text)
    left, _ = without_ignored([finding], {mark.file: text}, ["x"], ["x"])
    masks = Masks(text)
    answer = Checked(findings=tuple(left), undecided=(finding,), lines={(mark.file, line): masks.line(line)})
    assert "\x1b" not in checked_text(answer, width=80)
    assert len(checked_github(answer).splitlines()) == len(left) + 1
    assert checked_sarif(answer, "1")["runs"]
