"""Programs that render manifests are run as they are, and what they refuse is heard."""

from __future__ import annotations

from pathlib import Path

import pytest

from ephemeral_castle.manifests.ports import Chart, PortFailed
from ephemeral_castle.manifests.tree import Map
from ephemeral_castle.model.finding import Mark
from ephemeral_castle.world.renderers import rendered


def program(directory: Path, name: str, script: str) -> None:
    path = directory / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


@pytest.fixture
def bin_(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    return tmp_path


def test_kubectl_is_given_the_directory(bin_: Path) -> None:
    program(bin_, "kubectl", 'echo "$@"')
    assert rendered("/a/b", None) == "kustomize /a/b\n"


def test_helm_is_given_the_values_and_never_in_its_arguments(bin_: Path) -> None:
    program(bin_, "helm", 'echo "$@"; cat')
    values = Map()
    values.put("password", "hidden", Mark(""))
    printed = rendered("/repo", Chart("charts/web", "web", "apps", values)).splitlines()
    assert printed == [
        "template web /repo/charts/web --namespace apps --include-crds --values -",
        '{"password": "hidden"}',
    ]


def test_what_a_program_refuses_is_heard(bin_: Path) -> None:
    program(bin_, "kubectl", "echo 'error: no such thing' >&2; exit 1")
    with pytest.raises(PortFailed, match="error: no such thing"):
        rendered("/a", None)


def test_a_program_that_is_gone_is_told(bin_: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(bin_))
    with pytest.raises(PortFailed, match="`helm` cannot be run: No such file or directory"):
        rendered("/a", Chart("c", "r", ""))
