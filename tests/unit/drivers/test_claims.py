"""Drivers claim in a cluster just what they use there: what they use and do not claim is refused half-way through."""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

import ephemeral_castle
from ephemeral_castle.cli import catalog
from ephemeral_castle.drivers.cert_manager import steps as cert_steps
from ephemeral_castle.drivers.cert_manager.options import CertManagerOptions
from ephemeral_castle.drivers.external_secrets.claims import wanted as of_secrets
from ephemeral_castle.drivers.flux.claims import wanted as of_flux
from ephemeral_castle.drivers.postgres.claims import wanted as of_postgres
from ephemeral_castle.drivers.postgres.pgo import PgoDriver
from ephemeral_castle.model.castle import Castle, Layer, Role, Site, Treasury, Verb
from ephemeral_castle.spi.claims import Claim, claims, explained, role
from ephemeral_castle.spi.driver import Request
from ephemeral_castle.spi.options import read_options
from tests.guarded import GuardedCluster
from tests.unit import cluster_bed
from tests.unit.drivers.external_secrets import bed as secrets_bed
from tests.unit.drivers.flux import bed as flux_bed
from tests.unit.drivers.flux.samples import SPACE
from tests.unit.drivers.postgres import operated
from tests.unit.drivers.postgres.board import ON_CLASS, ON_NODE
from tests.unit.drivers.postgres.board import options as postgres_options

RBAC = "rbac.authorization.k8s.io"
CLUSTER = Layer("cluster", Role.FOUNDATIONS, "kubeconfig")
# Kinds of a whole `flux install --export` that the sample of the tests does not have.
NOT_IN_THE_SAMPLE = {
    *claims("", "services resourcequotas", "create patch", SPACE),
    *claims("networking.k8s.io", "networkpolicies", "create patch", SPACE),
    *claims("apps", "deployments statefulsets daemonsets", "get"),
    *claims("batch", "jobs", "get"),
    *claims(RBAC, "clusterroles", "create patch bind escalate"),
    *claims(RBAC, "clusterrolebindings", "create patch"),
}


def anywhere(found: Iterable[Claim]) -> set[Claim]:
    """Without namespaces: as a ClusterRole grants them."""
    return {Claim(each.group, each.resource, each.verb) for each in found}


def guarded(api: Any) -> GuardedCluster:
    return cast("GuardedCluster", api)


def test_flux_claims_what_a_raise_a_rest_and_a_wake_use(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster_bed, "MemoryCluster", GuardedCluster)
    used: set[Claim] = set()
    claimed: set[Claim] = set()
    bed = flux_bed.Bed(secrets={f"{SPACE}/sops-age": {"age.agekey": "given/age"}})
    bed.secret("given/age", "a key")
    parent = {"kustomize.toolkit.fluxcd.io/name": "apps", "kustomize.toolkit.fluxcd.io/namespace": SPACE}
    for verb in (Verb.RAISE, Verb.RAISE, Verb.WIPE, Verb.RESTORE):
        bed.verb(verb)
        guarded(bed.api).used.clear()
        bed.play(bed.all)
        bed.api.put({"apiVersion": "helm.toolkit.fluxcd.io/v2", "kind": "HelmRelease", "spec": {},
                     "metadata": {"name": "wiki", "namespace": SPACE, "labels": parent}})  # fmt: skip
        mine = anywhere(of_flux(bed.options, bed.request))
        assert anywhere(guarded(bed.api).used) - mine == set(), verb
        used |= anywhere(guarded(bed.api).used)
        claimed |= mine
    assert claimed - used <= anywhere(NOT_IN_THE_SAMPLE) | anywhere(explained()), sorted(map(str, claimed - used))


def test_with_just_its_claims_flux_is_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster_bed, "MemoryCluster", GuardedCluster)
    bed = flux_bed.Bed()
    guarded(bed.api).granted = set(of_flux(bed.options, bed.request))
    bed.play(bed.all)


def test_external_secrets_claims_what_it_uses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster_bed, "MemoryCluster", GuardedCluster)
    bed = secrets_bed.Bed()

    async def raised() -> None:
        bed.store("False", "InvalidProviderConfig")
        bed.api.later(1.0, bed.store)
        bed.api.put(secrets_bed.external())
        for each in bed.steps():
            await bed.step(each.action)

    bed.play(raised)
    claimed = anywhere(of_secrets(bed.options, bed.request))
    used = anywhere(guarded(bed.api).used)
    assert used - claimed == set()
    assert claimed - used <= anywhere(explained())


