"""Which repository a directory means."""

from __future__ import annotations

from pathlib import Path

import pytest

from ephemeral_castle.cli.checking.reading import tree

FILES = {
    "base/kustomization.yaml": "resources: [a.yaml]\n",
    "base/a.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, namespace: b}\n",
    "overlays/home/kustomization.yaml": "resources: [../../base]\nnamePrefix: x-\n",
    "clusters/home/apps.yaml": "apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\n"
    "metadata: {name: apps, namespace: flux-system}\nspec: {path: ./overlays/home}\n",
}


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    root = tmp_path / "lab"
    for name, text in FILES.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    monkeypatch.chdir(root)
    return root


def subjects(path: str) -> set[str]:
    return {each.subject for each in tree(path, offline=True).repository.objects}


def test_a_part_of_a_git_repository_finds_its_bases_and_the_directories_of_flux(lab: Path) -> None:
    (lab / ".git").mkdir()
    assert subjects("overlays/home") == {"ConfigMap b/x-a"}
    assert subjects("clusters") == {"Kustomization flux-system/apps", "ConfigMap b/x-a"}


def test_paths_are_told_from_where_the_person_stands(lab: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (lab / ".git").mkdir()
    monkeypatch.chdir(lab / "overlays")
    seen = tree("home", offline=True)
    assert seen.prefix == ".."
    assert {each.mark.file for each in seen.repository.objects} == {"base/a.yaml"}


def test_a_repository_inside_of_another_is_its_own_root(lab: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (lab.parent / ".git").mkdir()
    monkeypatch.chdir(lab.parent)
    seen = tree("lab", offline=True)
    assert seen.prefix == "lab"
    assert {each.subject for each in seen.repository.objects} == {"Kustomization flux-system/apps", "ConfigMap b/x-a"}


def test_without_git_nothing_outside_of_the_directory_is_read(lab: Path) -> None:
    assert [each.rule for each in tree("overlays/home", offline=True).repository.faults] == [
        "kustomization-not-rendered"
    ]
    assert subjects("overlays/home") == set()
