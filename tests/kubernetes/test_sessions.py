"""Commands in pods, readiness and reasons, on a real cluster with real nodes."""

from __future__ import annotations

import asyncio
import base64
import hashlib
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
import yaml

from ephemeral_castle.errors import NotFound, Permanent, Transient, Unreachable
from ephemeral_castle.manifests import ready
from ephemeral_castle.spi.kubernetes import ClusterAccess, Manifest, Ref
from ephemeral_castle.spi.secret import Secret
from ephemeral_castle.world.clock import SystemClock
from ephemeral_castle.world.kubernetes import HttpCluster
from tests.kubernetes.castles import KubernetesCastle, castle_of, parts
from tests.systems import CLUSTER

pytestmark = [pytest.mark.machines, pytest.mark.kubernetes, pytest.mark.evidence("real", *CLUSTER)]
BUSYBOX = "docker.io/library/busybox:1.35.0"
SERVE = "echo begun; exec httpd -f -p 8080 -h /tmp"


def access_of(castle: KubernetesCastle) -> ClusterAccess:
    """What the kubeconfig says that castle writes."""
    config = yaml.safe_load(Path(castle.run("kubeconfig").stdout.strip()).read_text())
    cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]

    def text(value: str) -> str:
        return base64.b64decode(value).decode()

    return ClusterAccess(
        cluster["server"],
        text(cluster["certificate-authority-data"]),
        text(user["client-certificate-data"]),
        Secret(text(user["client-key-data"])),
        name=cluster.get("tls-server-name", ""),
    )


def deployment(name: str, command: str, *, image: str = BUSYBOX, replicas: int = 1, **container: Any) -> Manifest:
    labels = {"app": name}
    one = {"name": "main", "image": image, "command": ["sh", "-c", command], **container}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {"terminationGracePeriodSeconds": 0, "containers": [one]},
            },
        },
    }


@pytest.fixture(scope="module")
def castle() -> Iterator[KubernetesCastle]:
    with parts() as given, castle_of(given, workers=("data",)) as made:
        made.raise_()
        yield made


@pytest_asyncio.fixture
async def cluster(castle: KubernetesCastle) -> AsyncIterator[HttpCluster]:
    made = HttpCluster(access_of(castle), SystemClock())
    try:
        yield made
    finally:
        await made.close()


@pytest_asyncio.fixture
async def pod(cluster: HttpCluster) -> str:
    """The name of a pod of busybox that serves."""
    probe = {"httpGet": {"path": "/", "port": 8080}, "periodSeconds": 1}
    made = await cluster.apply(deployment("web", f"touch /tmp/index.html; {SERVE}", readinessProbe=probe))
    await cluster.until(Ref.of(made), ready.judge, timeout=90)
    pods = await cluster.list("v1", "Pod", "default", labels="app=web")
    return str(next(each for each in pods if ready.judge(each).stage == "ready")["metadata"]["name"])


async def test_a_command_and_what_it_says(cluster: HttpCluster, pod: str) -> None:
    result = await cluster.run("default", pod, ["sh", "-c", "echo out ä; echo err >&2; exit 3"], container="main")
    assert (result.code, result.out, result.err) == (3, "out ä\n", "err\n")
    assert (await cluster.run("default", pod, ["true"])).ok


async def test_input_of_many_megabytes_arrives_whole(cluster: HttpCluster, pod: str) -> None:
    sent = bytes(range(256)) * 40_000
    result = await cluster.run("default", pod, ["sha256sum"], stdin=sent)
    assert result.out.split()[0] == hashlib.sha256(sent).hexdigest()
    result = await cluster.run("default", pod, ["head", "-c", "5"], stdin=sent)
    assert result.ok
    assert len(result.out) >= 5 - 2  # bytes that are no text are shown as such


async def test_output_of_many_megabytes_arrives_whole(cluster: HttpCluster, pod: str) -> None:
    script = "yes 0123456789 | head -n 1000000"
    result = await cluster.run("default", pod, ["sh", "-c", script])
    assert result.out == "0123456789\n" * 1_000_000


async def test_what_cannot_be_run(cluster: HttpCluster, pod: str) -> None:
    result = await cluster.run("default", pod, ["no-such-program"])
    assert result.code == 127
    assert "no-such-program" in result.err
    result = await cluster.run("default", pod, ["/etc/passwd"])
    assert result.code == 126
    for name, container in ((pod, "another"), ("no-such-pod", "")):
        with pytest.raises(NotFound, match="no such pod or container runs"):
            await cluster.run("default", name, ["true"], container=container)


async def test_a_command_that_takes_too_long(cluster: HttpCluster, pod: str) -> None:
    with pytest.raises(Unreachable, match="did not end in time"):
        await cluster.run("default", pod, ["sleep", "30"], timeout=1)


