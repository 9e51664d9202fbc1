"""`${VAR}` is filled in as Flux does it: the table is what its own library answered, word for word."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ephemeral_castle.manifests.envsubst import BadSubstitution, NotSet, evaluate, names, parse

VALUES = {
    "A": "abc",
    "E": "",
    "N": "8080",
    "P": "/usr/local/bin/x.tar.gz",
    "U": "äöü",
    "M": "a.b.a.b",
    "Q": "Hello World",
}


def answer(written: str) -> tuple[str, str]:
    try:
        return evaluate(parse(written), VALUES.get), ""
    except BadSubstitution as error:
        return "", str(error)
    except NotSet as error:
        return "", f'variable not set (strict mode): "{error.args[0]}"'


@pytest.mark.parametrize(
    ("written", "filled", "refused"),
    [
        ("$A ${A}", "$A abc", ""),
        ("$${A} $$A $", "${A} $A $", ""),
        ("${X}", "", 'variable not set (strict mode): "X"'),
        ("${X:-d}", "d", ""),
        ("${X:=d ${A}}", "d abc", ""),
        ("${E:=d}", "d", ""),
        ("${E:+d}", "d", ""),
        ("${E:?d}", "d", ""),
        ("${E=d}", "d", ""),
        ("${A:+d}", "abc", ""),
        ("${X-d}", "", "missing closing brace"),
        ("${A", "", "missing closing brace"),
        ("${}", "", "unable to parse variable name"),
        ("${A B}", "", "missing closing brace"),
        ("${#A}", "3", ""),
        ("${#U}", "6", ""),
        ("${A^}", "Abc", ""),
        ("${A^^}", "ABC", ""),
        ("${Q,}", "hello World", ""),
        ("${Q,,}", "hello world", ""),
        ("${P#*/}", "usr/local/bin/x.tar.gz", ""),
        ("${P##*/}", "x.tar.gz", ""),
        ("${P%.*}", "/usr/local/bin/x.tar", ""),
        ("${P%%.*}", "/usr/local/bin/x", ""),
        ("${P%/*}", "/usr/local/bin", ""),
        ("${P#[/]usr}", "/local/bin/x.tar.gz", ""),
        ("${P#[}", "/usr/local/bin/x.tar.gz", ""),
        ("${M/a/x}", "x.b.a.b", ""),
        ("${M//a/x}", "x.b.x.b", ""),
        ("${M/#a/x}", "x.b.a.b", ""),
        ("${M/%b/x}", "a.b.a.x", ""),
        ("${M//./-}", "a-b-a-b", ""),
        ("${M/a/}", ".b.a.b", ""),
        ("${M/a}", "", "bad substitution"),
        ("${P//\\//_}", "_usr_local_bin_x.tar.gz", ""),
        ("${A:1}", "bc", ""),
        ("${A:1:1}", "b", ""),
        ("${A:-1}", "abc", ""),
        ("${A:0:-1}", "ab", ""),
        ("${A: 1}", "abc", ""),
        ("${U:1}", "�öü", ""),
        ("${Q:20}", "", ""),
        ("${A:x}", "abc", ""),
        ("${X:-${E:-${N}}}", "8080", ""),
        ("${A[@]}", "", "missing closing brace"),
        ("a ${A} b ${N} c", "a abc b 8080 c", ""),
        ("${X:-}", "", ""),
        ("${A:-${X}}", "", 'variable not set (strict mode): "X"'),
        ("${A#b${N}}", "", "bad substitution"),
        ("$$${A}", "$abc", ""),
        ("${A:1:1:1}", "abc", ""),
    ],
)
def test_a_text_is_filled_in_as_flux_fills_it_in(written: str, filled: str, refused: str) -> None:
    assert answer(written) == (filled, refused)


def test_variables_in_defaults_are_variables() -> None:
    assert [each.name for each in names(parse("${A:-${B:-${C}}}"))] == ["A", "B", "C"]


@given(st.text(alphabet="${}A:-=+?/#%^,*[]\\ä1 ", max_size=60))
def test_any_text_is_answered(written: str) -> None:
    assert isinstance(answer(written), tuple)


def test_a_value_that_is_compared_a_thousand_times_is_not_compared() -> None:
    """`${A##*a*a*a*}` on a long value would take minutes."""
    assert evaluate(parse("${A##*a*a*a*b}"), {"A": "a" * 100_000}.get) == "a" * 100_000
