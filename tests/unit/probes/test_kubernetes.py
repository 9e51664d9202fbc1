"""What pods see, and what stands in the way of changes."""

from __future__ import annotations

from typing import Any

import pytest

from ephemeral_castle.errors import NotFound, Permanent, Refused, Unreachable
from ephemeral_castle.model.castle import Layer, Role, Verb
from ephemeral_castle.probes.kubernetes import KubernetesProbe, pods, storage, webhooks
from ephemeral_castle.spi.kubernetes import Manifest, Ref
from ephemeral_castle.spi.processes import Result
from tests.unit.cluster_bed import ID, Bed

LAYER = Layer("inside", Role.PROOF, "kubernetes-probe", ("cluster", "gitops"))
SPACE = Ref("v1", "Namespace", "castle-probe")


def node(name: str, *taints: str) -> Manifest:
    spec = {"taints": [{"key": each, "effect": "NoSchedule"} for each in taints]} if taints else {}
    return {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name}, "spec": spec}


def storage_class(name: str, default: str = "true") -> Manifest:
    notes = {"storageclass.kubernetes.io/is-default-class": default}
    return {"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": name, "annotations": notes}}


def webhook(*plurals: str, group: str = "", operations: tuple[str, ...] = ("CREATE", "UPDATE")) -> Manifest:
    rule = {"apiGroups": [group], "resources": list(plurals), "operations": list(operations), "apiVersions": ["*"]}
    return {"apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingWebhookConfiguration",
            "metadata": {"name": "judge"}, "webhooks": [{"name": "judge.example.org", "rules": [rule]}]}  # fmt: skip


def bed(**options: Any) -> Bed:
    """With three nodes, of which one takes no pods, and a kubelet that starts what is applied."""
    made = Bed(KubernetesProbe(), LAYER, **{"timeout": "30s", **options})
    for each in (node("control", "node-role.kubernetes.io/control-plane"), node("data"), node("edge")):
        made.api.put(each)

    def account(space: Manifest) -> None:
        name = space["metadata"]["name"]
        if Ref("v1", "ServiceAccount", "default", name) not in made.api.objects:
            made.api.put(
                {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default", "namespace": name}}
            )

    def start(pod: Manifest) -> None:
        if not pod.get("status"):
            made.api.status(pod, {"conditions": [{"type": "Ready", "status": "True"}]})

    made.api.react("Namespace", account)
    made.api.react("Pod", start)
    made.api.commands = lambda *_: Result(0, "", "")
    return made


def both(castle: Bed) -> None:
    for action in ("pods", "inside"):
        castle.does(action)


def test_a_pod_on_every_node_asks_and_nothing_stays() -> None:
    castle = bed(services=["blog/blog:80"])
    castle.api.put(storage_class("local-path"))
    asked: list[tuple[str, tuple[str, ...]]] = []

    def answer(space: str, pod: str, _container: str, argv: Any, _stdin: bytes) -> Result:
        assert space == "castle-probe"
        asked.append((pod, tuple(argv[4:])))
        return Result(0, "", "")

    castle.api.commands = answer
    castle.does("pods")
    made = castle.api.all("Pod")
    assert [each["spec"]["nodeName"] for each in made] == ["data", "edge"]
    assert all(each["metadata"]["labels"]["castle.id"] == ID for each in made)
    castle.does("inside")
    common = ("kubernetes.default.svc.cluster.local.:443",)
    services = ("blog.blog.svc.cluster.local.:80",)
    assert asked == [
        (f"on-{each}", (*common, f"on-{each}.castle-probe.svc.cluster.local.:80", *services))
        for each in ("data", "edge")
    ]
    assert SPACE not in castle.api.objects


def test_a_pod_that_does_not_reach_itself_by_its_service_is_told() -> None:
    castle = bed(timeout="5s")
    said = "on-edge.castle-probe.svc.cluster.local.:80|nothing answers at 10.96.1.1\n"
    castle.api.commands = lambda _space, pod, *_: Result(1, said, "") if pod == "on-edge" else Result(0, "", "")
    castle.does("pods")
    with pytest.raises(Permanent) as caught:
        castle.does("inside")
    assert caught.value.why == "from edge: on-edge.castle-probe.svc.cluster.local:80: nothing answers at 10.96.1.1"
    assert SPACE in castle.api.objects  # for whoever looks


def test_what_answers_a_moment_later_is_well() -> None:
    castle = bed()
    answers = iter([Result(1, "x.:80|nothing answers at 10.96.1.1\n", "")])
    castle.api.commands = lambda *_: next(answers, Result(0, "", ""))
    both(castle)
    assert castle.lines == ["from data: x:80: nothing answers at 10.96.1.1"]


def test_a_namespace_of_somebody_else_is_not_touched() -> None:
    castle = bed()
    castle.api.put({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "castle-probe"}})
    with pytest.raises(Permanent, match="somebody else's"):
        castle.does("pods")
    assert castle.api.all("Pod") == []


