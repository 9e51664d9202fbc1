"""Bad days of a castle with Flux on a real cluster: it waits, goes on, or says why and what to do.

One castle; each test leaves it standing.
"""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from ephemeral_castle.model.events import Kind, RunStatus
from tests.e2e.accidents import Moment
from tests.kubernetes.castles import parts
from tests.kubernetes.objects import custom, definition
from tests.kubernetes.walled import SPACE, WalledCastle, config, deployment, walled
from tests.systems import CLUSTER

pytestmark = [
    pytest.mark.machines,
    pytest.mark.kubernetes,
    pytest.mark.timeout(1200),
    pytest.mark.evidence("real", *CLUSTER, "kustomize-controller", "git"),
    pytest.mark.evidence("stand-in", "source-controller"),
]
STARTED = Kind.STEP_STARTED
WEB: dict[str, Any] = {"web": ({}, {"web.yaml": deployment("web", "docker.io/library/busybox:1.35.0")})}
KILL = "until pkill -9 kube-apiserver; do sleep 0.1; done"  # it may just be about to be started again
HELD = "dead.controller/hold"


@pytest.fixture(scope="module")
def castle() -> Iterator[WalledCastle]:
    with parts() as given, walled(given) as made:
        made.push(**WEB)
        made.raise_()
        yield made


def until_ready(castle: WalledCastle) -> None:
    """The last kill may have come behind the end of the run, and nodes that could tell nobody count as lost."""
    ready = '{.items[*].status.conditions[?(@.type=="Ready")].status}'
    deadline = time.monotonic() + 120
    while castle.kubectl("get", "nodes", "-o", f"jsonpath={ready}", ok=False) != "True True":
        assert time.monotonic() < deadline, "the nodes do not come back"
        time.sleep(1)


def well(castle: WalledCastle) -> None:
    """It stands, and castle says so, as soon as the cluster has got over what happened to it."""
    deadline = time.monotonic() + 180
    while True:
        until_ready(castle)
        said = castle.run("raise").stdout
        if "nothing was changed" in said:
            return
        assert time.monotonic() < deadline, said


# --- what stands in the way of a raise


