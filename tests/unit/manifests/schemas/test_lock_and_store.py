"""Schemas between source, lock and cache."""

import json
from dataclasses import replace
from typing import Any

import pytest

from ephemeral_castle.manifests.schemas.crds import definitions
from ephemeral_castle.manifests.schemas.gathered import gathered
from ephemeral_castle.manifests.schemas.lock import BadLockError, ConflictError, Entry, Lock, Source, read, written
from ephemeral_castle.manifests.schemas.store import Store, digest, pack, unpack

from .test_judge import CRD


def entry(kind: str = "Cluster", content: str = "a", source: str = "", file: str = "x.yaml") -> Entry:
    return Entry("example.com/v1", kind, digest(content.encode()), source, file)


def crd_file() -> list[tuple[str, bytes]]:
    return [("crds/cluster.json", json.dumps(CRD).encode())]


def test_a_lock_comes_back_as_it_was_written():
    lock = Lock().having(Source("crds", "sha256:1"), [entry(), entry("Other", "b")])
    assert read(written(lock)) == lock


def test_a_lock_holds_one_kind_a_line():
    lock = Lock().having(Source("crds", "sha256:1"), [entry(), entry("Other", "b")])
    assert [line for line in written(lock).splitlines() if '"kind": "Other"' in line]


@pytest.mark.parametrize("text", ["", "[]", '{"v": 2}', '{"v": 1}', '{"v": 1, "sources": [], "kinds": [{"x": 1}]}'])
def test_what_is_no_lock_is_told(text: str):
    with pytest.raises(BadLockError):
        read(text)


def test_the_same_kind_with_another_content_names_both_files():
    lock = Lock().having(Source("one", "sha256:1"), [entry(file="a.yaml")])
    with pytest.raises(ConflictError) as raised:
        lock.having(Source("two", "sha256:2"), [entry(content="b", file="b.yaml")])
    assert "one: a.yaml and two: b.yaml" in str(raised.value)


def test_the_same_kind_with_the_same_content_is_no_conflict():
    lock = Lock().having(Source("one", "sha256:1"), [entry()]).having(Source("two", "sha256:2"), [entry()])
    assert [each.source for each in lock.entries] == ["one"]


def test_a_source_that_is_pulled_again_replaces_what_it_gave():
    lock = Lock().having(Source("one", "sha256:1"), [entry()]).having(Source("one", "sha256:2"), [entry(content="b")])
    assert [each.digest for each in lock.entries] == [digest(b"b")]
    assert [each.digest for each in lock.sources] == ["sha256:2"]


def test_an_entry_holds_the_meaning_of_a_definition_and_no_prose():
    [definition] = [each for each in definitions(CRD) if each.version == "v1"]
    told = {**definition.schema, "description": "many words"}
    assert pack(replace(definition, schema=told)) == pack(definition)
    assert unpack(pack(definition)) == definition


def test_a_field_called_description_is_kept():
    [definition] = [each for each in definitions(CRD) if each.version == "v1"]
    schema = {"type": "object", "properties": {"description": {"type": "string", "description": "prose"}}}
    found = unpack(pack(replace(definition, schema=schema)))
    assert getattr(found, "schema") == {"type": "object", "properties": {"description": {"type": "string"}}}  # noqa: B009


def store(cache: dict[str, bytes] | None = None) -> Store:
    found = list(gathered(crd_file()))
    lock = Lock().having(Source("crds", "sha256:1"), [each for each, _ in found])
    packed = {each.digest: body for each, body in found} if cache is None else cache
    return Store(lock, packed.get)


def test_a_kind_is_judged_from_the_cache():
    judge = store().find("example.com/v1", "Cluster")
    assert judge
    document: dict[str, Any] = {"apiVersion": "example.com/v1", "kind": "Cluster", "metadata": {"name": "a"}}
    assert judge.judge({**document, "spec": {"size": 3}}).code == 201
    assert judge.judge({**document, "spec": {"size": 12}}).code == 422


def test_what_the_cache_lacks_is_unknown_and_named():
    found = store({})
    assert found.find("example.com/v1", "Cluster") is None
    assert ("example.com/v1", "Cluster") in found.missing


def test_a_cache_that_was_changed_is_not_believed():
    [(first, body)] = [each for each in gathered(crd_file()) if each[0].version == "v1"]
    assert store({first.digest: body.replace(b"spec", b"spex")}).find("example.com/v1", "Cluster") is None


def test_versions_that_are_not_served_are_pinned_as_such():
    assert set(store().served("example.com", "Cluster")) == {"v1beta2", "v1"}


def test_files_without_schemas_are_passed_over():
    assert list(gathered([("a.yaml", b"kind: ConfigMap\n"), ("values.yaml", b"{{ not: yaml")])) == []


def test_a_patch_of_a_crd_is_no_crd():
    patch = b"apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {name: x}\nspec: {}\n"
    assert list(gathered([("patch.yaml", patch)])) == []


def test_a_crd_that_is_no_yaml_is_an_error_with_its_place():
    with pytest.raises(ValueError, match=r"bad\.yaml:4"):
        list(gathered([("bad.yaml", b"kind: CustomResourceDefinition\napiVersion: apiextensions.k8s.io/v1\nb: [\n")]))
