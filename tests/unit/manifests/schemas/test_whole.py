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
