"""Rules know versions: what is refused depends on what is installed."""

from __future__ import annotations

import pytest

from ephemeral_castle.manifests.rules import charts, find
from ephemeral_castle.manifests.rules.rule import Setting
from ephemeral_castle.manifests.rules.served import TABLE
from ephemeral_castle.model.finding import Severity
from tests.rules import bed

SECRET = """apiVersion: external-secrets.io/v1beta1
kind: ExternalSecret
metadata: {name: login, namespace: web}
spec: {secretStoreRef: {kind: ClusterSecretStore, name: vault}, dataFrom: [{extract: {key: web}}]}
"""
RELEASE = """apiVersion: helm.toolkit.fluxcd.io/v2
kind: HelmRelease
metadata: {name: es, namespace: external-secrets}
spec:
  interval: 1h
  install: {strategy: {name: RetryOnFailure}}
  chart: {spec: {chart: external-secrets, version: VERSION, sourceRef: {kind: HelmRepository, name: es}}}
"""
BY_REFERENCE = """apiVersion: helm.toolkit.fluxcd.io/v2
kind: HelmRelease
metadata: {name: es, namespace: external-secrets}
spec: {interval: 1h, install: {strategy: {name: RetryOnFailure}}, chartRef: {kind: OCIRepository, name: es}}
---
apiVersion: source.toolkit.fluxcd.io/v1
kind: OCIRepository
metadata: {name: es, namespace: external-secrets}
spec: {interval: 1h, url: "oci://ghcr.io/external-secrets/charts/external-secrets", ref: {tag: VERSION}}
"""
BUDGET = "apiVersion: policy/v1beta1\nkind: PodDisruptionBudget\nmetadata: {name: a}\nspec: {minAvailable: 1}\n"


def gone(files: dict[str, str], kubernetes: tuple[int, int] = (1, 36)) -> list[Severity]:
    every = find(bed.repository(files), Setting(kubernetes))
    return [each.severity for each in every if each.rule == "api-version-gone"]


@pytest.mark.parametrize("release", [RELEASE, BY_REFERENCE], ids=["inline", "by reference"])
@pytest.mark.parametrize(
    ("version", "severity"),
    [("0.16.2", Severity.NOTE), ("0.9.x", Severity.NOTE), ("0.17.0", Severity.ERROR), ("v2.9.0", Severity.ERROR)],
)
def test_the_release_of_an_operator_tells_its_version(release, version, severity):
    assert gone({"a.yaml": SECRET, "b.yaml": release.replace("VERSION", version)}) == [severity]


@pytest.mark.parametrize("version", ["'>=0.9'", "'*'"])
def test_a_range_tells_nothing_and_the_newest_is_meant(version):
    assert gone({"a.yaml": SECRET, "b.yaml": RELEASE.replace("VERSION", version)}) == [Severity.ERROR]


@pytest.mark.parametrize(("kubernetes", "severity"), [((1, 24), Severity.NOTE), ((1, 25), Severity.ERROR)])
def test_the_cluster_tells_which_of_its_own_kinds_are_gone(kubernetes, severity):
    assert gone({"a.yaml": BUDGET}, kubernetes) == [severity]


def test_the_first_version_without_it_is_not_called_the_last_that_serves_it():
    every = find(bed.repository({"a.yaml": BUDGET}), Setting((1, 24)))
    (told,) = (each.message for each in every if each.rule == "api-version-gone")
    assert told == "`policy/v1beta1` of PodDisruptionBudget is served here, and gone with Kubernetes 1.25"


def test_a_crd_of_the_repository_has_the_word():
    crd = """apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: externalsecrets.external-secrets.io}
spec:
  group: external-secrets.io
  names: {kind: ExternalSecret, plural: externalsecrets}
  scope: Namespaced
  versions: [{name: v1beta1, served: true, storage: true, schema: {openAPIV3Schema: {type: object}}}]
"""
    assert gone({"a.yaml": SECRET, "b.yaml": crd}) == []


@pytest.mark.parametrize(
    ("said", "version"),
    [("1.21.x", (1, 21)), ("v3.0.1", (3, 0, 1)), ("41.*", (41,)), (">=1.0", ()), ("*", ()), ("", ())],
)
def test_fixed_numbers_of_a_version(said, version):
    assert charts.numbers(said) == version


def test_no_version_is_its_own_successor():
    assert all(one.api != one.successor for one in TABLE)
    assert all(one.gone or one.successor for one in TABLE)


@pytest.mark.parametrize(("version", "count"), [("1.7.2", 0), ("1.8.0", 1), ("1.12.0", 1)])
def test_longhorn_reads_its_old_settings_up_to_a_version(version, count):
    files = bed.texts(bed.HERE / "longhorn-settings" / "fails")
    text = files["a.yaml"].replace("version: 1.10.1", f"version: {version}")
    found = [each for each in find(bed.repository({"a.yaml": text}), Setting()) if each.rule == "longhorn-settings"]
    assert len(found) == count
