"""Kustomizations are rendered as `kubectl kustomize` renders them, and refused where it refuses them, in its words."""

from __future__ import annotations

from pathlib import Path

import pytest

from ephemeral_castle.manifests.files import Memory
from ephemeral_castle.manifests.kustomize.faults import Broken, NotRendered
from ephemeral_castle.manifests.kustomize.resource import Resource
from ephemeral_castle.manifests.tree import place
from ephemeral_castle.model.finding import Mark
from tests.unit.manifests.kustomize import refused, trees
from tests.unit.manifests.kustomize.oracle import Refused, needed, on_disk, ours, real, rendered

EXAMPLE = Path(__file__).resolve().parents[4] / "examples/tazlab/repository"


@needed
@pytest.mark.parametrize("name", trees.GOOD)
def test_a_tree_is_rendered_as_kubectl_renders_it(name: str) -> None:
    assert ours(trees.GOOD[name]) == real(trees.GOOD[name])


@needed
@pytest.mark.parametrize("name", refused.BAD)
def test_what_kubectl_refuses_is_refused_in_its_words(name: str) -> None:
    tree, words = refused.BAD[name]
    with pytest.raises(Refused) as told:
        real(tree)
    assert words in str(told.value)
    with pytest.raises(Broken) as broken:
        ours(tree)
    assert words in broken.value.says
    assert broken.value.mark.file in {*tree, ""}
    assert broken.value.message[:1].islower() or broken.value.message[:1] == "`"


@needed
def test_the_repository_of_the_posts_is_rendered_as_kubectl_renders_it() -> None:
    """Directories whose files the demo writes are refused by both."""
    tree = {str(path.relative_to(EXAMPLE)): path.read_bytes() for path in EXAMPLE.rglob("*") if path.is_file()}
    missing = 0
    for file in EXAMPLE.rglob("kustomization.yaml"):
        directory = str(file.parent.relative_to(EXAMPLE))
        try:
            wanted = on_disk(file.parent)
        except Refused:
            missing += 1
            with pytest.raises(Broken):
                ours(tree, directory)
        else:
            assert ours(tree, directory) == wanted
    assert missing == 7


@pytest.mark.parametrize(
    ("written", "what"),
    [
        ("helmCharts: [{name: x}]\nvars: [{name: A}]\n", "`vars`"),
        ("transformers: [x]\n", "`transformers`"),
        ("resources: [a.yaml]\nconfigurations: [kustomization.yaml]\n", "`resources` of `configurations`"),
        ("resources: ['https://example.org/x.yaml']\n", "the remote base `https://example.org/x.yaml`"),
        ("resources: ['github.com/a/b?ref=v1']\n", "the remote base"),
        ("resources: [../outside]\n", "lies outside"),
        ("patches: [{path: 'https://a.b/c', target: {kind: X}}]\n", "the remote file"),
        ("resources: [a.yaml]\npatches: [{patch: 'kind: A', target: {name: '(a+)+'}}]\n", "this regular expression"),
    ],
)
def test_what_is_outside_of_the_subset_is_told_with_its_place(written: str, what: str) -> None:
    patch = written.replace("'kind: A'", "'{kind: A, metadata: {name: b}}'")
    with pytest.raises(NotRendered) as raised:  # the words are compared below
        ours({"kustomization.yaml": patch, "a.yaml": trees.SERVICE})
    assert what in raised.value.what
    assert raised.value.mark.file == "kustomization.yaml"
    assert raised.value.mark.line > 0


def one(tree: dict[str, str | bytes], kind: str) -> Resource:
    return next(each for each in rendered(tree).resources if each.kind == kind)


def test_a_value_points_to_where_it_was_written() -> None:
    tree = trees.tree("namespace: lab\npatches:\n- path: p.yaml\n", p=trees.STRATEGIC)
    manifest = one(tree, "Deployment").manifest
    assert manifest.begin == Mark("web.yaml", 1, 1)
    assert place(manifest, ("metadata", "namespace")) == Mark("kustomization.yaml", 2, 12, 3)
    assert place(manifest, ("spec", "strategy", "type")) == Mark("p.yaml", 6, 20, 8)
    containers = ("spec", "template", "spec", "containers")
    assert place(manifest, (*containers, 1, "image")) == Mark("p.yaml", 13, 16, 7)
    ports = manifest["spec"]["template"]["spec"]["containers"][1]["ports"]
    kept = next(number for number, each in enumerate(ports) if each["containerPort"] == 80)
    assert place(manifest, (*containers, 1, "ports", kept, "containerPort")).file == "web.yaml"
    assert place(manifest, ("metadata", "name")) == Mark("web.yaml", 4, 9, 3)


def test_a_value_of_an_inline_patch_points_into_it() -> None:
    tree = trees.tree(
        "patches:\n- target: {kind: Service}\n  patch: |\n    - op: replace\n      path: /spec/ports/0/port\n"
        "      value: 8080\n"
    )
    assert place(one(tree, "Service").manifest, ("spec", "ports", 0, "port")) == Mark("kustomization.yaml", 7, 14, 4)


def test_a_renamed_reference_points_to_itself_by_way_of_what_renamed_it() -> None:
    tree = trees.tree("namePrefix: a-\n")
    mark = place(one(tree, "PersistentVolumeClaim").manifest, ("metadata", "name"))
    assert (mark.file, mark.via) == ("rest.yaml", Mark("kustomization.yaml", 2, 13, 2))


def test_the_chain_names_each_line_that_includes_a_file() -> None:
    tree = trees.overlay("", "")
    assert one(tree, "Service").chain == (
        Mark("kustomization.yaml", 1, 13, 4),
        Mark("base/kustomization.yaml", 1, 23, 12),
    )


def test_what_was_read_and_what_met_nothing_is_told() -> None:
    tree = trees.tree("patches:\n- {path: p.yaml, target: {kind: Deployment, name: nobody}}\n", p=trees.SET_IMAGE)
    found = rendered(tree)
    assert found.used == set(tree)
    assert found.idle == [Mark("kustomization.yaml", 3, 3)]


def test_a_patch_for_all_of_a_kind_may_meet_none_of_it() -> None:
    """Flux' spec.patches of a parent give all its units the same defaults, and not each of them has a release."""
    assert rendered(trees.tree("patches:\n- {path: p.yaml, target: {kind: Nobody}}\n", p=trees.SET_IMAGE)).idle == []


def test_charts_are_told_and_the_rest_is_rendered() -> None:
    found = rendered(trees.tree("helmCharts: [{name: traefik, repo: 'https://a.b'}]\n"))
    assert [each["name"] for each, _ in found.charts] == ["traefik"]
    assert len(found.resources) == 18


def test_bases_that_double_every_time_end() -> None:
    """Ten lines of kustomizations could ask for a billion objects."""
    tree: dict[str, str | bytes] = {"0/kustomization.yaml": "resources: [a.yaml]\n", "0/a.yaml": trees.SERVICE}
    for number in range(1, 40):
        tree[f"{number}/kustomization.yaml"] = f"resources: [a, b]\nnamePrefix: p{number}-\n"
        for name in "ab":
            tree[f"{number}/{name}/kustomization.yaml"] = f"resources: [../../{number - 1}]\nnamePrefix: {name}-\n"
    with pytest.raises(NotRendered):
        ours(tree, "39")


def test_only_what_the_files_hold_is_read() -> None:
    assert Memory({}).list("") == []
    with pytest.raises(Broken, match="no kustomization"):
        ours({})
