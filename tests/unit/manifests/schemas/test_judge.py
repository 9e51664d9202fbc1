"""Findings of schemas: which rule, where, in which words."""

from typing import Any

from ephemeral_castle.manifests.load import read
from ephemeral_castle.manifests.repository import Object
from ephemeral_castle.manifests.schemas.crds import definitions
from ephemeral_castle.manifests.schemas.judge import judge
from ephemeral_castle.manifests.schemas.known import Known
from ephemeral_castle.manifests.schemas.lock import Entry, Lock, Source
from ephemeral_castle.manifests.schemas.store import Store, digest, pack
from ephemeral_castle.manifests.tree import Map, Seq
from ephemeral_castle.model.finding import Finding, Mark, Severity

USER = {"type": "object", "required": ["name"], "properties": {"name": {"type": "string", "pattern": "^[a-z0-9-]+$"}}}
REPO = {
    "type": "object",
    "required": ["name"],
    "properties": {"name": {"type": "string"}, "s3": {"type": "object", "properties": {"bucket": {"type": "string"}}}},
}
SPEC = {
    "type": "object",
    "properties": {
        "users": {"type": "array", "items": USER},
        "repos": {
            "type": "array",
            "items": REPO,
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["name"],
        },
        "size": {"type": "integer", "minimum": 1},
        "mode": {"type": "string", "enum": ["Fast", "Slow"]},
    },
    "x-kubernetes-validations": [{"rule": "!has(self.size) || self.size < 10", "message": "size is below ten"}],
}
CRD: dict[str, Any] = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "spec": {
        "group": "example.com",
        "names": {"kind": "Cluster"},
        "scope": "Namespaced",
        "versions": [
            {"name": "v1beta1", "served": False, "schema": {"openAPIV3Schema": {"type": "object"}}},
            {"name": "v1beta2", "served": True, "deprecated": True, "schema": {"openAPIV3Schema": {"type": "object"}}},
            {
                "name": "v1",
                "served": True,
                "schema": {"openAPIV3Schema": {"type": "object", "properties": {"spec": SPEC}}},
            },
        ],
    },
}


def marked(value: Any, at: int = 1) -> Any:
    """A value whose places are lines of their own, counted as they come."""
    if isinstance(value, dict):
        out = Map(Mark("f.yaml", at, 1))
        for key, each in value.items():
            at += 1
            out.put(key, marked(each, at), Mark("f.yaml", at, 1), Mark("f.yaml", at, 9))
        return out
    if isinstance(value, list):
        items = Seq(Mark("f.yaml", at, 1))
        for each in value:
            items.add(marked(each, at), Mark("f.yaml", at, 5))
        return items
    return value


def judged(spec: Any, api: str = "example.com/v1", kind: str = "Cluster", **more: Any) -> list[Finding]:
    document = {"apiVersion": api, "kind": kind, "metadata": {"name": "db", "namespace": "data"}, "spec": spec, **more}
    return list(judge([Object(marked(document))], Known(definitions(CRD))))


def test_what_the_schema_takes_gives_nothing():
    assert judged({"users": [{"name": "tazlab-admin"}], "repos": [{"name": "repo1"}], "size": 3, "mode": "Fast"}) == []


def test_a_name_that_breaks_its_pattern_is_told_where_it_stands():
    [found] = judged({"users": [{"name": "a"}, {"name": "tazlab_admin"}]})
    assert (found.rule, found.severity, found.path) == ("schema-invalid", Severity.ERROR, "spec.users[1].name")
    assert found.mark.column == 9
    assert found.message == "spec.users[1].name: \"tazlab_admin\" should match '^[a-z0-9-]+$'"
    assert found.says == (
        "spec.users[1].name: Invalid value: \"tazlab_admin\": spec.users[1].name in body should match '^[a-z0-9-]+$'"
    )


def test_a_missing_field_is_told_at_the_key_that_lacks_it_not_at_its_sibling():
    text = "apiVersion: example.com/v1\nkind: Cluster\nmetadata: {name: db}\nspec:\n  users:\n  - 3\n"
    schema = {"type": "object", "required": ["owner"], "properties": {"users": {"type": "array"}}}
    crd = {**CRD, "spec": {**CRD["spec"], "versions": [version(schema)]}}
    [document] = read(text, "f.yaml")[0]
    [found] = judge([Object(document.manifest)], Known(definitions(crd)))
    assert (found.path, found.mark.line, found.mark.column) == ("spec.owner", 4, 1)


def version(spec: dict[str, Any]) -> dict[str, Any]:
    whole = {"type": "object", "properties": {"spec": {"x-kubernetes-preserve-unknown-fields": True, **spec}}}
    return {"name": "v1", "served": True, "schema": {"openAPIV3Schema": whole}}


