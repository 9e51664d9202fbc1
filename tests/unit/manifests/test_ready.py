"""What holds for all kinds, and for those without a rule."""

from __future__ import annotations

from typing import Any

import pytest

from ephemeral_castle.manifests import ready, words
from ephemeral_castle.manifests.readiness import Readiness, Stage
from tests.unit.manifests.samples import condition, conditions, made

READY, WAITING, FAILED = "ready", "waiting", "failed"


def thing(*found: dict[str, Any], **more: Any) -> dict[str, Any]:
    return made("example.org/v1", "Thing", status=conditions(*found), **more)


def test_nothing_is_not_ready() -> None:
    assert ready.judge(None) == Readiness(Stage.WAITING, "it does not exist")
    assert ready.exists(None).stage == WAITING
    assert ready.exists(made("v1", "ConfigMap")).stage == READY


@pytest.mark.parametrize(
    ("manifest", "stage", "why"),
    [
        (thing(condition("Ready", reason="Fine")), READY, "Ready=True (Fine)"),
        (thing(condition("Ready", seen=1)), WAITING, "its status speaks of generation 1, and 2 is wanted; Ready=True"),
        (thing(condition("Ready", "Unknown", message="wait\n a bit")), WAITING, "Ready=Unknown: wait a bit"),
        (thing(condition("Ready"), condition("Stalled", reason="Bad")), FAILED, "Stalled=True (Bad)"),
        (thing(condition("Ready"), condition("Reconciling")), WAITING, "Reconciling=True"),
        (thing(condition("Synced"), condition("Healthy")), WAITING, "it has no condition Ready, only Synced, Healthy"),
        (thing(), WAITING, "it says nothing of itself, and its kind has no rule here; what it makes can be waited for"),
        (made("example.org/v1", "Thing"), WAITING, "it says nothing of itself"),
        (made("v1", "Secret"), READY, "its kind has no status"),
        (made("example.org/v1", "Secret"), WAITING, "it says nothing of itself"),
        (made("rbac.authorization.k8s.io/v1", "ClusterRole"), READY, "its kind has no status"),
        (made("apps/v1beta9", "Deployment"), WAITING, "its controller has not seen it yet"),
    ],
)
def test_kinds_without_a_rule(manifest: dict[str, Any], stage: str, why: str) -> None:
    seen = ready.judge(manifest)
    assert seen.stage == stage
    assert seen.why.startswith(why)


def test_odd_statuses_break_nothing() -> None:
    statuses: list[Any] = [None, {"conditions": None}, {"conditions": ["x"]}, {"conditions": [{}]}, "x", []]
    for status in statuses:
        for api, kind in (("apps/v1", "Deployment"), ("v1", "Pod"), ("example.org/v1", "Thing"), ("v1", "Node")):
            assert ready.judge({**made(api, kind), "status": status}).stage == WAITING


def test_absence() -> None:
    assert ready.absent(None).stage == READY
    assert ready.absent(made("v1", "Secret")).why == "it is there, and nobody deletes it"
    going = {"deletionTimestamp": "x", "finalizers": ["a/b", "c"]}
    trouble = condition("NamespaceFinalizersRemaining", message="some things have finalizers")
    seen = ready.absent(made("v1", "Namespace", meta=going, status=conditions(trouble)))
    assert seen.why.startswith("it is being deleted, held by a/b, c; NamespaceFinalizersRemaining=True: some things")


def test_that_very_one_is_gone() -> None:
    judge = ready.gone("u")
    assert judge(None).stage == READY
    assert judge(made("v1", "Secret")).stage == WAITING
    assert judge(made("v1", "Secret", meta={"uid": "another"})).stage == READY


def test_a_single_condition() -> None:
    judge = ready.with_condition("Synced", "False")
    assert judge(thing(condition("Synced", "False"))).stage == READY
    assert judge(thing(condition("Synced"))).stage == WAITING
    assert judge(thing(condition("Synced", "False", seen=1))).stage == WAITING
    assert judge(thing()).why == "no condition Synced yet"
    assert judge(None).stage == WAITING
    assert judge(thing(condition("Synced", "False"), meta={"deletionTimestamp": "x"})).stage == WAITING


def test_all_of() -> None:
    both = ready.all_of(ready.with_condition("A"), ready.with_condition("B"))
    assert both(thing(condition("A"), condition("B"))).stage == READY
    assert both(thing(condition("A"), condition("B", "False"))).why == "B=False"


def test_events_newest_warning_first_and_each_once() -> None:
    late = {"count": 7, "lastObservedTime": "2026-01-01T00:00:05Z"}
    found: list[dict[str, Any]] = [
        {"type": "Normal", "reason": "Pulled", "message": "fine", "lastTimestamp": "2026-01-01T00:00:09Z"},
        {"type": "Warning", "reason": "Old", "message": "a", "lastTimestamp": "2026-01-01T00:00:01Z"},
        {"type": "Warning", "reason": "New", "note": "b", "series": late},
        {"type": "Warning", "reason": "Old", "message": "a", "eventTime": "2026-01-01T00:00:02.000000Z"},
    ]
    assert words.events(found) == ["New: b (x7)", "Old: a", "Pulled: fine"]
    assert len(words.short("x" * 9999)) == 500


@pytest.mark.parametrize(
    ("kind", "spec", "selector"),
    [
        ("Deployment", {"selector": {"matchLabels": {"a": "b", "c": "d"}}}, "a=b,c=d"),
        ("Service", {"selector": {"a": "b"}}, "a=b"),
        ("PostgresCluster", {}, "postgres-operator.crunchydata.com/cluster=x"),
        ("PersistentVolumeClaim", {"selector": {"matchLabels": {"a": "b"}}}, ""),
        ("ConfigMap", {}, ""),
    ],
)
def test_the_pods_of_an_object(kind: str, spec: dict[str, Any], selector: str) -> None:
    assert words.selector(made("v1", kind, spec=spec)) == selector


def test_selectors_with_expressions() -> None:
    expressions = [
        {"key": "a", "operator": "In", "values": ["x", "y"]},
        {"key": "b", "operator": "NotIn", "values": ["z"]},
        {"key": "c", "operator": "Exists"},
        {"key": "d", "operator": "DoesNotExist"},
    ]
    found = words.selector(made("batch/v1", "Job", spec={"selector": {"matchExpressions": expressions}}))
    assert found == "a in (x,y),b notin (z),c,!d"


def test_containers_in_trouble() -> None:
    last = {"terminated": {"exitCode": 1, "reason": "Error"}}
    statuses = [
        {"name": "crash", "state": {"waiting": {"reason": "CrashLoopBackOff"}}, "lastState": last},
        {"name": "new", "state": {"waiting": {"reason": "ContainerCreating"}}},
        {"name": "probe", "ready": False, "state": {"running": {}}, "lastState": last},
        {"name": "good", "ready": True, "state": {"running": {}}},
    ]
    init = [{"name": "restore", "state": {"terminated": {"exitCode": 75, "reason": "Error", "message": "no backup"}}}]
    pod = made("v1", "Pod", status={"initContainerStatuses": init, "containerStatuses": statuses})
    assert words.containers_in_trouble(pod) == [
        ("restore", "Error: no backup: exit status 75", False),
        ("crash", "CrashLoopBackOff: exit status 1", True),
        ("probe", "runs and is not ready; it ended with 1 before", False),
    ]
