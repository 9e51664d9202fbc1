"""Files of manifests are read as the API server's own tools read them, and mistakes are told with their place."""

from __future__ import annotations

import pytest

from ephemeral_castle.manifests.load import Fault, plain, read, roots
from ephemeral_castle.manifests.order import stages
from ephemeral_castle.manifests.tree import Map, Seq, place
from ephemeral_castle.model.finding import Mark

HEAD = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\n"


def faults(text: str) -> list[tuple[int, int, str]]:
    return [(each.line, each.column, each.message) for each in read(text)[1]]


def test_documents_are_told_with_their_lines() -> None:
    documents, wrong = read(f"# first\n---\n{HEAD}---\n# nothing\n---\n{HEAD}data: {{a: b}}\n")
    assert wrong == []
    assert [each.line for each in documents] == [3, 9]
    assert documents[1].manifest["data"] == {"a": "b"}


def test_a_list_is_its_items() -> None:
    item = "- {apiVersion: v1, kind: ConfigMap, metadata: {name: a}}\n"
    documents, wrong = read(f"apiVersion: v1\nkind: List\nitems:\n{item}{item.replace('a}', 'b}')}")
    assert wrong == []
    assert [(each.manifest["metadata"]["name"], each.line) for each in documents] == [("a", 4), ("b", 5)]


def test_a_second_key_is_a_fault_with_both_places() -> None:
    wrong = read(f"{HEAD}data:\n  a: 1\n  b: 2\n  a: 3\n")[1]
    assert wrong == [
        Fault(7, 3, "`a` stands here twice", "the first is in line 5; the later one would win, and nobody would know")
    ]


def test_broken_yaml_is_told_with_its_place() -> None:
    documents, wrong = read(f"{HEAD}---\na: [1\nb: 2\n")
    assert [each.line for each in documents] == [1]
    assert (wrong[0].line, wrong[0].message[:13]) == (6, "invalid YAML:")


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("just a text\n", "a document is a mapping"),
        ("apiVersion: v1\nkind: Secret\n", "`metadata.name` of this object must be a text"),
        ("kind: Secret\nmetadata: {name: 5}\n", "`apiVersion` and `metadata.name` of this object must be a text"),
        (f"{HEAD}data: !!binary aGk=\n", "the tag `tag:yaml.org,2002:binary` is not read"),
        (f"{HEAD}data: {{a: .inf}}\n", "`.inf` is no number of JSON"),
        (f"{HEAD}data: {{? [a] : b}}\n", "a key is a plain text"),
        (f"{HEAD}data: \u0007\n", "unacceptable character"),
    ],
)
def test_what_is_no_object_is_a_fault(written: str, said: str) -> None:
    assert said in faults(written)[0][2] or "control characters are not allowed" in faults(written)[0][2]


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("0644", 420), ("0o644", 420), ("0x1F", 31), ("1_000", 1000), ("-5", -5), ("08", 8.0), ("1e3", 1000.0),
        ("12:30", "12:30"), ("2026-01-01", "2026-01-01"), ("yes", True), ("Off", False), ("~", None), ('"1"', "1"),
        ("'yes'", "yes"), ("100m", "100m"), ("1.5", 1.5), ("!!str 5", "5"), ("v1", "v1"), ("", None), ("+7", 7),
        ("=", "="), ("! 5", "5"), ("9" * 30, 1e30), ("9" * 5000, "9" * 5000), ("1e999", "1e999"), ("-0", 0),
    ],
)  # fmt: skip
def test_values_are_what_go_makes_of_them(written: str, value: object) -> None:
    found, wrong = plain(f"a: {written}\n")
    assert wrong == []
    assert (found["a"], type(found["a"])) == (value, type(value))


def test_keys_are_texts_and_merges_are_followed() -> None:
    found, wrong = plain("base: &b {a: 1, b: 2}\nit: {<<: *b, b: 3}\n80: web\non: true\n1.50: x\n")
    assert wrong == []
    assert found == {"base": {"a": 1, "b": 2}, "it": {"b": 3, "a": 1}, "80": "web", "true": True, "1.5": "x"}


def test_kustomize_takes_fewer_words_for_booleans_and_keys_as_they_are_written() -> None:
    (found, _), *_ = roots("on: yes\n010: True\n", words=False)[0]
    assert found == {"on": "yes", "010": True}


def test_aliases_that_multiply_end() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
    assert "too large with its aliases" in plain("\n".join(lines))[1][0].message


def test_what_others_stand_on_comes_first() -> None:
    kinds = ["Deployment", "Kustomization", "ValidatingWebhookConfiguration", "ServiceAccount", "Namespace",
             "CustomResourceDefinition", "ClusterRole"]  # fmt: skip
    found = stages([{"kind": kind} for kind in kinds])
    assert [[each["kind"] for each in group] for group in found] == [
        ["Namespace", "CustomResourceDefinition"],
        ["ServiceAccount", "ClusterRole"],
        ["Kustomization"],
        ["Deployment"],
        ["ValidatingWebhookConfiguration"],
    ]


def test_every_value_knows_where_it_was_written() -> None:
    found = read(
        "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: c\n  labels: {a: xyz}\nlist:\n- one\n- k: 2\n", "f.yaml"
    )
    tree = found[0][0].manifest
    assert isinstance(tree, Map)
    assert tree.begin == Mark("f.yaml", 1, 1)
    assert place(tree, ("metadata", "labels", "a")) == Mark("f.yaml", 5, 15, 3)
    assert place(tree, ("metadata", "labels", "a"), key=True) == Mark("f.yaml", 5, 12, 1)
    assert isinstance(tree["list"], Seq)
    assert place(tree, ("list", 0)) == Mark("f.yaml", 7, 3, 3)
    assert place(tree, ("list", 1, "k")) == Mark("f.yaml", 8, 6, 1)


def test_an_anchor_may_be_used_a_second_time() -> None:
    """YAML 1.2 allows it and Go reads it; PyYAML's composer refused a repository of somebody that worked."""
    found, wrong = plain("a: &x 1\nb: *x\nc: &x 2\nd: *x\n")
    assert wrong == []
    assert found == {"a": 1, "b": 1, "c": 2, "d": 2}


def test_an_alias_stands_where_it_is_used_and_knows_its_anchor() -> None:
    found, wrong = plain("a: &x {k: 1}\nb: *x\n", "f")
    assert wrong == []
    assert found.at["b"] == Mark("f", 2, 4, 2, via=Mark("f", 1, 4))
    assert found["b"].at["k"] == Mark("f", 1, 11)
    found["b"]["k"] = 2
    assert found["a"] == {"k": 1}


@pytest.mark.parametrize("written", ["a: *x\n", "a: &x [*x]\n", "a: &x 1\n---\nb: *x\n"])
def test_an_alias_without_its_anchor_is_a_fault(written: str) -> None:
    _, wrong = read(written)
    assert wrong[-1].message == "invalid YAML: found undefined alias 'x'"


def test_a_merge_of_several_takes_the_first() -> None:
    found, wrong = plain("x: &x {a: 1}\ny: &y {a: 2, b: 2}\nz: {<<: [*x, *y], c: 3}\n")
    assert wrong == []
    assert found["z"] == {"a": 1, "b": 2, "c": 3}


def test_a_text_with_half_a_character_is_a_fault() -> None:
    assert read("a: \udce4\n")[1] != []