def test_an_unknown_field_is_told_in_both_notations_at_its_key():
    [found] = judged({"repos": [{"name": "repo1", "s3Credentials": {"name": "x"}}]})
    assert found.rule == "schema-unknown-field"
    assert found.mark.column == 1
    assert 'unknown field "spec.repos[0].s3Credentials"' in found.says
    assert '.spec.repos[name="repo1"].s3Credentials: field not declared in schema' in found.says
    assert found.hints == ("there are: name, s3",)


def test_a_slip_in_a_field_names_what_was_meant():
    [found] = judged({"repos": [{"name": "repo1", "nam": {}}]})
    assert found.hints == ("did you mean name?",)


def test_a_rule_of_the_schema_is_told_with_its_message():
    [found] = judged({"size": 12})
    assert (found.rule, found.path, found.says) == ("schema-cel", "spec", "spec: Invalid value: size is below ten")


def test_a_value_out_of_the_list_names_the_near_one():
    [found] = judged({"mode": "Fas"})
    assert found.message == 'spec.mode is none of the values that its schema allows: "Fas"'
    assert found.hints == ("did you mean Fast?",)


def test_a_version_that_is_no_longer_served_names_its_successor():
    [found] = judged({}, api="example.com/v1beta1")
    assert found.rule == "schema-unserved-version"
    assert found.says == 'no matches for kind "Cluster" in version "example.com/v1beta1"'
    assert found.hints == ("write apiVersion: example.com/v1",)


def test_a_version_that_never_was_is_unserved_too():
    [found] = judged({}, api="example.com/v7")
    assert found.rule == "schema-unserved-version"


def test_a_deprecated_version_is_a_warning():
    found = [each for each in judged({}, api="example.com/v1beta2") if each.rule == "schema-deprecated-version"]
    assert [each.severity for each in found] == [Severity.WARNING]


def test_a_kind_without_schema_is_undecided_and_counted_once():
    objects = [Object(marked({"apiVersion": "other.io/v1", "kind": "Thing", "metadata": {"name": n}})) for n in "ab"]
    [found] = judge(objects, Known(definitions(CRD)))
    assert (found.rule, found.severity) == ("schema-unknown-kind", Severity.UNDECIDED)
    assert "2 objects" in found.message


def test_what_is_pinned_and_not_on_this_computer_is_undecided_and_never_called_unserved():
    """In CI, and on a second computer, every object was refused: "v1 of Namespace is no longer served"."""
    [of] = [each for each in definitions(CRD) if each.version == "v1"]
    entry = Entry("example.com/v1", "Cluster", digest(pack(of)), "crds")
    lock = Lock().having(Source("crds", "sha256:0"), [entry])
    document = {"apiVersion": "example.com/v1", "kind": "Cluster", "metadata": {"name": "db"}, "spec": {}}
    [found] = judge([Object(marked(document))], Store(lock, lambda _: None))
    assert (found.rule, found.severity) == ("schema-unknown-kind", Severity.UNDECIDED)
    assert found.hints == ("castle schemas pull, which fetches all that castle-schemas.lock pins",)


def test_an_encrypted_value_is_undecided():
    found = judged({"users": [{"name": "ENC[AES256_GCM,data:x]"}]}, sops={"mac": "ENC[x]"})
    assert [(each.rule, each.severity) for each in found] == [("schema-invalid", Severity.UNDECIDED)]


def test_a_document_as_it_is_read_from_a_file_is_judged():
    documents, faults = read("apiVersion: example.com/v1\nkind: Cluster\nmetadata: {name: db}\nspec: {size: 0}\n")
    assert not faults
    found = Known(definitions(CRD)).find("example.com/v1", "Cluster")
    assert found
    verdict = found.judge(documents[0].manifest)
    assert [each.message for each in verdict.causes] == [
        "Invalid value: 0: spec.size in body should be greater than or equal to 1"
    ]


def test_a_null_where_a_duration_may_be_null_breaks_no_rule_about_it():
    wait = {"type": "string", "format": "duration", "nullable": True}
    rule = {"rule": "self.wait == null || self.wait < duration('1h')"}
    spec = {"type": "object", "properties": {"wait": wait}, "x-kubernetes-validations": [rule]}
    crd = {**CRD, "spec": {**CRD["spec"], "versions": [version(spec)]}}
    for value, rules in (("2h", ["schema-cel"]), ("5m", []), (None, [])):
        text = f"apiVersion: example.com/v1\nkind: Cluster\nmetadata: {{name: db}}\nspec: {{wait: {value or 'null'}}}\n"
        [document] = read(text, "f.yaml")[0]
        found = judge([Object(document.manifest)], Known(definitions(crd)))
        assert [each.rule for each in found] == rules