async def test_a_conversation(cluster: HttpCluster, pod: str) -> None:
    process = await cluster.spawn("default", pod, ["sh"], container="main")
    await process.write("echo one; x=two\n")
    assert await process.read_line(10) == "one"
    await process.write("echo $x; echo trouble >&2\n")
    assert await process.read_line(10) == "two"
    await process.write("exit 5\n")
    assert await process.read_line(10) is None
    assert await process.close() == 5
    assert process.errors == "trouble"
    other = await cluster.spawn("default", pod, ["cat"])
    await other.write("whole")
    assert await other.close() == 0


async def test_a_log(cluster: HttpCluster, pod: str) -> None:
    assert await cluster.log("default", pod) == "begun\n"
    assert await cluster.log("default", pod, previous=True) == ""
    assert await cluster.log("default", "no-such-pod") == ""


async def test_an_image_that_does_not_exist_is_the_reason(cluster: HttpCluster) -> None:
    made = await cluster.apply(deployment("imageless", SERVE, image="registry.example.org/nothing:1"))
    with pytest.raises(Transient, match="is not ready after") as late:
        await cluster.until(Ref.of(made), ready.judge, timeout=8)
    assert "registry.example.org/nothing:1" in late.value.why
    assert "ErrImagePull" in late.value.why or "ImagePullBackOff" in late.value.why
    await cluster.delete(Ref.of(made))


async def test_the_last_words_of_a_container_that_crashes(cluster: HttpCluster) -> None:
    # Without a probe Kubernetes calls a container ready that runs for a blink.
    probe = {"exec": {"command": ["true"]}, "initialDelaySeconds": 5}
    made = await cluster.apply(deployment("crashing", "echo cannot open /data; exit 7", readinessProbe=probe))
    with pytest.raises(Transient) as late:
        await cluster.until(Ref.of(made), ready.judge, timeout=15)
    assert "cannot open /data" in late.value.why
    assert "exit status 7" in late.value.why
    await cluster.delete(Ref.of(made), foreground=True)
    await cluster.until(Ref.of(made), ready.absent, timeout=60)


async def test_a_new_version_is_not_ready_because_the_old_one_is(cluster: HttpCluster, pod: str) -> None:
    changed = deployment("web", f"touch /tmp/index.html; sleep 3; {SERVE}")
    made = await cluster.apply(changed)
    seen = await cluster.until(Ref.of(made), ready.judge, timeout=90)
    assert seen is not None
    assert seen["status"]["observedGeneration"] == made["metadata"]["generation"]
    pods = await cluster.list("v1", "Pod", "default", labels="app=web")
    living = [each for each in pods if "deletionTimestamp" not in each["metadata"]]
    assert ["sleep 3" in each["spec"]["containers"][0]["command"][2] for each in living] == [True]


async def test_a_job_that_fails_is_told_at_once(cluster: HttpCluster) -> None:
    one = {"name": "main", "image": BUSYBOX, "command": ["sh", "-c", "echo no backup; exit 75"]}
    meta = {"name": "failing", "namespace": "default"}
    spec = {"backoffLimit": 0, "template": {"spec": {"restartPolicy": "Never", "containers": [one]}}}
    made = await cluster.apply({"apiVersion": "batch/v1", "kind": "Job", "metadata": meta, "spec": spec})
    with pytest.raises(Permanent, match="will not become ready") as failed:
        await cluster.until(Ref.of(made), ready.judge, timeout=60)
    assert "BackoffLimitExceeded" in failed.value.why
    assert "no backup" in failed.value.why


async def test_the_api_server_is_killed_while_a_deployment_is_waited_for(
    castle: KubernetesCastle, cluster: HttpCluster, pod: str
) -> None:
    process = await cluster.spawn("default", pod, ["cat"])
    made = await cluster.apply(deployment("slow", f"sleep 6; touch /tmp/index.html; {SERVE}", replicas=2,
                                          readinessProbe={"httpGet": {"path": "/", "port": 8080}}))  # fmt: skip
    wait = asyncio.create_task(cluster.until(Ref.of(made), ready.judge, timeout=120))
    await asyncio.sleep(1)
    await asyncio.to_thread(castle.on, "control", "pkill", "-KILL", "kube-apiserver")
    with pytest.raises(Unreachable):
        await process.read_line(60)
    await process.close()
    seen = await wait
    assert seen is not None
    assert seen["status"]["availableReplicas"] == 2
    assert (await cluster.run("default", pod, ["echo", "again"])).out == "again\n"


async def test_every_object_of_a_new_cluster_is_ready_by_its_own_rule(cluster: HttpCluster) -> None:
    """No rule may wait for something that a sound cluster never says."""
    kinds = [
        ("v1", "Namespace"), ("v1", "Node"), ("v1", "Service"), ("v1", "ConfigMap"), ("v1", "ServiceAccount"),
        ("apps/v1", "DaemonSet"), ("apiregistration.k8s.io/v1", "APIService"), ("rbac.authorization.k8s.io/v1", "Role"),
    ]  # fmt: skip
    for api, kind in kinds:
        found = await cluster.list(api, kind)
        assert found
        for each in found:
            await cluster.until(Ref.of(each), ready.judge, timeout=30)
    await cluster.until(Ref("apps/v1", "Deployment", "coredns", "kube-system"), ready.judge, timeout=60)