FOREIGN = Site("home", (CLUSTER, Layer("database", Role.TREASURES, "postgres", ("cluster",))))
OWN = Site(
    "lab",
    (Layer("machines", Role.GROUND, "podman"), replace(CLUSTER, needs=("machines",)), *FOREIGN.layers[1:]),
)


def request(verb: Verb, site: Site = FOREIGN) -> Request:
    return Request(verb, Castle("home", Treasury("b", "home"), {site.name: site}), site)


def test_a_drill_asked_the_living_external_secrets_of_a_cluster_that_castle_does_not_raise() -> None:
    """It annotated every one of them, though a drill touches nothing that lives."""
    from ephemeral_castle.drivers.external_secrets import steps

    options = secrets_bed.Bed().options
    assert steps.plan(secrets_bed.LAYER, options, request(Verb.DRILL)) == []
    assert list(of_secrets(options, request(Verb.DRILL))) == []
    assert steps.plan(secrets_bed.LAYER, options, request(Verb.DRILL, OWN)) != []


def test_a_database_claims_volumes_and_nodes_only_where_it_has_them() -> None:
    on_node = of_postgres(postgres_options(**ON_NODE), request(Verb.RAISE))
    on_class = of_postgres(postgres_options(**ON_CLASS, expose="clusterip"), request(Verb.RAISE))
    assert Claim("", "persistentvolumes", "create") in on_node
    assert Claim("", "nodes", "list") in on_node
    assert {each.verb for each in on_class if each.resource == "persistentvolumes"} == {"list"}
    assert not [each for each in on_class if each.resource == "nodes"]
    assert list(of_postgres(postgres_options(**ON_NODE), request(Verb.DRILL))) == []


def test_a_role_names_every_claim_once_and_has_no_wildcard() -> None:
    wanted = [
        *claims("", "pods pods/exec", "get"),
        *claims("", "pods", "get list", "data"),
        *claims("apps", "x", "get"),
    ]
    made = role("castle-home", wanted)
    assert made["rules"] == [
        {"apiGroups": [""], "resources": ["pods/exec"], "verbs": ["get"]},
        {"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list"]},
        {"apiGroups": ["apps"], "resources": ["x"], "verbs": ["get"]},
    ]


def test_every_driver_that_enters_a_cluster_says_what_it_claims() -> None:
    """One that forgets is refused half-way through by an account that has just the printed rights."""
    source = Path(ephemeral_castle.__file__).parent
    for name in catalog.driver_names():
        made = catalog.driver_class(name)
        folder = Path(str(inspect.getfile(made))).parent
        texts = [file.read_text() for file in folder.rglob("*.py")] if folder.parent != source else []
        enters = any("ctx.cluster(" in text for text in texts)
        assert hasattr(made, "claims") or not enters or name == "kubeadm", name  # kubeadm is its own administrator


@pytest.mark.parametrize("verb", list(Verb))
def test_an_operators_database_claims_by_its_own_options(verb: Verb) -> None:
    """It took the claims of a database without an operator, which has options that this one has not."""
    found = list(PgoDriver().claims(FOREIGN.layers[1], operated.options(), request(verb)))
    assert (found == []) == (verb is Verb.DRILL)
    if found:
        assert Claim("postgres-operator.crunchydata.com", "postgresclusters", "delete", "data") in found
    in_git = PgoDriver().claims(FOREIGN.layers[1], operated.options(by="git"), request(Verb.RAISE))
    assert Claim("", "configmaps", "create", "flux-system") in in_git


def test_a_drill_wrote_certificates_into_a_cluster_that_castle_does_not_raise() -> None:
    carried = [{"namespace": "web", "name": "site", "secret": "site-tls", "layer": "tls", "issuer": {"name": "ca"}}]
    options = read_options(CertManagerOptions, {"carried": carried})
    layer = Layer("certs", Role.GATES, "cert-manager", ("cluster",))
    assert cert_steps.plan(layer, options, request(Verb.DRILL)) == []
    assert cert_steps.plan(layer, options, request(Verb.DRILL, OWN)) != []
