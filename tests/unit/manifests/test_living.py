"""What a living cluster tells of itself: what would come back, what would not, and why."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from ephemeral_castle.manifests.living import flux
from ephemeral_castle.manifests.living.finding import Fate, Finding
from ephemeral_castle.manifests.living.survey import survey
from ephemeral_castle.manifests.quantity import whole
from ephemeral_castle.spi.kubernetes import Manifest
from tests import living
from tests.living import by_kind, secret, thing, unit


def found(objects: Sequence[Manifest]) -> dict[str, Finding]:
    """By what it is about; the last one of each."""
    return {each.what: each for each in survey(by_kind(objects)).findings}


def test_an_empty_cluster_tells_nothing() -> None:
    seen = survey({})
    assert (seen.findings, seen.root, seen.databases, seen.store, seen.first) == ((), None, (), "", ())


def test_the_root_is_the_unit_above_all_others() -> None:
    root = survey(by_kind(living.everything())).root
    assert root is not None
    assert (root.namespace, root.name, root.path) == ("flux-system", "flux-system", "clusters/home")
    assert root.repository.host_keys == (living.HOST_KEY,)
    assert (root.repository.ref, root.repository.secret) == ("main", "flux-system/flux-system")


def test_a_unit_of_another_kind_of_source_is_no_root() -> None:
    objects = [each for each in living.walls() if each["kind"] == "Kustomization"]
    for each in objects:
        each["spec"]["sourceRef"]["kind"] = "OCIRepository"
    assert survey(by_kind(objects)).root is None


@pytest.mark.parametrize(
    ("units", "deep"),
    [([unit("a")], 1), ([unit("a"), unit("b", "a"), unit("c", "b", "a")], 3), ([unit("a", "b"), unit("b", "a")], 2)],
)
def test_depth_is_the_longest_way_and_a_circle_ends(units: list[Manifest], deep: int) -> None:
    named = {f"flux-system/{each['metadata']['name']}": each for each in units}
    assert max(flux.depth(each, named) for each in named) == deep


def test_units_that_will_never_be_applied_are_named() -> None:
    circle = found([unit("a", "b"), unit("b", "c"), unit("c", "b")])
    assert "waits for itself" in circle["Kustomization flux-system/b"].fact
    assert "Kustomization flux-system/a" not in circle  # it waits for a circle, and is in none
    missing = found([unit("a", "nowhere")])["Kustomization flux-system/a"]
    assert missing.fact == "waits for flux-system/nowhere, which is not there"


def test_a_suspended_unit_is_not_called_frozen_as_well() -> None:
    status = living.unready("DependencyNotReady", "x")
    facts = [each.fact for each in survey(by_kind([unit("a", suspend=True, status=status)])).findings]
    assert facts == ["1 unit, 1 deep", "suspended"]


SECRETS: dict[str, tuple[dict[str, Any], Fate | None]] = {
    "by hand": ({}, Fate.LOST),
    "of a store": ({"labels": {"reconcile.external-secrets.io/managed": "true"}}, None),
    "of Git": ({"labels": living.GIT}, None),
    "of an owner": ({"owner": "Certificate/x"}, None),
    "of Helm": ({"labels": {"app.kubernetes.io/managed-by": "Helm"}}, None),
    "of a release": ({"kind": "helm.sh/release.v1"}, None),
    "of a token": ({"kind": "kubernetes.io/service-account-token"}, None),
    "castle's": ({"labels": {"castle.id": "x"}}, None),
}


@pytest.mark.parametrize("case", SECRETS, ids=str)
def test_a_secret_is_lost_only_where_nothing_makes_it_again(case: str) -> None:
    more, fate = SECRETS[case]
    seen = found([secret("x", "web", "password", **more)]).get("Secret web/x")
    assert (seen.fate if seen else None) == fate


def test_secrets_of_the_cluster_itself_are_nobodys_to_keep() -> None:
    assert found([secret("x", "kube-system", "password")]) == {}


def test_what_opens_stores_and_repositories_must_be_given() -> None:
    first = {each.secret: each.keys for each in survey(by_kind(living.everything())).first}
    assert first == {
        "flux-system/flux-system": ("identity", "identity.pub", "known_hosts"),
        "flux-system/sops-age": ("age.agekey",),
        "external-secrets/vault-token": ("token",),
    }


def test_a_secret_that_is_named_and_missing_is_told() -> None:
    objects = [each for each in living.everything() if each["metadata"]["name"] != "sops-age"]
    assert found(objects)["Secret flux-system/sops-age"].fact.endswith("; not there")


def test_claims_of_a_database_with_a_bucket_are_kept_and_all_others_lost() -> None:
    seen = found(living.everything())
    assert "PersistentVolumeClaim data/db-a-x7k2-pgdata" not in seen
    assert seen["PersistentVolumeClaim wiki/data-wiki-0"].fate is Fate.LOST


def test_claims_without_a_class_need_just_one_default() -> None:
    claim = thing("v1", "PersistentVolumeClaim", "x", "web", spec={"resources": {"requests": {"storage": "1Gi"}}})
    assert "0 default classes" in found([claim])["StorageClasses"].fact


def test_logs_and_sockets_of_nodes_are_no_data() -> None:
    volume = {"name": "logs", "hostPath": {"path": "/var/log/pods"}}
    assert found([living.pod("x", "web", "DaemonSet/agent", volume)]) == {}


def test_a_workload_that_no_commit_describes_is_lost() -> None:
    by_hand = thing("apps/v1", "DaemonSet", "agent", "web", spec={})
    of_helm = thing("apps/v1", "Deployment", "x", "web", labels={"app.kubernetes.io/managed-by": "Helm"}, spec={})
    assert set(found([by_hand, of_helm])) == {"DaemonSets made by hand"}


def test_a_store_that_is_not_ready_brings_no_secret() -> None:
    store = thing("external-secrets.io/v1", "SecretStore", "x", "web", spec={"provider": {"vault": {}}},
                  status=living.unready("InvalidProviderConfig", "permission denied"))  # fmt: skip
    seen = found([store])["SecretStore web/x"]
    assert (seen.fate, "permission denied" in seen.fact) == (Fate.LOOK, True)


@pytest.mark.parametrize(
    ("text", "size"),
    [("4Gi", 4 << 30), ("500M", 500_000_000), ("0.5", 1), ("1e9", 10**9), ("1.5Ki", 1536), ("10", 10), ("100m", 1),
     ("1500m", 2),
     (None, None), ("much", None)],
)  # fmt: skip
def test_quantities_are_read_as_kubernetes_writes_them(text: str | None, size: int | None) -> None:
    assert whole(text) == size
