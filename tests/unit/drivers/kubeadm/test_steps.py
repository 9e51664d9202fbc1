"""The plan of a cluster: what waits for what."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from ephemeral_castle.drivers.kubeadm import steps
from ephemeral_castle.errors import Permanent
from ephemeral_castle.model.castle import Verb
from ephemeral_castle.model.step import Effect, Phase, Step
from ephemeral_castle.spi.driver import Request
from tests.unit.drivers.kubeadm.bed import CASTLE, LAYER, SITE, options


def plan(verb: Verb, more: dict[str, Any] | None = None, **flags: Any) -> dict[str, Step]:
    request = Request(verb=verb, castle=CASTLE, site=SITE, **flags)
    return {step.action: step for step in steps.plan(LAYER, options(**(more or {})), request)}


def provider(found: dict[str, Step], token: str) -> str:
    return next(action for action, step in found.items() if token in step.provides)


def test_what_stands_on_a_cluster_may_begin_before_all_of_it_is_there() -> None:
    found = plan(Verb.RAISE)
    assert provider(found, "cluster-api") == "init"
    assert provider(found, "cluster-worker") == provider(found, "node:data") == "join-data"
    assert provider(found, "node:edge") == "join-edge"
    assert provider(found, "cluster") == provider(found, "open:cluster") == "nodes"
    assert provider(found, "address:cluster") == "init"  # so castle's doors wait for it


def test_workers_join_at_once_and_control_planes_one_after_the_other() -> None:
    """Etcd takes one new member at a time; two that ask together wait for each other's time-outs."""
    found = plan(Verb.RAISE, {"control": ["control", "b", "c"], "workers": ["data", "edge"]})
    needs = {action: [need for need in step.needs if ".join-" in need] for action, step in found.items()}
    assert needs["join-b"] == needs["join-data"] == needs["join-edge"] == []
    assert needs["join-c"] == ["cluster.join-b"]


def test_without_workers_the_control_plane_is_enough() -> None:
    assert provider(plan(Verb.RAISE, {"workers": []}), "cluster-worker") == "init"


def test_the_old_load_balancer_goes_before_the_new_one_takes_its_port() -> None:
    found = plan(Verb.REBIRTH)
    assert (found["gone"].phase, found["gone"].effect) == (Phase.DESTROY, Effect.IRREVERSIBLE)
    assert "cluster.gone?" in found["endpoint"].needs


@pytest.mark.parametrize("verb", [Verb.REBIRTH, Verb.WIPE, Verb.SEAL, Verb.BACKUP, Verb.RESTORE, Verb.RAISE])
def test_the_standing_cluster_answers_before_anybody_looks_into_it(verb: Verb) -> None:
    assert provider(plan(verb), "old-cluster") == "wake"


@pytest.mark.parametrize("verb", [Verb.RAISE, Verb.WIPE, Verb.DRILL])
def test_a_cluster_that_does_not_name_its_ground_is_refused(verb: Verb) -> None:
    """Others would take it for one that castle does not raise: a drill would enter the living one."""
    layer = dataclasses.replace(LAYER, needs=())
    site = dataclasses.replace(SITE, layers=(SITE.layers[0], layer))
    with pytest.raises(Permanent, match="does not say what it stands on"):
        steps.plan(layer, options(), Request(verb=verb, castle=CASTLE, site=site))


def test_a_drill_wakes_and_destroys_nothing() -> None:
    assert {"wake", "gone"}.isdisjoint(plan(Verb.DRILL))


def test_a_load_balancer_of_ones_own_is_left_alone() -> None:
    found = plan(Verb.REBIRTH, {"endpoint": "k8s.example.org:6443"})
    assert {"image", "endpoint", "unused"}.isdisjoint(found)


def test_a_load_balancer_that_the_definition_has_no_more_goes_too() -> None:
    """It stayed for ever when `endpoint` was no longer `here`, and kept the port."""
    elsewhere = {"endpoint": "k8s.example.org:6443"}
    for verb in (Verb.REBIRTH, Verb.WIPE):
        assert plan(verb, elsewhere)["gone"].effect is Effect.IRREVERSIBLE
    assert plan(Verb.RAISE, elsewhere)["unused"].effect is Effect.CONVERGE
    assert "unused" not in plan(Verb.RAISE)


def test_a_cold_rebirth_drops_the_image_once_nothing_stands_on_it() -> None:
    request = Request(verb=Verb.REBIRTH, castle=CASTLE, site=SITE, cold=True)
    found = {step.id: step for step in steps.plan(LAYER, options(), request)}
    assert found["cluster.cold"].needs == ("cluster.gone",)
    assert found["cluster.image-cold"].needs == ("cluster.cold",)
    assert "cluster.image-cold" in found["cluster.endpoint"].needs
