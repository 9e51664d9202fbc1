"""A real cluster by kubeadm on real machines: born, used, rebooted, reborn, wiped."""

from __future__ import annotations

import json
import stat
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.accidents import alarms, reboot
from tests.kubernetes.castles import KubernetesCastle, Parts, castle_of, parts
from tests.systems import CLUSTER

pytestmark = [pytest.mark.machines, pytest.mark.kubernetes, pytest.mark.evidence("real", *CLUSTER)]
KERNEL = ("vm/overcommit_memory", "vm/panic_on_oom", "kernel/panic", "kernel/panic_on_oops", "kernel/keys/root_maxkeys",
          "kernel/keys/root_maxbytes", "net/ipv4/ip_forward", "net/netfilter/nf_conntrack_max")  # fmt: skip
WELL = 90.0  # seconds
WEB = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 4
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      terminationGracePeriodSeconds: 0
      containers:
      - name: web
        image: docker.io/library/busybox:1.35.0
        command: [sh, -c, "hostname > /tmp/index.html; exec httpd -f -p 8080 -h /tmp"]
        readinessProbe: {httpGet: {path: /, port: 8080}, periodSeconds: 1}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: web}, ports: [{port: 80, targetPort: 8080}]}
"""


def kernel() -> dict[str, str]:
    """Settings that the whole computer shares."""
    found = {entry: Path("/proc/sys", entry) for entry in KERNEL}
    return {entry: path.read_text().strip() for entry, path in found.items() if path.exists()}


@pytest.fixture(scope="module")
def given() -> Iterator[Parts]:
    with parts() as found:
        yield found


@pytest.fixture(scope="module")
def castle(given: Parts) -> Iterator[KubernetesCastle]:
    before = kernel()
    with castle_of(given) as made:
        made.raise_()
        yield made
    assert kernel() == before


def well(castle: KubernetesCastle) -> None:
    """Waits until every node and every pod is ready."""
    deadline = time.monotonic() + WELL
    while True:
        waiting = [name for name, ready in castle.nodes().items() if not ready]
        for pod in castle.objects("pods", "-A"):
            states = pod["status"].get("containerStatuses", [])
            if not states or not all(each["ready"] for each in states):
                waiting.append(pod["metadata"]["name"])
        if not waiting:
            return
        assert time.monotonic() < deadline, f"not ready: {waiting}"
        time.sleep(1)


def ask(castle: KubernetesCastle, pod: str, host: str, port: int, path: str = "/") -> str:
    """The last line of what an HTTP server says to a pod."""
    script = f"printf 'GET {path} HTTP/1.0\\r\\n\\r\\n' | nc -w 3 {host} {port} | tail -n 1"
    return castle.kubectl("exec", pod, "--", "sh", "-c", script).strip()


def answered(castle: KubernetesCastle, pod: str, host: str, port: int, path: str) -> None:
    """Waits until a pod gets an answer: for some seconds Kubernetes calls those ready that died with their machine."""
    deadline = time.monotonic() + WELL
    while not ask(castle, pod, host, port, path):
        assert time.monotonic() < deadline, f"{pod} does not reach {host}:{port}"
        time.sleep(1)


def test_every_node_is_ready_and_shows_its_range(castle: KubernetesCastle) -> None:
    assert castle.nodes() == {"control": True, "data": True, "edge": True}
    ranges = {each["metadata"]["name"]: each["spec"]["podCIDR"] for each in castle.objects("nodes")}
    assert ranges == {"control": "10.244.0.0/24", "data": "10.244.1.0/24", "edge": "10.244.2.0/24"}
    status = castle.data("status")
    assert (status["state"], status["alarms"]) == ("up", [])
    assert [(each["machine"], each["state"]) for each in status["services"]] == [
        ("control", "ready"), ("data", "ready"), ("edge", "ready")
    ]  # fmt: skip
    assert "nothing was changed" in castle.run("raise").stdout


def test_a_node_offers_no_more_memory_than_its_machine_has(castle: KubernetesCastle) -> None:
    """A kubelet sees the memory of the whole computer."""
    for each in castle.objects("nodes"):
        text = each["status"]["allocatable"]["memory"]
        offered = int(text[:-2]) << {"Ki": 10, "Mi": 20}[text[-2:]]
        limit = {"control": 2 << 30, "data": 1 << 30, "edge": 1 << 30}[each["metadata"]["name"]]
        assert limit - (128 << 20) < offered < limit


def test_the_settings_of_the_computers_kernel_stay(castle: KubernetesCastle) -> None:
    wanted = {"vm/overcommit_memory": "1", "kernel/panic": "10", "kernel/panic_on_oops": "1"}
    seen = {entry: castle.on("data", "cat", f"/proc/sys/{entry}") for entry in wanted}
    assert seen == wanted  # files of the machine's own, so the kubelet had nothing to write
    assert kernel()["kernel/panic"] != "10"


def test_pods_reach_each_other_services_names_and_the_registry(castle: KubernetesCastle) -> None:
    castle.kubectl("apply", "-f", "-", stdin=WEB)
    castle.kubectl("rollout", "status", "deployment/web", "--timeout=90s", timeout=100)
    pods = castle.objects("pods", "-l", "app=web")
    assert {pod["spec"]["nodeName"] for pod in pods} == {"data", "edge"}
    names = [pod["metadata"]["name"] for pod in pods]
    first = names[0]
    for pod in pods:
        assert ask(castle, first, pod["status"]["podIP"], 8080) == pod["metadata"]["name"]
    service = next(each for each in castle.objects("services") if each["metadata"]["name"] == "web")
    address = service["spec"]["clusterIP"]
    # Itself among them: an answer to oneself, and one to a neighbour on the same node, must find back by the rules.
    assert {ask(castle, first, address, 80) for _ in range(40)} == set(names)
    said = castle.kubectl("exec", first, "--", "nslookup", "web.default.svc.cluster.local")
    assert f"Address: {address}" in said
    assert "10.89.77.1" in castle.kubectl("exec", first, "--", "nslookup", "treasury.castle")
    port = int(castle.parts.registry.rpartition(":")[2])
    answer = f"printf 'GET /v2/ HTTP/1.0\\r\\n\\r\\n' | nc -w 3 10.89.77.1 {port} | head -n 1"
    assert "200" in castle.kubectl("exec", first, "--", "sh", "-c", answer)


def test_a_name_outside_of_the_cluster_has_no_answer_at_once(castle: KubernetesCastle) -> None:
    """CoreDNS that asks nobody who could answer would let each caller wait 10 s."""
    begun = time.monotonic()
    said = castle.kubectl("exec", "deploy/web", "--", "nslookup", "example.org.", ok=False)
    assert "Address: 93" not in said
    assert time.monotonic() - begun < 5


def test_the_pods_of_dns_stand_on_two_nodes_and_leave_a_dead_one_soon(castle: KubernetesCastle) -> None:
    pods = castle.objects("pods", "-n", "kube-system", "-l", "k8s-app=kube-dns")
    assert len({pod["spec"]["nodeName"] for pod in pods}) == 2
    for pod in pods:
        patience = {each["key"]: each.get("tolerationSeconds") for each in pod["spec"]["tolerations"] if "key" in each}
        assert patience["node.kubernetes.io/unreachable"] == patience["node.kubernetes.io/not-ready"] == 10


def test_secrets_lie_encrypted_on_the_disk_of_etcd(castle: KubernetesCastle) -> None:
    castle.kubectl("create", "secret", "generic", "telltale", "--from-literal=x=SEEN-IN-PLAIN-4711")
    castle.kubectl("create", "configmap", "telltale", "--from-literal=x=PLAIN-ON-PURPOSE-4711")
    time.sleep(0.5)
    found = 'grep -r -a -l "$1" /var/lib/etcd | wc -l'
    assert castle.on("control", "sh", "-c", found, "sh", "PLAIN-ON-PURPOSE-4711") != "0"
    assert castle.on("control", "sh", "-c", found, "sh", "SEEN-IN-PLAIN-4711") == "0"


def test_no_token_stays_and_the_journal_knows_the_cluster_by_its_fingerprint(castle: KubernetesCastle) -> None:
    secrets = castle.objects("secrets", "-n", "kube-system")
    tokens = [each for each in secrets if each["type"] == "bootstrap.kubernetes.io/token"]
    assert [each["data"].get("description") for each in tokens if "description" in each["data"]] == []
    facts = castle.facts("cluster/init")
    assert len(facts["ca"]) == 64
    assert facts["nodes"] == ["control", "data", "edge"]
    journal = (castle.here.base / "state" / castle.name / "journal.db").read_bytes()
    assert b"PRIVATE KEY" not in journal


def test_kubeconfig_is_for_one_person_and_overwrites_only_its_own(castle: KubernetesCastle, tmp_path: Path) -> None:
    told = castle.data("kubeconfig")
    file = Path(told["file"])
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert (told["life"], told["context"]) == (castle.life(), castle.name)
    assert "PRIVATE" not in json.dumps(told)
    foreign = tmp_path / "config"
    foreign.write_text("apiVersion: v1\n")
    refused = castle.run("kubeconfig", "--out", str(foreign), ok=False)
    assert refused.returncode != 0
    assert foreign.read_text() == "apiVersion: v1\n"
    own = tmp_path / "own"
    for _ in range(2):
        assert castle.run("kubeconfig", "--out", str(own)).stdout.strip() == str(own)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["config", "own"]


@pytest.mark.parametrize("machine", ["data", "control"])
def test_a_machine_that_was_rebooted_comes_back_as_it_was(castle: KubernetesCastle, machine: str) -> None:
    before = castle.facts("cluster/init")["ca"]
    life = castle.life()
    container = f"{castle.name}-{life}-{ {'control': 421, 'data': 431}[machine] }"
    assert castle.podman("kill", container).returncode == 0
    assert castle.podman("start", container).returncode == 0
    well(castle)
    assert "10.244.2.0/24" in castle.on("data", "ip", "route", life=life)
    castle.run("raise")
    assert castle.facts("cluster/init")["ca"] == before
    for pod in castle.objects("pods", "-l", "app=web"):  # on either worker
        answered(castle, pod["metadata"]["name"], "10.96.0.10", 9153, "/metrics")


def test_after_a_reboot_of_the_computer_raise_brings_the_same_cluster_up(castle: KubernetesCastle) -> None:
    before, life = castle.facts("cluster/init")["ca"], castle.life()
    reboot(castle)
    assert [alarm["mend"] for alarm in alarms(castle)] == ["castle raise"]
    castle.run("raise")
    assert (castle.facts("cluster/init")["ca"], castle.life()) == (before, life)
    well(castle)
    assert castle.data("status")["state"] == "up"


def test_a_rebirth_makes_another_cluster_with_other_keys(castle: KubernetesCastle) -> None:
    before, life = castle.facts("cluster/init")["ca"], castle.life()
    castle.rebirth()
    assert castle.life() == life + 1
    assert castle.facts("cluster/init")["ca"] != before
    assert castle.nodes() == {"control": True, "data": True, "edge": True}
    assert castle.objects("deployments") == []
    names = sorted(castle.podman("ps", "-a", "--format", "{{.Names}}").stdout.split())
    assert names == sorted([*(f"{castle.name}-{life + 1}-{n}" for n in (421, 431, 432)),
                            f"{castle.name}-{life + 1}-cluster-endpoint"])  # fmt: skip


def test_a_wipe_leaves_no_container_volume_group_or_door(castle: KubernetesCastle) -> None:
    containers = castle.podman("ps", "-aq", "--no-trunc").stdout.split()
    assert len(containers) == 4
    castle.run("wipe", "--confirm", castle.name)
    assert castle.podman("ps", "-aq").stdout == castle.podman("volume", "ls", "-q").stdout == ""
    groups = [str(path) for each in containers for path in Path("/sys/fs/cgroup").glob(f"**/*{each}*/kubepods")]
    assert groups == []
    (runtime,) = (castle.here.base / "run").iterdir()
    assert list(runtime.glob("forward/reach-*.pid")) == []
    castle.run("raise")
    assert castle.nodes() == {"control": True, "data": True, "edge": True}
