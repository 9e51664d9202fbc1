"""The repository of the demo's castle on Kubernetes: what it names exists."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from testbed.kubernetes import contents
from testbed.standins import cert_manager, components
from testbed.standins.external_secrets import manifests as external_secrets
from testbed.standins.ingress import manifests as ingress

pytestmark = pytest.mark.evidence("stand-in", "source-controller", "external-secrets", "traefik")
EXAMPLE = Path(__file__).resolve().parents[2] / "examples/tazlab"
TREE = EXAMPLE / "repository"
WRITTEN = {"cert-manager": cert_manager, "external-secrets": external_secrets, "ingress": ingress}


def committed() -> Any:
    return [
        document
        for path in sorted(TREE.rglob("*.yaml"))
        for document in yaml.safe_load_all(path.read_text())
        if document["kind"] != "Kustomization" or "kustomize.toolkit" in document["apiVersion"]
    ]


def images(value: Any) -> Any:
    """Every image that pods of these documents run."""
    if isinstance(value, dict):
        for key, each in value.items():
            if key == "image" and isinstance(each, str):
                yield each
            elif key == "helperPod.yaml":
                yield from images(yaml.safe_load(each))
            else:
                yield from images(each)
    elif isinstance(value, list):
        for each in value:
            yield from images(each)


def test_every_image_can_be_made_here() -> None:
    flux = list(components._rest())
    written = [document for each in WRITTEN.values() for document in each.documents()]
    named = set(images([*committed(), *written, *flux]))
    assert len(named) >= 8
    assert named - set(contents.references()) == set()


@pytest.mark.parametrize("name", WRITTEN)
def test_what_an_operator_is_bound_to_is_its_own(name: Any) -> None:
    documents = list(WRITTEN[name].documents())
    names = {(each["kind"], each["metadata"]["name"]) for each in documents}
    assert len(names) == len(documents)
    for each in documents:
        if each["kind"].endswith("Binding"):
            assert (each["roleRef"]["kind"], each["roleRef"]["name"]) in names
            assert all(("ServiceAccount", subject["name"]) in names for subject in each["subjects"])
        if each["kind"] == "Deployment":
            pod = each["spec"]["template"]
            assert each["spec"]["selector"]["matchLabels"].items() <= pod["metadata"]["labels"].items()
            assert ("ServiceAccount", pod["spec"]["serviceAccountName"]) in names


def test_every_directory_that_is_named_is_there_and_every_operator_has_its_place() -> None:
    units = [each for each in committed() if each["kind"] == "Kustomization"]
    names = {each["metadata"]["name"] for each in units}
    for each in units:
        assert (TREE / each["spec"]["path"] / "kustomization.yaml").exists()
        assert {need["name"] for need in each["spec"].get("dependsOn", ())} <= names
    listed = yaml.safe_load((TREE / "operators/lab/kustomization.yaml").read_text())["resources"]
    assert set(WRITTEN) <= set(listed)
    assert all((TREE / "operators/lab" / each / "kustomization.yaml").exists() for each in listed)


def test_there_is_one_default_storage_class() -> None:
    classes = [each for each in committed() if each["kind"] == "StorageClass"]
    note = "storageclass.kubernetes.io/is-default-class"
    assert [each["metadata"]["annotations"][note] for each in classes] == ["true"]


def test_the_secrets_that_castle_brings_are_those_that_the_tree_asks_for() -> None:
    """The token of the store, the CA of the issuer, the certificate that is carried from life to life."""
    site = yaml.safe_load((EXAMPLE / "castle.yaml").read_text())["sites"]["lab"]["layers"]
    brought = set(site["gitops"]["secrets"]) | {f"{e['namespace']}/{e['secret']}" for e in site["tls"]["carried"]}
    found = {each["kind"]: each for each in committed() if each["kind"] in ("ClusterSecretStore", "Certificate")}
    token = found["ClusterSecretStore"]["spec"]["provider"]["vault"]["auth"]["tokenSecretRef"]
    issuer = next(each for each in committed() if each["kind"] == "ClusterIssuer")["spec"]["ca"]["secretName"]
    wanted = {f"{token['namespace']}/{token['name']}", f"cert-manager/{issuer}",
              f"blog/{found['Certificate']['spec']['secretName']}"}  # fmt: skip
    assert brought == wanted
    external = next(each for each in committed() if each["kind"] == "ExternalSecret")["metadata"]["name"]
    assert site["secrets"]["secrets"][0]["name"] == external
