"""The cluster's DNS: kubeadm's manifests as it prints them, and what castle makes of them."""

from __future__ import annotations

from ephemeral_castle.drivers.kubeadm import coredns

# As kubeadm 1.36.3 prints it: lines of its own first, and a document that begins on the line of its mark.
PRINTED = """\
[patches] Reading patches from path "/etc/castle/patches"
---apiVersion: apps/v1
kind: Deployment
metadata: {name: coredns, namespace: kube-system, creationTimestamp: null}
spec:
  replicas: 2
  template:
    spec:
      containers:
      - name: coredns
        image: registry.k8s.io/coredns/coredns:v1.14.2
        readinessProbe: {httpGet: {path: /ready, port: 8181}}
      tolerations:
      - {key: CriticalAddonsOnly, operator: Exists}
      - {effect: NoSchedule, key: node-role.kubernetes.io/control-plane}
status: {}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: coredns, namespace: kube-system}
data: {Corefile: ".:53 {forward . /etc/resolv.conf}"}
---

---
apiVersion: v1
kind: ServiceAccount
metadata: {name: coredns, namespace: kube-system}
"""


def test_what_kubeadm_prints_is_read() -> None:
    assert [each["kind"] for each in coredns.documents(PRINTED)] == ["Deployment", "ConfigMap", "ServiceAccount"]


def test_pods_stand_apart_and_leave_a_dead_node_soon() -> None:
    made = coredns.adapted(coredns.documents(PRINTED), "text", 3)
    assert [each["kind"] for each in made] == ["ConfigMap", "ServiceAccount", "Deployment"]  # the pods last
    pod = made[-1]["spec"]["template"]["spec"]
    demand = pod["affinity"]["podAntiAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
    assert demand[0]["topologyKey"] == "kubernetes.io/hostname"
    patience = {each["key"]: each.get("tolerationSeconds") for each in pod["tolerations"]}
    assert patience == {
        "CriticalAddonsOnly": None,
        "node-role.kubernetes.io/control-plane": None,
        "node.kubernetes.io/not-ready": 10,
        "node.kubernetes.io/unreachable": 10,
    }
    assert pod["containers"][0]["readinessProbe"]["periodSeconds"] == 1
    assert "status" not in made[-1]
    assert made[0]["data"] == {"Corefile": "text"}


def test_one_node_has_one_pod() -> None:
    assert coredns.adapted(coredns.documents(PRINTED), "", 1)[-1]["spec"]["replicas"] == 1


def test_what_was_read_is_not_changed() -> None:
    stock = coredns.documents(PRINTED)
    coredns.adapted(stock, "text", 1)
    assert stock == coredns.documents(PRINTED)


def test_nobody_is_asked_unless_somebody_is_named() -> None:
    assert "forward" not in coredns.corefile((), {})
    assert "    forward . 192.168.1.1 192.168.1.2\n" in coredns.corefile(("192.168.1.1", "192.168.1.2"), {})


def test_pods_know_the_treasury_by_the_name_that_machines_use() -> None:
    text = coredns.corefile((), {"treasury.castle": "10.0.0.1"})
    assert "        10.0.0.1 treasury.castle\n        fallthrough\n" in text
