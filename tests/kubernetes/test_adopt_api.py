"""`castle adopt` against a real API server with the vendors' CRDs: what it reads, what it may not, what it leaves."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from testbed.standins import components
from testbed.standins.external_secrets import manifests as external_secrets
from testbed.standins.pgo import manifests as pgo

from ephemeral_castle.cli import adopting, wiring
from ephemeral_castle.errors import Denied
from ephemeral_castle.manifests.living.survey import KINDS
from ephemeral_castle.manifests.ready import judge
from ephemeral_castle.spi.claims import claims, review, role
from ephemeral_castle.spi.kubernetes import Manifest, Ref
from ephemeral_castle.world.clock import SystemClock
from ephemeral_castle.world.kubernetes import HttpCluster
from tests import living
from tests.kubernetes.control import Control
from tests.standins.pgo_examples import EXAMPLES

pytestmark = [
    pytest.mark.kubernetes,
    pytest.mark.evidence("real", "api-server", "guest"),
    pytest.mark.evidence("stand-in", "external-secrets", "pgo"),
]
CRD = "CustomResourceDefinition"
TAKEN = ("GitRepository", "Kustomization", "Secret", "PersistentVolumeClaim", "StorageClass", "ClusterSecretStore",
         "ExternalSecret")  # fmt: skip


def definitions() -> Iterator[Manifest]:
    """CRDs as the vendors publish them; that of PGO has the fields that its stand-in serves."""
    texts = [components.text(), *external_secrets.crds()]
    for text in texts:
        yield from (each for each in yaml.safe_load_all(text) if each and each["kind"] == CRD)
    yield from (each for each in pgo.documents() if each["kind"] == CRD)


async def stand(cluster: HttpCluster) -> None:
    """The home lab, as far as these CRDs know it."""
    for each in definitions():
        await cluster.apply(each)
        await cluster.until(Ref.of(each), judge, timeout=60)
    objects = [each for each in living.everything() if each["kind"] in TAKEN]
    database = living.thing(f"{living.PGO}/v1beta1", "PostgresCluster", "db", "data", spec=EXAMPLES["posts"])
    spaces = {each["metadata"].get("namespace") for each in (*objects, database)} - {None}
    for space in sorted(spaces):
        await cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": space}})
    for each in (*objects, database):
        each["metadata"].pop("ownerReferences", None)
        if each["kind"] == "PersistentVolumeClaim":
            each["spec"]["accessModes"] = ["ReadWriteOnce"]
        await cluster.apply({key: value for key, value in each.items() if key != "status"})


async def versions(cluster: HttpCluster) -> dict[str, str]:
    """Of everything that adopt reads."""
    found: dict[str, str] = {}
    for api, kind, _ in KINDS:
        try:
            listed = await cluster.list(api, kind)
        except Exception:  # noqa: BLE001 - a kind that the server does not have
            continue
        found |= {f"{kind} {each['metadata']['name']}": str(each["metadata"]["resourceVersion"]) for each in listed}
    return found


def kubeconfig(control: Control, path: Path, name: str, group: str) -> Path:
    """A file as an administrator hands it over."""
    access = control.access(name, group)
    assert access.key is not None
    for file, text in (("ca.pem", access.ca), ("me.pem", access.certificate), ("me.key", access.key.reveal())):
        (path / file).write_text(text)
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "lab",
        "contexts": [{"name": "lab", "context": {"cluster": "lab", "user": "me"}}],
        "clusters": [{"name": "lab", "cluster": {"server": access.server, "certificate-authority": "ca.pem"}}],
        "users": [{"name": "me", "user": {"client-certificate": "me.pem", "client-key": "me.key"}}],
    }
    (path / "config").write_text(yaml.safe_dump(document))
    return path / "config"


@pytest.fixture
def keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(wiring, "keys_home", lambda: tmp_path / "keys")
    return tmp_path


def told(config: Path, directory: Path) -> dict[str, Any]:
    return {"context": "", "kubeconfig": str(config), "site": None, "directory": str(directory)}


async def test_it_reads_a_real_server_and_changes_nothing(control: Control, cluster: HttpCluster, keys: Path) -> None:
    await stand(cluster)
    before = await versions(cluster)
    config = kubeconfig(control, keys, "admin", "system:masters")
    answer = await adopting.adopt({"name": "home"}, told(config, keys))
    assert await versions(cluster) == before
    assert answer["unseen"] == []
    fates = {each["what"]: each["fate"] for each in answer["findings"]}
    assert fates["Secret blog/smtp"] == "lost"
    assert fates["Secret flux-system/sops-age"] == "given"
    assert fates["PersistentVolumeClaim wiki/data-wiki-0"] == "lost"
    assert fates["Kustomization flux-system/games"] == "look"
    made = wiring.load_castle(str(keys / "castle.yaml"))
    assert [layer.driver for layer in made.site().layers] == ["kubeconfig", "flux", "external-secrets", "pgbackrest"]
    assert living.HIDDEN not in json.dumps(answer) + (keys / "castle.yaml").read_text()


async def test_who_may_not_list_secrets_is_told_that_they_were_not_seen(
    control: Control, cluster: HttpCluster, keys: Path
) -> None:
    reads = claims("", "namespaces", "get")
    for api, _, plural in KINDS:
        reads += claims(api.rpartition("/")[0], plural, "list") if plural != "secrets" else []
    await cluster.apply(role("adopt-reader", reads))
    subject = {"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "guest"}
    ref = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "adopt-reader"}
    await cluster.apply({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding",
                         "metadata": {"name": "adopt-reader"}, "roleRef": ref, "subjects": [subject]})  # fmt: skip
    answer = await adopting.adopt({"name": "home"}, told(kubeconfig(control, keys, "guest", "people"), keys))
    assert [each.partition(":")[0] for each in answer["unseen"]] == ["Secret"]


async def test_the_server_itself_says_which_right_is_missing(control: Control) -> None:
    stranger = HttpCluster(control.access("stranger", "people"), SystemClock())
    try:
        said = await stranger.create(review(claims("", "pods/exec", "get", "data")[0]))
        assert said["status"]["allowed"] is False
        with pytest.raises(Denied):
            await stranger.list("v1", "Secret")
    finally:
        await stranger.close()
