"""Bad days of a cluster that is being born: its runner is killed, or the machine under it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ephemeral_castle.model.events import Kind
from tests.e2e.accidents import BrokenRun, Moment
from tests.kubernetes.castles import KubernetesCastle, Parts, castle_of, parts
from tests.systems import CLUSTER

pytestmark = [pytest.mark.machines, pytest.mark.kubernetes, pytest.mark.evidence("real", *CLUSTER)]
STARTED, INTENT = Kind.STEP_STARTED, Kind.STEP_INTENT
MOMENTS = [
    Moment("cluster.gone", INTENT, what="destroy"),
    Moment("cluster.endpoint", INTENT),
    Moment("cluster.node-control", STARTED, later=0.2),
    Moment("cluster.init", STARTED, later=1.0),  # images are pulled
    Moment("cluster.init", STARTED, later=4.0),  # the API server starts
    Moment("cluster.join-data", STARTED, later=1.0),
]


@pytest.fixture(scope="module")
def given() -> Iterator[Parts]:
    with parts() as found:
        yield found


@pytest.fixture(scope="module")
def castle(given: Parts) -> Iterator[KubernetesCastle]:
    with castle_of(given) as made:
        made.raise_()
        yield made


def whole(castle: KubernetesCastle, life: int) -> None:
    """The cluster of that life stands, and nothing else."""
    assert castle.life() == life
    assert castle.nodes() == {"control": True, "data": True, "edge": True}
    names = sorted(castle.podman("ps", "-a", "--format", "{{.Names}}").stdout.split())
    numbers = [f"{castle.name}-{life}-{each}" for each in (421, 431, 432)]
    assert names == sorted([*numbers, f"{castle.name}-{life}-cluster-endpoint"])
    secrets = castle.objects("secrets", "-n", "kube-system")
    assert [each for each in secrets if "description" in each.get("data", {})] == []  # tokens of joins


def test_a_runner_killed_again_and_again_makes_one_cluster(castle: KubernetesCastle) -> None:
    old = castle.life()
    with BrokenRun(castle) as run:
        run.through(MOMENTS)
        births = [event for event in run.events() if event.step == "cluster.init" and event.kind is Kind.STEP_FINISHED]
    assert [event.data["state"] for event in births] == ["done"]
    whole(castle, old + 1)


@pytest.mark.parametrize("later", [1.0, 6.0], ids=["images", "keys"])
def test_a_machine_that_dies_while_the_cluster_is_born_on_it_gives_birth_again(
    castle: KubernetesCastle, later: float
) -> None:
    """What lies there is half a cluster; its keys were never used by anybody."""
    old = castle.life()

    def power_cut(_: Moment) -> None:
        assert castle.podman("kill", f"{castle.name}-{old + 1}-421").returncode == 0

    with BrokenRun(castle) as run:
        run.through([Moment("cluster.init", STARTED, later=later)], power_cut)
    whole(castle, old + 1)


def test_a_machine_that_dies_while_it_joins_joins_again(castle: KubernetesCastle) -> None:
    old = castle.life()

    def power_cut(_: Moment) -> None:
        assert castle.podman("kill", f"{castle.name}-{old + 1}-431").returncode == 0

    with BrokenRun(castle) as run:
        run.through([Moment("cluster.join-data", STARTED, later=1.5)], power_cut)
    whole(castle, old + 1)


def test_a_dead_cluster_keeps_nobody_from_a_rebirth(castle: KubernetesCastle) -> None:
    """A destruction never needs what it destroys."""
    old = castle.life()
    end = "rm -r /etc/kubernetes/manifests; pkill -9 kube-apiserver; rm -r /var/lib/etcd/member"
    castle.on("control", "sh", "-c", end, life=old)
    castle.rebirth()
    whole(castle, old + 1)
