"""A directory is read with what it takes from the rest of its repository, and nothing from outside of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from ephemeral_castle.cli.checking.disk import Disk
from ephemeral_castle.cli.checking.reading import tree
from ephemeral_castle.manifests.files import Unreadable

UNIT = """apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata: {name: apps, namespace: flux-system}
spec: {path: ./apps, sourceRef: {kind: GitRepository, name: flux-system}}
"""
MAP = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: web}\n"


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    root = tmp_path / "lab"
    for name, text in {"clusters/one/u.yaml": UNIT, "apps/web.yaml": MAP, "other/x.yaml": MAP}.items():
        (root / name).parent.mkdir(parents=True)
        (root / name).write_text(text)
    (root / ".git").mkdir()
    return root


def test_a_part_of_a_repository_is_read_with_what_it_applies(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`castle check clusters/one` took the path of a unit for one of another repository."""
    monkeypatch.chdir(repository)
    seen = tree("clusters/one", offline=True)
    assert [str(each.mark) for each in seen.repository.objects] == ["clusters/one/u.yaml:1:1", "apps/web.yaml:1:1"]
    assert seen.prefix == ""


def test_a_repository_elsewhere_is_found_from_the_directory_that_was_named(repository: Path) -> None:
    seen = tree(str(repository / "clusters"), offline=True)
    assert len(seen.repository.objects) == 2
    assert Path(seen.prefix).resolve() == repository


def test_a_directory_without_a_repository_is_its_own_root(repository: Path) -> None:
    (repository / ".git").rmdir()
    seen = tree(str(repository / "clusters"), offline=True)
    assert [str(each.mark) for each in seen.repository.objects] == ["one/u.yaml:1:1"]
    assert seen.prefix == str(repository / "clusters")


def test_no_link_leads_out_of_the_repository(repository: Path, tmp_path: Path) -> None:
    (tmp_path / "secret.yaml").write_text(MAP)
    (repository / "out.yaml").symlink_to(tmp_path / "secret.yaml")
    (repository / "away").symlink_to(tmp_path)
    (repository / "round").symlink_to(repository)
    (repository / "kustomization.yaml").write_text("resources: [out.yaml, away/secret.yaml]\n")
    disk = Disk(str(repository))
    assert not disk.is_file("out.yaml")
    with pytest.raises(Unreadable):
        disk.read("away/secret.yaml")
    found = tree(str(repository), offline=True).repository
    assert "secret" not in {Path(each).stem for each in found.texts}
    assert len(found.objects) < 200
