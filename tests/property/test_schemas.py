"""Any schema against any document, any rule, any pattern: an answer, never a crash, in bounded time and memory."""

import contextlib
import json
import tracemalloc
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from ephemeral_castle.manifests.schemas.builtin_kinds import BuiltIn
from ephemeral_castle.manifests.schemas.cel import NotEvaluableError, RuleError, engine
from ephemeral_castle.manifests.schemas.cel_rules import compiled
from ephemeral_castle.manifests.schemas.durations import duration
from ephemeral_castle.manifests.schemas.fault import go_json, quoted
from ephemeral_castle.manifests.schemas.formats import FORMATS
from ephemeral_castle.manifests.schemas.openapi import Definitions
from ephemeral_castle.manifests.schemas.patterns import BadPatternError, pattern
from ephemeral_castle.manifests.schemas.store import pack, unpack
from ephemeral_castle.manifests.schemas.structural import Definition, Mode, Structural

SETTINGS = settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
NAMES = st.sampled_from(["a", "b", "c", "namespace", "x-y", "kind", "metadata", "spec", ""])
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.sampled_from(["1h", "a"])
JSON = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=4), max_leaves=12
)
RULES = st.sampled_from(
    [
        "self == oldSelf",
        "has(self.a) || self.b > 1",
        "self.all(x, x != 'a')",
        "self.a.matches('(a+)+$')",
        "quantity(self).isGreaterThan(quantity('1'))",
        "duration(self) > duration('1s')",
        "((",
        "self",
        "1/0 == 1",
        "self.?a.b.orValue('x') == 'x'",
        "format.dns1123Label().validate(self).hasValue()",
        "ip(self.a).family() == 4 && cidr('10.0.0.0/8').containsIP(self.a)",
    ]
)
LEAVES = st.fixed_dictionaries(
    {"type": st.sampled_from(["string", "integer", "number", "boolean"])},
    optional={
        "format": st.sampled_from([*FORMATS, "int32", "int64", "date-time", "float", "other"]),
        "pattern": st.sampled_from(["^a+$", "(", "[^\\pZ]", "(a|aa)+$"]),
        "enum": st.lists(SCALARS, min_size=1, max_size=3),
        "minLength": st.integers(0, 3),
        "maxLength": st.integers(0, 3),
        "minimum": st.integers(-3, 3),
        "maximum": st.floats(-3, 3) | st.just(float("inf")),
        "multipleOf": st.sampled_from([1, 2, 0.5, 0, -1]),
        "nullable": st.booleans(),
        "default": st.sampled_from(["a", 1, True]),
        "x-kubernetes-validations": st.lists(st.builds(lambda rule: {"rule": rule}, RULES), max_size=2),
    },
)