@pytest.mark.parametrize(
    ("classes", "said"),
    [
        ([], "no storage class is the default one (there is none at all)"),
        ([storage_class("a", "false")], "no storage class is the default one (there are: a)"),
        ([storage_class("a"), storage_class("b")], "2 storage classes are the default one (a, b)"),
        ([storage_class("a"), storage_class("b", "false")], ""),
    ],
)
def test_which_class_a_claim_gets_that_names_none(classes: list[Manifest], said: str) -> None:
    assert storage.wrong(classes).startswith(said)
    assert bool(storage.wrong(classes)) == bool(said)
    castle = bed(claim=True)
    for each in classes:
        castle.api.put(each)
    castle.verb(Verb.REBIRTH)
    if not said:
        castle.does("before")
        return
    with pytest.raises(Refused) as caught:
        castle.does("before")
    assert said in caught.value.why
    assert caught.value.state == "nothing was changed"
    assert "or set `claim: false` in the layer, to go on without this look" in caught.value.hints


def test_a_claim_that_gets_no_volume_is_told_with_the_words_of_its_pod() -> None:
    castle = bed(claim=True, timeout="5s")
    castle.api.put(storage_class("local-path"))
    castle.does("pods")
    claim = Ref("v1", "Pod", "claim", "castle-probe")
    castle.api.status(claim, {"conditions": [{"type": "Ready", "status": "False"}]})
    with pytest.raises(Permanent, match="not as pods need it") as caught:
        castle.does("inside")
    assert "a claim that names no class has no volume yet" in caught.value.why


def test_a_webhook_that_lets_no_change_pass_is_found_before_anything_is_destroyed() -> None:
    castle = bed()
    castle.api.put({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "it", "namespace": "default"}})
    castle.api.put(webhook("configmaps"))

    def refuse(manifest: Manifest) -> None:
        if manifest["kind"] == "ConfigMap":
            raise Permanent("refused", why='admission webhook "judge.example.org" denied the request: no')

    castle.api.admit.append(refuse)
    castle.verb(Verb.REBIRTH)
    with pytest.raises(Refused) as caught:
        castle.does("before")
    assert caught.value.why == (
        'a dry run of ConfigMap default/it: admission webhook "judge.example.org" denied the request: no '
        "(judged by judge.example.org)"
    )
    assert "or set `webhooks: false` in the layer, to go on without this look" in caught.value.hints


def test_a_cluster_that_is_dead_stops_nothing() -> None:
    castle = bed(claim=True)
    castle.verb(Verb.REBIRTH)
    castle.no_cluster = Unreachable("the cluster does not answer")
    assert castle.does("before").detail == "not seen (the cluster does not answer); it is tried in the new life"
    castle.no_cluster = NotFound("there is no cluster")
    assert "not seen" in castle.does("before").detail


def test_which_kinds_webhooks_judge() -> None:
    crd = {"spec": {"group": "example.org", "names": {"plural": "things", "kind": "Thing"},
                    "versions": [{"name": "v1alpha1", "storage": False}, {"name": "v1", "storage": True}]}}  # fmt: skip

    def kinds(configuration: Manifest) -> list[tuple[str, str]]:
        return [(each.api, each.kind) for each in webhooks.judges([configuration], [crd])]

    assert kinds(webhook("secrets", "pods/exec")) == [("v1", "Secret")]
    assert kinds(webhook("*", group="example.org")) == [("example.org/v1", "Thing")]
    assert kinds(webhook("things", group="*")) == [("example.org/v1", "Thing")]
    assert kinds(webhook("secrets", operations=("CREATE",))) == []
    assert kinds(webhook("unknown", group="nobody.example")) == []


def test_what_stands_there_is_applied_again_without_what_the_server_made_of_it() -> None:
    meta = {
        "name": "it",
        "namespace": "a",
        "uid": "u",
        "resourceVersion": "7",
        "managedFields": [],
        "labels": {"x": "y"},
    }
    live = {"metadata": meta, "data": {"k": "v"}, "status": {"x": 1}}
    assert webhooks.again(live, "v1", "ConfigMap") == {
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "it", "namespace": "a", "labels": {"x": "y"}},
        "data": {"k": "v"},
    }  # fmt: skip


def test_names_of_nodes_become_names_of_pods() -> None:
    assert pods.name_of("node-1.castle.example") == "on-node-1-castle-example"
    assert len(pods.name_of("n" * 80)) == 63
