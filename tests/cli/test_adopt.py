"""`castle adopt` on a cluster in memory: what it writes and tells; nothing is changed, and no secret is told."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner
from tests import living

from ephemeral_castle.cli import adopting, online, wiring, worlds
from ephemeral_castle.cli.main import castle
from ephemeral_castle.errors import Conflict, Denied
from ephemeral_castle.model.castle import Verb
from ephemeral_castle.spi.kubernetes import Ref
from ephemeral_castle.world.simulated_kubernetes import MemoryCluster

Golden = Callable[[str, str], None]
READS = {"get", "list", "version"}


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> MemoryCluster:
    made = MemoryCluster()
    made.objects[Ref("v1", "Namespace", "kube-system")]["metadata"]["uid"] = living.UID
    for each in living.everything():
        made.put(each)
    made.calls.clear()
    monkeypatch.setattr(worlds, "cluster_of", lambda files, context: made)
    monkeypatch.setattr(worlds, "current_context", lambda files: "Admin@Home")
    monkeypatch.setattr(wiring, "keys_home", lambda: tmp_path / "keys")
    monkeypatch.delenv("CASTLE_FILE", raising=False)
    return made


def told(tmp_path: Path, **more: Any) -> dict[str, Any]:
    return {"directory": str(tmp_path), "context": "", "kubeconfig": "", "site": None, **more}


def adopt(tmp_path: Path, **answers: str) -> dict[str, Any]:
    return asyncio.run(adopting.adopt(answers, told(tmp_path)))


def run(*words: str, cwd: Path) -> Any:
    import os

    before = Path.cwd()
    os.chdir(cwd)
    try:
        return CliRunner().invoke(castle, list(words), prog_name="castle")
    finally:
        os.chdir(before)


def test_report_and_definition(cluster: MemoryCluster, tmp_path: Path, golden: Golden) -> None:
    result = run("adopt", "--name", "home", cwd=tmp_path)
    assert result.exit_code == 0, result.output
    said = result.stdout.replace(str(tmp_path), "/srv/home")
    golden("adopt.txt", said)
    golden("adopt.yaml", (tmp_path / "castle.yaml").read_text())


def test_nothing_in_the_cluster_is_changed(cluster: MemoryCluster, tmp_path: Path) -> None:
    adopt(tmp_path)
    assert {name for name, _ in cluster.calls} <= READS
    assert cluster.closed


def test_no_secret_is_told_or_written(cluster: MemoryCluster, tmp_path: Path) -> None:
    answer = adopt(tmp_path)
    written = "".join(path.read_text() for path in tmp_path.glob("*.yaml"))
    assert living.HIDDEN not in json.dumps(answer) + written
    assert "bmV2ZXItdG8tYmUtdG9sZC00NzEx" not in json.dumps(answer) + written


def test_the_definition_can_be_planned_as_it_stands(cluster: MemoryCluster, tmp_path: Path) -> None:
    adopt(tmp_path, name="home")
    made = wiring.load_castle(str(tmp_path / "castle.yaml"))
    assert [layer.driver for layer in made.site().layers] == ["kubeconfig", "flux", "external-secrets", "pgbackrest"]
    drill = wiring.offline_plan(made, Verb.DRILL, None, {})
    assert {step.layer for step in drill.steps} == {"castle", "cluster", "db"}  # a drill leaves Flux and stores alone


def test_it_never_overwrites(cluster: MemoryCluster, tmp_path: Path) -> None:
    (tmp_path / "castle.yaml").write_text("mine\n")
    with pytest.raises(Conflict):
        adopt(tmp_path)
    assert (tmp_path / "castle.yaml").read_text() == "mine\n"


def test_the_name_of_a_context_becomes_that_of_a_castle(cluster: MemoryCluster, tmp_path: Path) -> None:
    assert adopt(tmp_path)["castle"] == "admin-home"


def test_what_may_not_be_listed_is_named_and_not_taken_for_absent(cluster: MemoryCluster, tmp_path: Path) -> None:
    async def before(name: str, what: str) -> None:
        if (name, what) == ("list", "PersistentVolumeClaim"):
            raise Denied("listing persistentvolumeclaims is not allowed", why="forbidden: no rights")

    cluster.before = before
    assert adopt(tmp_path)["unseen"] == ["PersistentVolumeClaim: forbidden: no rights"]


def test_a_cluster_without_flux_gets_a_definition_all_the_same(cluster: MemoryCluster, tmp_path: Path) -> None:
    for each in living.walls():
        cluster.remove(Ref.of(each))
    answer = adopt(tmp_path)
    assert [layer.driver for layer in wiring.load_castle(str(tmp_path / "castle.yaml")).site().layers] == [
        "kubeconfig", "external-secrets", "pgbackrest",
    ]  # fmt: skip
    assert any("no GitRepository" in each for each in answer["notes"])


@pytest.mark.parametrize(
    ("url", "words"),
    [("http://git/home.git", "neither encrypted nor signed"), ("ssh://git@other.example.org/x", "public key")],
)
def test_a_repository_that_castle_would_not_read_is_named(
    cluster: MemoryCluster, tmp_path: Path, url: str, words: str
) -> None:
    source = next(each for each in living.walls() if each["kind"] == "GitRepository")
    cluster.put({**source, "spec": {**source["spec"], "url": url, "secretRef": {"name": "other"}}})
    answer = adopt(tmp_path)
    assert any(words in each for each in answer["notes"])
    assert "gitops" not in (tmp_path / "castle.yaml").read_text()


def test_rbac_of_a_definition_asks_nobody(cluster: MemoryCluster, tmp_path: Path, golden: Golden) -> None:
    adopt(tmp_path, name="home")
    cluster.calls.clear()
    result = run("adopt", "--rbac", cwd=tmp_path)
    assert result.exit_code == 0, result.output
    assert cluster.calls == []
    golden("adopt-rbac.yaml", result.stdout)
    role = yaml.safe_load(result.stdout)
    assert role["kind"] == "ClusterRole"
    assert all("*" not in rule["verbs"] + rule["resources"] + rule["apiGroups"] for rule in role["rules"])


def test_rbac_without_a_definition_looks_and_writes_nothing(cluster: MemoryCluster, tmp_path: Path) -> None:
    result = run("adopt", "--rbac", "--name", "home", "--json", cwd=tmp_path)
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["role"]["metadata"]["name"] == "castle-home"
    assert list(tmp_path.iterdir()) == []


def test_the_key_of_a_server_belongs_to_one(cluster: MemoryCluster, tmp_path: Path) -> None:
    (tmp_path / "keys.txt").write_text("id\nsecret\n")
    result = run("adopt", "--access", "keys.txt", cwd=tmp_path)
    assert result.exit_code == 2


def test_status_called_a_living_cluster_down_that_was_only_adopted(cluster: MemoryCluster, tmp_path: Path) -> None:
    adopt(tmp_path, name="home")
    site = wiring.load_castle(str(tmp_path / "castle.yaml")).site()
    said = online._unrecorded(site)
    assert said["state"] == "unknown"
    assert "castle raise --adopt" in said["notes"][0]