def nodes(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    more = {
        "nullable": st.booleans(),
        "x-kubernetes-preserve-unknown-fields": st.booleans(),
        "x-kubernetes-embedded-resource": st.booleans(),
        "anyOf": st.lists(LEAVES, min_size=1, max_size=2),
        "oneOf": st.lists(LEAVES, min_size=1, max_size=2),
        "not": LEAVES,
        "x-kubernetes-validations": st.lists(st.builds(lambda rule: {"rule": rule}, RULES), max_size=2),
    }
    return (
        st.fixed_dictionaries(
            {"type": st.just("object"), "properties": st.dictionaries(NAMES, inner, max_size=4)},
            optional={**more, "required": st.lists(NAMES, max_size=2), "default": st.just({})},
        )
        | st.fixed_dictionaries(
            {"type": st.just("object"), "additionalProperties": inner | st.just(True)}, optional=more
        )
        | st.fixed_dictionaries(
            {"type": st.just("array"), "items": inner},
            optional={
                **more,
                "x-kubernetes-list-type": st.sampled_from(["set", "map", "atomic"]),
                "x-kubernetes-list-map-keys": st.just(["a"]),
            },
        )
        | st.just({"x-kubernetes-int-or-string": True})
    )


SCHEMAS = st.recursive(LEAVES, nodes, max_leaves=6)
DOCUMENTS = st.fixed_dictionaries(
    {"apiVersion": st.just("g/v1"), "kind": st.just("K"), "metadata": st.just({"name": "a"}) | JSON},
    optional={"spec": JSON},
)


def structural(schema: dict[str, Any], scale: str = "") -> Structural:
    whole = {"type": "object", "properties": {"spec": schema}}
    return Structural(Definition("g", "v1", "K", whole, scale=(scale, "", "")), compiled(whole))


@SETTINGS
@given(SCHEMAS, DOCUMENTS)
@example({"type": "integer", "enum": [1]}, {"metadata": {"name": "a"}, "spec": float("nan")})
@example(
    {
        "type": "object",
        "additionalProperties": {
            "type": "object",
            "nullable": True,
            "additionalProperties": {"type": "string", "nullable": True, "format": "duration"},
        },
        "x-kubernetes-validations": [{"rule": "has(self.a) || size(self) > 1"}],
    },
    {"metadata": {"name": "a"}, "spec": {"a": None, "b": {"a": None}}},
)
@example({"type": "number", "multipleOf": 0}, {"metadata": {"name": "a"}, "spec": 1.5})
@example({"type": "string", "format": "duration"}, {"metadata": {"name": "a"}, "spec": ["a"]})
def test_any_schema_judges_any_document(schema, document):
    judge = structural(schema, ".spec.a")
    before = repr(document)
    for mode in Mode:
        verdict = judge.judge(document, mode)
        assert verdict.code in (201, 400, 422)
        assert (verdict.code == 201) == (not verdict.causes and not verdict.message)
        assert all(cause.message for cause in verdict.causes)
    assert repr(document) == before


@SETTINGS
@given(SCHEMAS, DOCUMENTS)
def test_a_judge_out_of_the_cache_says_the_same(schema, document):
    definition = Definition("g", "v1", "K", {"type": "object", "properties": {"spec": schema}})
    again = unpack(pack(definition))
    assert isinstance(again, Definition)
    one, other = (Structural(each, compiled(each.schema)).judge(document) for each in (definition, again))
    assert (one.code, set(one.causes)) == (other.code, set(other.causes))


@SETTINGS
@given(st.recursive(LEAVES, nodes, max_leaves=6), JSON)
def test_built_in_kinds_judge_any_document(schema, document):
    parts = {"root": {"properties": {"spec": schema, "metadata": {}}}}
    verdict = BuiltIn(Definitions("v1", "Pod", "root", parts)).judge({"metadata": {"name": "a"}, "spec": document})
    assert verdict.code in (201, 400, 422)


@SETTINGS
@given(st.text(max_size=40) | RULES, JSON)
def test_any_text_as_a_rule_is_an_answer_or_not_evaluable(text, value):
    found = engine()
    if found is None:
        pytest.skip("cel-expr-python is not installed here")
    with contextlib.suppress(NotEvaluableError, RuleError):
        found.compile(text)({"self": value})


@SETTINGS
@given(st.text(max_size=30), st.text(max_size=60))
@example("(a+)+$", "a" * 50_000 + "!")
@example("(a|aa)+$", "a" * 50_000 + "!")
@example("(.*)*x", "a" * 50_000)
@example("a{1000}{1000}", "a")
def test_any_pattern_answers_in_linear_time(regular, text):
    try:
        found = pattern(regular)
    except BadPatternError:
        return
    assert found is None or found(text) in (True, False)


@SETTINGS
@given(st.sampled_from(sorted(FORMATS)), st.text(max_size=60))
@example("email", "a" * 20_000 + "@")
@example("hostname", "a." * 20_000)
@example("byte", "A" * 100_000 + "=")
@example("cidr", "1.2.3.4/" + "9" * 5000)
@example("ipv4", "9" * 5000 + ".1.1.1")
@example("isbn", "1" * 5000)
@example("mac", "aa:" * 5000)
@example("uri", "http://" + "[" * 5000)
@example("duration", "9" * 5000 + "h")
@example("duration", "1." + "9" * 5000 + "h")
def test_any_text_has_a_format_or_not(name, text):
    assert FORMATS[name](text) in (True, False)
    duration(text)


@SETTINGS
@given(JSON)
def test_any_value_is_shown(value):
    assert go_json(value)
    if isinstance(value, str):
        assert quoted(value).startswith('"')


def test_a_deep_document_and_a_wide_one_are_judged():
    deep: dict[str, Any] = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    value: object = 1
    for _ in range(90):  # the loader refuses deeper ones
        value = {"b": value}
    assert structural(deep).judge({"metadata": {"name": "a"}, "spec": value}).code == 201
    wide = {"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "string"}}
    assert (
        structural(wide).judge({"metadata": {"name": "a"}, "spec": [str(each) for each in range(50_000)]}).code == 201
    )


def test_memory_stays_bounded_over_many_documents():
    judge = structural({"type": "object", "additionalProperties": {"type": "string", "pattern": "^[a-z0-9]*$"}})
    for at in range(5000):
        judge.judge({"metadata": {"name": "a"}, "spec": {"a": f"v{at}", "b": "x" * 300}})
    tracemalloc.start()
    try:
        for at in range(5000, 20_000):
            judge.judge({"metadata": {"name": "a"}, "spec": {"a": f"v{at}", "b": json.dumps(at) * 60}})
        grown, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert grown < 2_000_000
