"""Variables of Flux are filled into rendered objects, and change their types; what nobody knows stays open."""

from __future__ import annotations

import pytest

from ephemeral_castle.manifests.load import plain
from ephemeral_castle.manifests.substitution import Undecided, Variables, disabled, substitute
from ephemeral_castle.manifests.tree import Map
from ephemeral_castle.model.finding import Mark

AT = Mark("vars.yaml", 3, 7)
VALUES = {
    "PORT": "8080", "YES": "yes", "NAME": "web", "EMPTY": "", "ODD": "a: b", "QUOTE": "it's", "HASH": "a #b",
    "LIST": "[a, b]", "DATE": "2026-01-01",
}  # fmt: skip
VALUES_AT = {name: (value, AT) for name, value in VALUES.items()}
KNOWN = Variables(VALUES_AT)


def tree(written: str) -> Map:
    found, faults = plain(written, "a.yaml")
    assert faults == []
    assert isinstance(found, Map)
    return found


@pytest.mark.parametrize(
    ("written", "becomes"),
    [
        ("${PORT}", 8080), ('"${PORT}"', 8080), ('"${YES}"', True), ("${NAME}", "web"), ("${NAME}:${PORT}", "web:8080"),
        ('"${EMPTY}"', None), ('"${NAME}: ${PORT}"', "web: 8080"), ("'# ${PORT}'", "# 8080"), ('"${HASH}"', "a"),
        ("|\n  a ${PORT}\n", "a 8080\n"), ('"*${PORT}"', "*8080"), ("http://${NAME}", "http://web"),
        ('"a${EMPTY}"', "a"), ("$${PORT}", "${PORT}"), ("$PORT", "$PORT"), ('"${PORT} "', "8080 "),
        ('"${DATE}"', "2026-01-01"), ("${X:-1.5}", 1.5), ("${X:-}", None),
    ],
)  # fmt: skip
def test_a_value_changes_the_type_where_the_quotes_are_lost(written: str, becomes: object) -> None:
    """`"${PORT}"` in Git is a number in the cluster: Flux marshals the object first."""
    found, troubles = substitute(tree(f"it: {written}"), KNOWN)
    assert troubles == []
    assert (found["it"], type(found["it"])) == (becomes, type(becomes))


@pytest.mark.parametrize("written", ['"${ODD}"', "'${QUOTE}: '", '"${A B}"', '"${X[@]}"', '"${"'])
def test_what_flux_cannot_read_afterwards_is_told(written: str) -> None:
    found, troubles = substitute(tree(f"a: {{b: {written}}}"), KNOWN)
    assert [(each.path, each.mark.line) for each in troubles] == [("a.b", 1)]
    assert "envsubst error" in troubles[0].says
    assert isinstance(found["a"]["b"], Undecided)


def test_a_variable_without_a_value_is_told_with_its_place_and_name() -> None:
    found, troubles = substitute(tree("spec:\n  host: a.${DOMAIN}\n"), KNOWN)
    assert troubles[0].mark == Mark("a.yaml", 2, 9, 11)
    assert (troubles[0].name, troubles[0].path) == ("DOMAIN", "spec.host")
    assert found["spec"]["host"] == "a.${DOMAIN}"
    assert isinstance(found["spec"]["host"], Undecided)


def test_what_may_come_from_elsewhere_is_undecided_and_no_error() -> None:
    written = tree("a: ${DOMAIN}\nb: ${DOMAIN:-x}\nc: ${NAME}\n")
    for variables, default in (
        (Variables(VALUES_AT, open=True), False),
        (Variables(VALUES_AT, perhaps=True), True),
    ):
        found, troubles = substitute(written, variables)
        assert troubles == []
        assert isinstance(found["a"], Undecided)
        assert (found["b"] == "x") is default
        assert found["c"] == "web"
        assert not isinstance(found["c"], Undecided)


def test_a_value_that_nobody_knows_is_undecided() -> None:
    found, troubles = substitute(tree("a: x-${SECRET}\n"), Variables({"SECRET": (Undecided("?"), AT)}))
    assert troubles == []
    assert found["a"] == "x-${SECRET}"
    assert isinstance(found["a"], Undecided)


def test_a_filled_in_value_points_to_both_places() -> None:
    found, _ = substitute(tree("a: ${PORT}\n"), KNOWN)
    assert found.at["a"] == Mark("a.yaml", 1, 4, 7, via=AT)


def test_a_value_may_bring_a_list() -> None:
    found, troubles = substitute(tree("a: ${LIST}\n"), KNOWN)
    assert (found["a"], troubles) == (["a", "b"], [])
    assert found["a"].at[1] == Mark("a.yaml", 1, 4, 7, via=AT)


def test_quotes_that_stay_are_those_of_the_text_that_is_written() -> None:
    found, troubles = substitute(tree('a: "it\'s: ${NAME}"\nb: "tab\\t${PORT}"\nc: [\'${ODD}\']\n'), KNOWN)
    assert troubles == []
    assert found == {"a": "it's: web", "b": "tab\t8080", "c": [{"a": "b"}]}


def test_a_key_that_is_none_any_more_is_told() -> None:
    found, troubles = substitute(tree("${HASH}: 1\n"), KNOWN)
    assert [each.message for each in troubles] == ["with its values filled in this is no YAML any more: it is no key"]
    assert found == {"${HASH}": 1}


def test_keys_are_filled_in_too_and_the_first_object_stays() -> None:
    first = tree("${NAME}: 1\n")
    assert substitute(first, KNOWN)[0] == {"web": 1}
    assert first == {"${NAME}": 1}


@pytest.mark.parametrize("where", ["labels", "annotations"])
def test_an_object_may_forbid_it(where: str) -> None:
    assert disabled(tree(f"metadata: {{{where}: {{kustomize.toolkit.fluxcd.io/substitute: disabled}}}}"))
    assert not disabled(tree("metadata: {labels: {kustomize.toolkit.fluxcd.io/substitute: enabled}}"))
