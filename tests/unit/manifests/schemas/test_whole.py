"""What the server would say only after the first fault is mended is said at once, in words for people."""

from typing import Any

from ephemeral_castle.manifests.load import read
from ephemeral_castle.manifests.repository import Object
from ephemeral_castle.manifests.schemas.builtin_kinds import BuiltIn
from ephemeral_castle.manifests.schemas.judge import judge
from ephemeral_castle.manifests.schemas.known import Judge
from ephemeral_castle.manifests.schemas.openapi import Definitions
from ephemeral_castle.manifests.schemas.structural import Definition, Structural
from ephemeral_castle.model.finding import Finding
from tests.unit.manifests.schemas.test_builtin import KINDS

TEXT = {"type": "string"}
THING = {
    "type": "object",
    "properties": {
        "apiVersion": TEXT,
        "kind": TEXT,
        "metadata": {"type": "object"},
        "spec": {
            "type": "object",
            "required": ["port"],
            "properties": {
                "port": {"type": "integer", "format": "int32"},
                "words": {"type": "array", "items": TEXT},
                "name": {"type": "string", "enum": ["a", "b"]},
            },
        },
    },
}


class One:
    """One kind, whatever its version."""

    def __init__(self, by: Judge) -> None:
        self.by = by

    def find(self, api: str, kind: str) -> Judge:
        """The judge."""
        return self.by

    def served(self, group: str, kind: str) -> list[str]:
        """Its versions."""
        return ["v1"]


def found(by: Judge, spec: str) -> list[Finding]:
    text = f"apiVersion: example.org/v1\nkind: Thing\nmetadata: {{name: a}}\nspec: {spec}\n"
    return list(judge([Object(each.manifest) for each in read(text, "a.yaml")[0]], One(by)))


def builtin() -> BuiltIn:
    return BuiltIn(Definitions("example.org/v1", "Thing", "Thing", {"Thing": THING}))


def custom() -> Structural:
    schema: dict[str, Any] = {"type": "object", "properties": {"spec": THING["properties"]["spec"]}}  # type: ignore[index]
    return Structural(Definition(group="example.org", version="v1", kind="Thing", schema=schema))


def test_a_value_that_cannot_be_decoded_hides_no_other() -> None:
    """A number as the value of a variable hid a misspelt readiness probe: the server says one after the other."""
    told = [(each.path, each.message) for each in found(builtin(), "{port: '80', words: [1, b], nam: a}")]
    assert told == [
        ("spec.port", "spec.port is a text, and has to be a whole number"),
        ("spec.words[0]", "spec.words[0] is a number, and has to be a text"),
        ("spec.nam", 'spec has no field "nam"'),
    ]


def test_what_was_wrong_is_not_called_missing_too() -> None:
    assert [each.path for each in found(builtin(), "{port: '80'}")] == ["spec.port"]


def test_quotes_are_what_mends_it() -> None:
    assert [each.hints for each in found(builtin(), "{port: '80', words: [1]}")] == [
        ("write it without quotes",),
        ("put it in quotes",),
    ]


def test_an_unknown_field_hides_no_broken_value() -> None:
    """s3Credentials hid the name of a user: the posts met them one after the other, hours apart."""
    told = found(custom(), "{port: 80, name: c, nam: a}")
    assert [(each.rule, each.path) for each in told] == [
        ("schema-unknown-field", "spec.nam"),
        ("schema-invalid", "spec.name"),
    ]


def test_a_custom_resource_is_told_in_the_same_words() -> None:
    """`projectID: [PROJECT_ID]` of a vendor's page: "array" must be of type string: "array"."""
    [one] = found(custom(), "{port: 80, words: a}")
    assert one.message == "spec.words is a text, and has to be a list"
    assert [(each.message, each.hints) for each in found(custom(), "{port: '80'}")] == [
        ("spec.port is a text, and has to be a whole number", ("write it without quotes",))
    ]


def claim(size: str) -> list[Finding]:
    text = "apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {name: a}\nspec:\n  accessModes: [ReadWriteOnce]\n"
    return list(
        judge(
            [Object(each.manifest) for each in read(f"{text}  resources: {size}\n", "a.yaml")[0]],
            One(BuiltIn(KINDS["v1", "PersistentVolumeClaim"])),
        )
    )


def test_a_size_that_cannot_be_read_was_called_missing_as_well():
    [told] = claim("{requests: {storage: 5Gb}}")
    assert told.path == "spec.resources.requests.storage"
    assert told.message == "spec.resources.requests.storage: `5Gb` is no quantity"
    assert "quantities must match the regular expression" in told.says
    assert told.hints == ("write 5Gi (powers of 1024) or 5G (powers of 1000)",)
    [told] = claim("{requests: 5Gi}")
    assert "missing" not in told.message
    [told] = claim("{requests: {storage: much}}")
    assert told.hints == ("a number, and after it k, M, G, T or Ki, Mi, Gi, Ti: 5Gi",)


def test_a_size_that_is_missing_was_told_by_a_field_that_no_claim_has():
    [told] = claim("{}")
    assert told.message == "spec.resources.requests.storage is missing"
    assert told.says == "spec.resources[storage]: Required value"
