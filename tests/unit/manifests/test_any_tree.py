# ruff: noqa: E501, shapes of trees
"""Whatever lies in a repository, reading it ends with an answer, and takes no more memory than its files deserve."""

from __future__ import annotations

import json
import resource
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ephemeral_castle.manifests.files import Memory
from ephemeral_castle.manifests.kustomize.definition import FIELDS
from ephemeral_castle.manifests.reading import read, read_files
from ephemeral_castle.manifests.repository import Repository
from ephemeral_castle.model.finding import Severity

WORDS = st.sampled_from(
    ["a", "name", "metadata", "labels", "annotations", "kind", "spec", "path", "${A}", "$patch", "delete", "v1", "web",
     "../x", ".", "", "*", "[a=b]", "a.b", "=", "k=v", "items", "namespace", "data"]
)  # fmt: skip
VALUES = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(-3, 10**20), st.floats(allow_nan=False, allow_infinity=False), WORDS
    ),
    lambda inside: st.one_of(st.lists(inside, max_size=3), st.dictionaries(WORDS, inside, max_size=3)),
    max_leaves=8,
)
FIELD = st.sampled_from(sorted(FIELDS))
ITEM_KEYS = st.sampled_from(
    ["name", "path", "patch", "target", "options", "literals", "files", "envs", "behavior", "newTag", "count", "pairs",
     "fields", "source", "targets", "select", "fieldPaths", "fieldPath", "delimiter", "create", "reject", "index", "kind"]
)  # fmt: skip
ITEMS = st.lists(st.dictionaries(ITEM_KEYS, st.one_of(VALUES, st.lists(st.dictionaries(ITEM_KEYS, VALUES, max_size=3), max_size=2)),
                                 max_size=4), max_size=2)  # fmt: skip
DEPLOYMENT = {
    "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"},
    "spec": {"template": {"spec": {"containers": [{"name": "a", "image": "nginx"}]}}},
}  # fmt: skip
RELAXED = settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))


def of(files: dict[str, str | bytes]) -> Repository:
    found = read(Memory(files))
    for each in found.faults:
        assert each.message, each
        assert each.mark.file in {*files, ""}
    return found


@RELAXED
@given(
    st.one_of(st.text(max_size=200), st.binary(max_size=200)),
    st.sampled_from(["a.yaml", "kustomization.yaml", "x.json"]),
)
def test_any_bytes_are_answered(content: str | bytes, path: str) -> None:
    raw = content.encode(errors="surrogatepass") if isinstance(content, str) else content
    of({path: b"apiVersion: kind\n" + raw, "b.yaml": raw})
    read_files(Memory({path: raw}), [path])


@RELAXED
@given(st.text(alphabet="apiVersonkd:{}[]&*!|>-\n \"'#,?%@`<~1.", max_size=300))
def test_any_yaml_is_answered(written: str) -> None:
    of({"a.yaml": f"apiVersion: v1\nkind: X\n{written}", "kustomization.yaml": f"resources: [a.yaml]\n{written}"})


@RELAXED
@given(st.dictionaries(FIELD, st.one_of(VALUES, ITEMS), max_size=4))
def test_any_kustomization_is_answered(fields: dict[str, Any]) -> None:
    tree = {"resources": ["web.yaml"], **fields}
    of(
        {
            "kustomization.yaml": json.dumps(tree),
            "web.yaml": json.dumps(DEPLOYMENT),
            "a": "x",
            "x/kustomization.yaml": "a: b",
        }
    )


@RELAXED
@given(VALUES, VALUES, st.dictionaries(WORDS, VALUES, max_size=3))
def test_any_object_survives_every_transformer(meta: Any, spec: Any, more: dict[str, Any]) -> None:
    thing = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "spec": spec, **more}
    if isinstance(meta, dict):
        thing["metadata"] = {"name": "web", **meta}
    tree = {
        "resources": ["a.yaml"], "namespace": "n", "namePrefix": "p-", "commonLabels": {"a": "b"},
        "commonAnnotations": {"a": "b"}, "images": [{"name": "nginx", "newTag": "2"}], "replicas": [{"name": "web", "count": 2}],
        "patches": [{"patch": json.dumps(DEPLOYMENT), "target": {"kind": ".*"}}],
    }  # fmt: skip
    of({"kustomization.yaml": json.dumps(tree), "a.yaml": json.dumps(thing)})