@contextlib.contextmanager
def leaving(castle: WalledCastle, space: str) -> Iterator[None]:
    """A namespace that somebody deleted, and that an object holds whose controller is dead."""
    castle.kubectl("wait", "--for=delete", f"namespace/{space}", "--timeout=50s")  # the probe's of the last run
    castle.kubectl("create", "namespace", space)
    meta = {"name": "held", "namespace": space, "finalizers": [HELD]}
    castle.kubectl("create", "-f", "-", stdin=json.dumps({"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta}))
    castle.kubectl("delete", "namespace", space, "--wait=false")
    try:
        yield
    finally:
        let_go(castle, space)


def let_go(castle: WalledCastle, space: str) -> None:
    """A person takes the finalizer away."""
    patch = json.dumps({"metadata": {"finalizers": None}})
    castle.kubectl("-n", space, "patch", "configmap", "held", "--type=merge", "-p", patch, ok=False)


def test_a_namespace_that_a_dead_controller_holds_is_named_with_the_finalizer(castle: WalledCastle) -> None:
    """The probe wants its namespace again, and somebody's finalizer keeps the last one."""
    castle.push(**WEB, more=({}, {"a.yaml": config("leaving")}))
    with leaving(castle, "castle-probe"):
        refused = castle.run("raise", ok=False)
        said = refused.stdout + refused.stderr
        assert refused.returncode == 4, said
        assert f"{HELD} in 1 resource instances" in said
        assert "castle resume" in said
        run = castle.begin("raise")
        time.sleep(10)
        assert run.status is RunStatus.RUNNING
        let_go(castle, "castle-probe")
        run.ends_well()
    well(castle)


def test_a_unit_whose_namespace_is_on_its_way_out_is_waited_for(castle: WalledCastle) -> None:
    space = json.dumps({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "stuck"}})
    inside = json.dumps({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "in", "namespace": "stuck"}})
    with leaving(castle, "stuck"):
        castle.push(**WEB, stuck=({}, {"space.yaml": space, "in.yaml": inside}))
        run = castle.begin("raise")
        run.until_said("status: 'Terminating'")
        let_go(castle, "stuck")
        run.ends_well()
    assert castle.kubectl("-n", "stuck", "get", "configmap", "in", "-o", "name") == "configmap/in\n"
    well(castle)


def test_a_kind_that_comes_late_and_an_object_without_conditions_are_waited_for(castle: WalledCastle) -> None:
    castle.push(**WEB, late=({}, {"a.yaml": json.dumps(custom("Widget", "a", size=1))}))
    run = castle.begin("raise")
    run.until_said('no matches for kind \\"Widget\\"')
    castle.kubectl("apply", "-f", "-", stdin=json.dumps(definition("Widget")))
    run.ends_well()
    seen = json.loads(castle.kubectl("get", "widgets", "a", "-o", "json"))
    assert "status" not in seen
    well(castle)


def test_an_image_that_is_missing_is_told_while_it_is_waited_for(castle: WalledCastle) -> None:
    castle.push(**WEB, lost=({}, {"a.yaml": deployment("lost", "docker.io/library/nothing:1")}))
    castle.wait = "60s"
    castle.write()
    run = castle.begin("raise")
    run.until_said("docker.io/library/nothing:1")
    assert run.status is RunStatus.RUNNING
    assert run.ends() is RunStatus.FAILED
    error = run.error()
    assert error["message"].endswith("units are not ready after 60 s")
    assert "Deployment default/lost" in error["why"]
    assert "docker.io/library/nothing:1" in error["why"]
    assert any("castle raise" in each or "castle resume" in each for each in error["hints"])
    castle.wait = "300s"
    castle.write()
    castle.push(**WEB)
    castle.run("raise")
    well(castle)


WEBHOOK = "validatingwebhookconfiguration/judge"


def webhook(name: str) -> str:
    """One that judges what castle writes for Flux, and that nobody answers at."""
    kinds = ["gitrepositories", "kustomizations", "configmaps"]
    rule = {"apiGroups": ["*"], "apiVersions": ["*"], "resources": kinds, "operations": ["CREATE", "UPDATE"]}
    here = {"matchLabels": {"kubernetes.io/metadata.name": SPACE}}
    one = {
        "name": "judge.castle.example", "rules": [rule], "sideEffects": "None", "admissionReviewVersions": ["v1"],
        "timeoutSeconds": 5, "namespaceSelector": here, "failurePolicy": "Fail",
        "clientConfig": {"service": {"namespace": "default", "name": name}},
    }  # fmt: skip
    meta = {"name": "judge"}
    return json.dumps({"apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingWebhookConfiguration",
                       "metadata": meta, "webhooks": [one]})  # fmt: skip


def silent(castle: WalledCastle) -> None:
    """A Service that leads to an address at which nobody is: what is sent there is lost."""
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "silent"},
        "spec": {"ports": [{"port": 443}]},
    }
    where = {"apiVersion": "v1", "kind": "Endpoints", "metadata": {"name": "silent"},
             "subsets": [{"addresses": [{"ip": "10.89.77.250"}], "ports": [{"port": 443}]}]}  # fmt: skip
    for each in (service, where):
        castle.kubectl("apply", "-f", "-", stdin=json.dumps(each))


@pytest.mark.parametrize("name", ["nobody", "silent"])
def test_a_webhook_that_does_not_answer_for_a_minute_is_waited_for(castle: WalledCastle, name: str) -> None:
    silent(castle)
    castle.push(**WEB, judged=({}, {"a.yaml": config("judged", by=name)}))
    castle.kubectl("apply", "-f", "-", stdin=webhook(name))
    try:
        run = castle.begin("raise")
        run.until_said("the webhook judge.castle.example does not answer")
        time.sleep(60)
        assert run.status is RunStatus.RUNNING
    finally:
        castle.kubectl("delete", WEBHOOK)
    run.ends_well()
    assert castle.kubectl("get", "configmap", "judged", "-o", "jsonpath={.data.by}") == name
    well(castle)


