"""Clusters of other forms: several control planes, one machine alone, machines that are entered by SSH."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from tests.kubernetes.castles import KubernetesCastle, Parts, castle_of, parts
from tests.systems import CLUSTER

pytestmark = [pytest.mark.machines, pytest.mark.kubernetes, pytest.mark.evidence("real", *CLUSTER, "openssh")]


@pytest.fixture(scope="module")
def given() -> Iterator[Parts]:
    with parts() as found:
        yield found


def answered(castle: KubernetesCastle, seconds: float) -> float:
    """Writes for so long; gives the longest time between two that were taken."""
    config = castle.run("kubeconfig").stdout.strip()
    last = begun = time.monotonic()
    longest = 0.0
    number = 0
    while time.monotonic() - begun < seconds:
        number += 1
        name = f"mark-{number}"
        said = castle.kubectl_with(config, "create", "configmap", name, "-o", "name")
        if said.strip() == f"configmap/{name}":
            longest, last = max(longest, time.monotonic() - last), time.monotonic()
    return longest


def test_of_three_control_planes_one_may_die(given: Parts) -> None:
    with castle_of(given, control=("control", "second", "third"), workers=("data",)) as castle:
        castle.raise_()
        assert castle.nodes() == dict.fromkeys(("control", "second", "third", "data"), True)
        keys = {castle.on(name, "sha256sum", "/etc/kubernetes/pki/encryption.json") for name in castle.control}
        assert len(keys) == 1  # what one wrote another must be able to read
        assert castle.podman("kill", f"{castle.name}-1-421").returncode == 0
        assert answered(castle, 15) < 10
        status = castle.data("status")
        assert {alarm["mend"] for alarm in status["alarms"]} == {"castle raise"}
        castle.run("raise")
        assert castle.nodes() == dict.fromkeys(("control", "second", "third", "data"), True)
        before = castle.facts("cluster/init")["ca"]
        for number in (422, 421):  # lost with all that was on them, the one of the cluster's birth too
            lost = f"{castle.name}-1-{number}"
            assert castle.podman("rm", "-f", "-t", "0", lost).returncode == 0
            assert castle.podman("volume", "rm", lost).returncode == 0
            castle.run("raise", timeout=400)
            assert castle.nodes() == dict.fromkeys(("control", "second", "third", "data"), True)
            assert castle.facts("cluster/init")["ca"] == before
        assert castle.objects("configmaps", "--field-selector=metadata.name=mark-1") != []


def test_a_cluster_that_is_lost_for_good_is_not_replaced_by_an_empty_one(given: Parts) -> None:
    with castle_of(given, workers=("data",)) as castle:
        castle.raise_()
        lost = f"{castle.name}-1-421"
        assert castle.podman("rm", "-f", "-t", "0", lost).returncode == 0
        assert castle.podman("volume", "rm", lost).returncode == 0
        refused = castle.run("raise", ok=False)
        assert refused.returncode == 9, refused.stdout + refused.stderr
        assert "the cluster `cluster` of life 1 is lost" in refused.stdout + refused.stderr
        castle.rebirth()
        assert castle.nodes() == {"control": True, "data": True}


def test_a_machine_alone_carries_everything(given: Parts) -> None:
    with castle_of(given, workers=()) as castle:
        castle.raise_()
        assert castle.nodes() == {"control": True}
        assert "taints" not in castle.objects("nodes")[0]["spec"]
        pods = castle.objects("pods", "-n", "kube-system", "-l", "k8s-app=kube-dns")
        assert [each["ready"] for pod in pods for each in pod["status"]["containerStatuses"]] == [True]


def test_another_endpoint_is_refused_while_a_cluster_stands_and_a_wipe_leaves_no_load_balancer(given: Parts) -> None:
    """It stayed for ever where the definition named another way, and kept the port."""
    with castle_of(given, workers=()) as castle:
        castle.raise_()
        text = castle.file.read_text()
        castle.file.write_text(
            text.replace("driver: kubeadm\n", 'driver: kubeadm\n        endpoint: "k8s.test:6443"\n')
        )
        refused = castle.run("raise", ok=False)
        assert refused.returncode == 9, refused.stdout + refused.stderr
        assert "was born behind `here`, and `endpoint` says `k8s.test:6443`" in refused.stdout + refused.stderr
        names = castle.podman("ps", "--format", "{{.Names}}").stdout.split()
        assert sorted(names) == [f"{castle.name}-1-421", f"{castle.name}-1-cluster-endpoint"]
        castle.run("wipe", "--confirm", castle.name)
        assert castle.podman("ps", "-aq").stdout == castle.podman("volume", "ls", "-q").stdout == ""


def test_machines_that_are_entered_by_ssh_carry_a_cluster_too(given: Parts) -> None:
    with castle_of(given, workers=("data",), transport="ssh") as castle:
        castle.raise_()
        assert castle.nodes() == {"control": True, "data": True}
        assert "nothing was changed" in castle.run("raise").stdout


def test_a_drill_raises_the_cluster_beside_the_living_one(given: Parts) -> None:
    with castle_of(given, workers=("data",)) as castle:
        castle.raise_()
        castle.kubectl("create", "configmap", "mark", "--from-literal=x=1")
        castle.run("drill")
        assert castle.life() == 1
        assert castle.nodes() == {"control": True, "data": True}
        assert castle.objects("configmaps", "--field-selector=metadata.name=mark") != []
        assert not (castle.here.base / "state" / f"{castle.name}.drill").exists()