@RELAXED
@given(VALUES, st.dictionaries(WORDS, VALUES, max_size=2))
def test_any_patch_is_answered(spec: Any, more: dict[str, Any]) -> None:
    patch = {**DEPLOYMENT, "spec": spec, **more}
    operations = [
        {"op": "add", "path": "/spec/a", "value": spec},
        {"op": "copy", "from": "/spec", "path": "/metadata/x"},
    ]
    patches = [{"patch": json.dumps(patch)}, {"patch": json.dumps(operations), "target": {"name": "web"}}]
    of(
        {
            "kustomization.yaml": json.dumps({"resources": ["a.yaml"], "patches": patches}),
            "a.yaml": json.dumps(DEPLOYMENT),
        }
    )


SPEC_KEYS = st.sampled_from(
    ["path", "patches", "images", "components", "postBuild", "targetNamespace", "commonMetadata", "dependsOn", "sourceRef",
     "namePrefix", "substitute", "substituteFrom"]
)  # fmt: skip


@RELAXED
@given(
    st.dictionaries(
        SPEC_KEYS, st.one_of(VALUES, ITEMS, st.dictionaries(SPEC_KEYS, st.one_of(VALUES, ITEMS), max_size=2))
    )
)
def test_any_unit_is_answered(spec: dict[str, Any]) -> None:
    unit = {
        "apiVersion": "kustomize.toolkit.fluxcd.io/v1", "kind": "Kustomization",
        "metadata": {"name": "u", "namespace": "flux-system"}, "spec": {"path": "apps", **spec},
    }  # fmt: skip
    of({"u.yaml": json.dumps(unit), "apps/web.yaml": json.dumps({**DEPLOYMENT, "data": {"a": "${A:-b} $${B} ${C}"}})})


@pytest.mark.parametrize(
    "written",
    [
        "[" * 100_000,
        "a: " + "{a: " * 5_000,
        "- " * 20_000,
        "\n".join(["a0: &a0 [x, x, x]", *(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 40))]),
        "\n".join(
            ["a0: &a0 {x: 1}", *(f"a{n}: &a{n} {{<<: [*a{n - 1}, *a{n - 1}], y{n}: *a{n - 1}}}" for n in range(1, 60))]
        ),
        "a: " + "9" * 1_000_000,
        "x: '" + "${A:-" * 10_000 + "'",
    ],
)
def test_a_small_file_takes_little_memory(written: str) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    head = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n"
    of({"a.yaml": head + written, "kustomization.yaml": "resources: [a.yaml]\nnamePrefix: a-\n"})
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 600_000  # kilobytes


def test_a_patch_that_copies_everything_into_itself_ends() -> None:
    """Thirty lines of it would make a billion values."""
    copies = [{"op": "copy", "from": "", "path": "/spec/all"}]
    copies += [{"op": "copy", "from": "/spec", "path": f"/spec/x{number}"} for number in range(40)]
    patches = [{"patch": json.dumps(copies[1:]), "target": {"name": "web"}}]
    found = of({"kustomization.yaml": json.dumps({"resources": ["a.yaml"], "patches": patches}),
                "a.yaml": json.dumps(DEPLOYMENT)})  # fmt: skip
    assert [each.severity for each in found.faults] == [Severity.UNDECIDED]


@pytest.mark.parametrize(
    "more",
    [
        {"patches": [{"target": {"name": "web"}, "patch": json.dumps(
            [{"op": "copy", "from": "/spec", "path": "/spec/x"} for _ in range(2_000)])}]},
        {"patches": [{"target": {"name": "web"}, "patch": json.dumps(
            [{"op": "add", "path": "/spec" + "/x" * 90 * number, "value": json.loads('{"x":' * 90 + "1" + "}" * 90)}
             for number in range(40)])}]},
        {"labels": [{"pairs": {"a": "b"}, "fields": [{"path": "/".join(["x"] * 3_000), "create": True}]}]},
        {"replacements": [{"source": {"kind": "Deployment"}, "targets": [
            {"select": {"name": "web"}, "fieldPaths": [".".join(["x"] * 3_000)], "options": {"create": True}}]}]},
    ],
)  # fmt: skip
def test_what_nests_without_end_ends(more: dict[str, Any]) -> None:
    found = of({"kustomization.yaml": json.dumps({"resources": ["a.yaml"], **more}), "a.yaml": json.dumps(DEPLOYMENT)})
    assert [each.severity for each in found.faults] == [Severity.UNDECIDED]