# --- a controller of Flux that hangs


def test_a_controller_that_hangs_is_named_and_restarted_only_with_the_word_of_a_person(castle: WalledCastle) -> None:
    """No probe notices it here, as in an installation of somebody else's."""
    life = castle.life()
    patch = [
        {"op": "remove", "path": f"/spec/template/spec/containers/0/{probe}Probe"}
        for probe in ("liveness", "readiness")
    ]
    flux = ("-n", SPACE)
    castle.kubectl(*flux, "patch", "deployment", "kustomize-controller", "--type=json", "-p", json.dumps(patch))
    castle.kubectl(*flux, "rollout", "status", "deployment/kustomize-controller", "--timeout=90s", timeout=100)
    pods = castle.kubectl(*flux, "get", "pods", "-l", "app=kustomize-controller", "-o", "name")
    castle.on("data", "pkill", "-STOP", "-f", "kustomize-controller", life=life)
    castle.push(**WEB, after=({}, {"a.yaml": config("after")}))
    refused = castle.run("raise", ok=False, timeout=500)
    said = refused.stdout + refused.stderr
    assert refused.returncode == 4, said
    assert "kustomize-controller of Flux hangs" in said
    assert f"waited for by Kustomization {SPACE}/" in said
    assert "waits for it, and it has done nothing since" in said
    assert "--heal, which ends its pod" in said
    assert castle.kubectl(*flux, "get", "pods", "-l", "app=kustomize-controller", "-o", "name") == pods

    castle.run("raise", "--heal", timeout=600)
    assert castle.kubectl(*flux, "get", "pods", "-l", "app=kustomize-controller", "-o", "name") != pods
    assert "restart kustomize-controller" in castle.run("report").stdout
    well(castle)


# --- machines, and the API server


@pytest.mark.parametrize("machine", ["data", "control"])
def test_a_machine_that_is_rebooted_in_the_middle_of_a_raise_is_waited_for(castle: WalledCastle, machine: str) -> None:
    life = castle.life()
    castle.push(**WEB, rebooted=({}, {"a.yaml": config("rebooted", by=machine)}))
    run = castle.begin("raise")
    run.until(Moment("gitops.units", STARTED, later=0.5))
    castle.reboots(machine, life)
    run.ends_well()
    assert castle.kubectl("get", "configmap", "rebooted", "-o", "jsonpath={.data.by}") == machine
    well(castle)


@pytest.mark.parametrize(
    ("machine", "moment"),
    [
        ("data", Moment("gitops.controllers", STARTED, later=1.0)),
        ("data", Moment("gitops.units", STARTED, later=1.0)),
        ("control", Moment("gitops.components", STARTED, later=0.5)),
        ("control", Moment("gitops.units", STARTED, later=1.0)),
    ],
    ids=str,
)
def test_a_machine_that_is_rebooted_in_the_middle_of_a_rebirth_is_waited_for(
    castle: WalledCastle, machine: str, moment: Moment
) -> None:
    life = castle.life()
    run = castle.begin("rebirth")
    run.until(moment)
    castle.reboots(machine, life + 1)
    run.ends_well()
    assert castle.life() == life + 1
    well(castle)


@pytest.mark.parametrize(
    "steps",
    [("cluster.dns", "gitops.controllers", "inside.pods"), ("cluster.nodes", "gitops.components", "gitops.units")],
    ids=str,
)
def test_an_api_server_that_dies_in_a_wait_is_waited_for(castle: WalledCastle, steps: tuple[str, ...]) -> None:
    """The kubelet starts it again, later each time."""
    life = castle.life()
    run = castle.begin("rebirth")
    for step in steps:
        run.until(Moment(step, STARTED, later=0.2))
        castle.on("control", "timeout", "90", "sh", "-c", KILL, life=life + 1)
    run.ends_well()
    assert castle.life() == life + 1
    well(castle)
