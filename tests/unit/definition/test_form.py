"""Faults of form: what is not YAML, or more YAML than a definition may use."""

from __future__ import annotations

import pytest
import yaml

from ephemeral_castle.definition import parse as parse_module
from ephemeral_castle.definition.nodes import plain
from ephemeral_castle.definition.parse import DEEPEST, MOST_FINDINGS, MOST_NODES, parse
from ephemeral_castle.definition.source import LARGEST, Source

from .samples import GOOD, changed, check, errors, only, under_caret


def data(text: str) -> object:
    tree = parse(Source("castle.yaml", text))
    assert tree.root is not None
    return plain(tree.root)


def test_plain_scalars_follow_yaml_1_2() -> None:
    text = "a: [no, on, off, yes, n, 12:30, 1_000, 0o17, 0x1F, 017, 1e3, .5, -1, true, ~, null, .inf, 2024-01-01, '1']"
    assert data(text) == {
        "a": ["no", "on", "off", "yes", "n", "12:30", "1_000", 15, 31, 17, 1000.0, 0.5, -1, True, None, None, ".inf",
              "2024-01-01", "1"]
    }  # fmt: skip


def test_keys_are_texts_as_written() -> None:
    assert data("431: a\nno: b\nnull: c\n1.0: d") == {"431": "a", "no": "b", "null": "c", "1.0": "d"}


def test_very_long_number_stays_a_text() -> None:
    digits = "9" * 5000  # int() refuses more than 4300 digits
    assert data(f"a: {digits}\nb: 1e999") == {"a": digits, "b": "1e999"}


def test_anchor_bomb_is_refused_without_being_expanded() -> None:
    lines = ["a0: &a0 [x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 40)]
    found = errors("\n".join(lines))
    assert found[0].message == "anchors are not allowed: `&a0`"
    assert under_caret(found[0]) == "&a0"
    assert len(found) <= MOST_FINDINGS
    assert any(finding.message.startswith("aliases are not allowed: `*a0`") for finding in found)


@pytest.mark.parametrize("value", ["!!python/object/apply:os.system [id]", "!!str 5", "!secret x", "! x", "!!set {a}"])
def test_tags_are_refused(value: str) -> None:
    finding = only(changed("castle: here", f"castle: {value}"))
    assert finding.message.startswith("tags are not allowed")
    assert (finding.line, finding.col) == (1, 9)


def test_merge_keys_are_refused() -> None:
    found = errors(changed("castle: here", "castle: here\n<<: {budget: {}}"))
    assert [finding.message for finding in found] == ["unknown key `<<`"]


def test_several_documents_are_refused() -> None:
    finding = only(GOOD + "---\n" + GOOD)
    assert finding.message == "a second document begins here"
    assert finding.line == len(GOOD.splitlines()) + 1


@pytest.mark.parametrize("text", ["", "\n\n", "# only a comment\n", "---\n", "null", "{}", "\ufeff"])
def test_empty_file(text: str) -> None:
    finding = only(text)
    assert finding.message == "the file defines nothing"
    assert "castle init" in finding.hints[0]


@pytest.mark.parametrize(("text", "kind"), [("- a\n- b\n", "list"), ("just words\n", "single value")])
def test_file_that_is_no_mapping(text: str, kind: str) -> None:
    assert only(text).message == f"a definition is a mapping of keys, not a {kind}"


@pytest.mark.parametrize(
    "text", ["castle: here\nbudget:\n\trto: 30s\n", "\tcastle: here\n", "budget:\n  \trto: 30s\n  rpo: 1s"]
)
def test_tab_is_named(text: str) -> None:
    finding = only(text)
    assert finding.message == "a tab is used for indentation"
    assert "spaces" in finding.hints[0]
    assert text.splitlines()[finding.line - 1][finding.col - 1] == "\t"


def test_invalid_utf_8() -> None:
    finding = only(b"castle: here\n# caf\xe9\n")
    assert (finding.line, finding.col, finding.message) == (2, 6, "byte 0xe9 is not UTF-8")


def test_utf_16() -> None:
    assert only(GOOD.encode("utf-16")).message == "the file is UTF-16"


def test_byte_order_mark_is_allowed() -> None:
    assert check(b"\xef\xbb\xbf" + GOOD.encode()) == []


@pytest.mark.parametrize("char", ["\x00", "\x1b", "\x7f", "\ud800"])
def test_forbidden_character(char: str) -> None:
    finding = errors(f"castle: here\nbudget: {char}\n".encode("utf-8", errors="surrogatepass"))[0]
    assert finding.line == 2
    assert char not in finding.render()


def test_size_limit() -> None:
    text = GOOD + "#" * (LARGEST - len(GOOD))
    assert check(text) == []
    assert only(text + "#").message == "the file is larger than 1024 KiB"


@pytest.mark.parametrize("opening", ["[", "{a: ", "- "])
def test_nesting_limit(opening: str) -> None:
    finding = only("castle: " + opening * 50_000 if opening != "- " else opening * 50_000)
    assert finding.message == f"nested deeper than {DEEPEST} levels"
    assert len(finding.render()) < 500


def test_limit_of_values() -> None:
    assert only("a: [" + "1," * MOST_NODES + "]").message == f"more than {MOST_NODES} values"


def test_key_that_is_a_collection() -> None:
    finding = only("castle: here\n{{ name }}: x\n")
    assert finding.message == "a key must be a text, not a list or mapping"
    assert finding.line == 2


def test_syntax_error_has_place_and_hint() -> None:
    finding = only("castle: here\nbudget: rto: 30s\n")
    assert finding.message.startswith("not valid YAML: mapping values are not allowed")
    assert (finding.line, finding.col) == (2, 12)
    assert "quotes" in finding.hints[0]


def test_unclosed_quote_is_shown_where_it_opens() -> None:
    finding = only("castle: 'here\nbudget: {}\n")
    assert (finding.line, finding.col) == (1, 9)


def test_python_parser_gives_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = [
        GOOD,
        GOOD + "castle: x\n",
        changed("castle: here", "castle: &a here"),
        "a: [1",
        "\ta: 1",
        "a: *b",
        "? [a]\n",
    ]
    fast = [[(found.line, found.col, found.message) for found in check(text) if "not valid" not in found.message]
            for text in texts]  # fmt: skip
    monkeypatch.setattr(parse_module, "_Loader", yaml.SafeLoader)
    slow = [[(found.line, found.col, found.message) for found in check(text) if "not valid" not in found.message]
            for text in texts]  # fmt: skip
    assert slow == fast
    assert data("a: [no, 1, {b: c}]") == {"a": ["no", 1, {"b": "c"}]}


@pytest.mark.parametrize("loader", ["CSafeLoader", "SafeLoader"])
@pytest.mark.parametrize("escape", ["\\ud800x", "\\U00110000", "\\UFFFFFFFF", "\\0"])
def test_escapes_that_are_no_characters(escape: str, loader: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parse_module, "_Loader", getattr(yaml, loader))
    only(changed("{owner: app}", f'{{owner: app, init: "{escape}"}}'))
