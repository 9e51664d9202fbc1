# ruff: noqa: E501, a table of shapes
"""Trees of kustomizations that hypothesis makes."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import strategies as st

from tests.unit.manifests.kustomize.trees import Tree

NAMES = st.sampled_from(["web", "db", "cache"])
VOLUMES: list[Any] = [
    {"name": "v", "configMap": {"name": "settings"}},
    {"name": "w", "emptyDir": {}},
    {"name": "u", "secret": {"secretName": "keys"}},
]
WORDS = st.sampled_from(["a", "b", "lab", "x-1"])
PAIRS = st.dictionaries(WORDS, st.sampled_from(["1", "true", "v", "x y"]), max_size=2)
PLAIN = st.sampled_from([1, "1", True, "text", "8080", None, 2.5, ""])


def _container(name: str) -> st.SearchStrategy[Any]:
    return st.fixed_dictionaries(
        {"name": st.just(name)},
        optional={
            "image": st.sampled_from(["nginx", "nginx:1", "registry.local:5000/nginx:1", "nginx@sha256:aa"]),
            "env": st.lists(
                st.fixed_dictionaries({"name": st.sampled_from(["A", "B"])}, optional={"value": st.sampled_from(["1", "x"])}),
                max_size=2, unique_by=lambda each: each["name"],
            ),
            "ports": st.lists(
                st.fixed_dictionaries(
                    {"containerPort": st.sampled_from([80, 81])}, optional={"protocol": st.sampled_from(["TCP", "UDP"])}
                ),
                max_size=3,
            ),
            "envFrom": st.just([{"configMapRef": {"name": "settings"}}, {"secretRef": {"name": "keys"}}]),
            "args": st.lists(st.sampled_from(["a", "b"]), max_size=2),
        },
    )  # fmt: skip


def _containers() -> st.SearchStrategy[Any]:
    chosen = st.lists(st.sampled_from(["one", "two", "three"]), max_size=3, unique=True)
    return chosen.flatmap(lambda names: st.tuples(*[_container(name) for name in names]).map(list))


def _meta(more: bool) -> st.SearchStrategy[Any]:
    optional = {"labels": PAIRS, "annotations": PAIRS} if more else {}
    return st.fixed_dictionaries({"name": NAMES}, optional=optional)


POD = st.fixed_dictionaries(
    {"containers": _containers()},
    optional={
        "serviceAccountName": NAMES,
        "tolerations": st.just([{"key": "a"}]),
        "volumes": st.lists(st.sampled_from(VOLUMES), max_size=2, unique_by=lambda each: str(each["name"])),
    },
)


def _workload(kind: str) -> st.SearchStrategy[Any]:
    spec = st.fixed_dictionaries(
        {"template": st.fixed_dictionaries({"spec": POD}, optional={"metadata": st.just({"labels": {"app": "x"}})})},
        optional={"replicas": st.sampled_from([1, 3]), "selector": st.just({"matchLabels": {"app": "x"}})},
    )
    return st.fixed_dictionaries(
        {"apiVersion": st.just("apps/v1"), "kind": st.just(kind), "metadata": _meta(True), "spec": spec}
    )


SERVICE = st.fixed_dictionaries({
    "apiVersion": st.just("v1"), "kind": st.just("Service"), "metadata": _meta(True),
    "spec": st.fixed_dictionaries({}, optional={"selector": PAIRS, "ports": st.lists(
        st.fixed_dictionaries({"port": st.sampled_from([80, 81])}, optional={"name": WORDS, "protocol": st.just("TCP")}),
        max_size=2)}),
})  # fmt: skip
THING = st.fixed_dictionaries({
    "apiVersion": st.just("example.org/v1"), "kind": st.just("Thing"), "metadata": _meta(True),
    "spec": st.dictionaries(WORDS, st.one_of(PLAIN, st.lists(PLAIN, max_size=2), st.dictionaries(WORDS, PLAIN, max_size=2)),
                            max_size=3),
})  # fmt: skip
ACCOUNT = st.fixed_dictionaries({
    "apiVersion": st.just("v1"), "kind": st.just("ServiceAccount"), "metadata": _meta(False)})  # fmt: skip
SUBJECTS = st.lists(st.fixed_dictionaries(
    {"kind": st.just("ServiceAccount"), "name": st.one_of(NAMES, st.just("default"))},
    optional={"namespace": st.sampled_from(["lab", "a", "default"])}), max_size=2)  # fmt: skip


def _binding(kind: str, role: str) -> st.SearchStrategy[Any]:
    ref = NAMES.map(lambda name: {"apiGroup": "rbac.authorization.k8s.io", "kind": role, "name": name})
    return st.fixed_dictionaries({"apiVersion": st.just("rbac.authorization.k8s.io/v1"), "kind": st.just(kind),
                                  "metadata": _meta(False), "roleRef": ref, "subjects": SUBJECTS})  # fmt: skip


def _role(kind: str) -> st.SearchStrategy[Any]:
    rules = st.just([{"resources": ["configmaps"], "resourceNames": ["settings", "other"]}])
    return st.fixed_dictionaries({"apiVersion": st.just("rbac.authorization.k8s.io/v1"), "kind": st.just(kind),
                                  "metadata": _meta(True), "rules": rules})  # fmt: skip


OBJECT = st.one_of(
    _workload("Deployment"), _workload("StatefulSet"), SERVICE, THING, ACCOUNT, _role("Role"), _role("ClusterRole"),
    _binding("RoleBinding", "Role"), _binding("RoleBinding", "ClusterRole"), _binding("ClusterRoleBinding", "ClusterRole"),
)  # fmt: skip
OBJECTS = st.lists(OBJECT, min_size=1, max_size=5, unique_by=lambda each: (each["kind"], each["metadata"]["name"]))
KUSTOMIZATION = st.fixed_dictionaries({}, optional={
    "namespace": WORDS, "namePrefix": st.sampled_from(["p-", "q-"]), "nameSuffix": st.just("-s"),
    "commonLabels": PAIRS, "commonAnnotations": PAIRS,
    "labels": st.lists(st.fixed_dictionaries({"pairs": PAIRS}, optional={"includeSelectors": st.booleans(),
                                                                        "includeTemplates": st.booleans()}), max_size=2),
    "images": st.lists(st.fixed_dictionaries({"name": st.sampled_from(["nginx", "registry.local:5000/nginx"])},
                                             optional={"newName": st.just("caddy"), "newTag": st.just("2"),
                                                       "digest": st.just("sha256:bb")}), max_size=2),
    "configMapGenerator": st.just([{"name": "settings", "literals": ["a=1"]}]),
    "secretGenerator": st.just([{"name": "keys", "literals": ["k=v"]}]),
    "generatorOptions": st.fixed_dictionaries({}, optional={"disableNameSuffixHash": st.booleans(), "labels": PAIRS}),
})  # fmt: skip


PATHS = st.sampled_from(
    ["/metadata/labels", "/metadata/labels/a", "/metadata/annotations", "/spec/replicas", "/spec/ports/0", "/spec/ports/-",
     "/spec/template/spec/containers/0/image", "/spec/template/spec/containers/-", "/metadata/name", "/spec/a", "/rules/0"]
)  # fmt: skip
OPERATION = st.one_of(
    st.fixed_dictionaries({"op": st.sampled_from(["add", "replace"]), "path": PATHS,
                           "value": st.sampled_from([{"a": "b"}, "text", 2, [{"x": 1}]])}),
    st.fixed_dictionaries({"op": st.just("remove"), "path": PATHS}),
    st.fixed_dictionaries({"op": st.sampled_from(["copy", "move"]), "from": PATHS, "path": PATHS}),
)  # fmt: skip
FIELDS = st.sampled_from(
    ["metadata.name", "metadata.labels.a", "spec.replicas", "spec.template.spec.containers.0.image", "metadata.annotations.a",
     "spec.template.spec.containers.[name=one].image", "spec.template.spec.containers.*.image", "spec.selector"]
)  # fmt: skip
TARGETS = st.fixed_dictionaries({}, optional={"kind": st.sampled_from(["Deployment", "Service", ".*"]), "name": NAMES})
OPTIONS = st.fixed_dictionaries({}, optional={"create": st.booleans(), "delimiter": st.sampled_from([":", "-"]),
                                              "index": st.integers(-1, 2)})  # fmt: skip
REPLACEMENT = st.fixed_dictionaries({
    "source": st.fixed_dictionaries({"kind": st.sampled_from(["Deployment", "Service", "StatefulSet"])},
                                    optional={"fieldPath": FIELDS, "name": NAMES}),
    "targets": st.lists(st.fixed_dictionaries({"select": TARGETS, "fieldPaths": st.lists(FIELDS, min_size=1, max_size=2)},
                                              optional={"options": OPTIONS, "reject": st.lists(TARGETS, max_size=1)}),
                        min_size=1, max_size=2),
})  # fmt: skip


@st.composite
def trees(draw: st.DrawFn) -> Tree:
    """A base with objects, perhaps an overlay, and a patch that may fit."""
    objects = draw(OBJECTS)
    tree: Tree = {"base/objects.yaml": "---\n".join(f"{json.dumps(each)}\n" for each in objects)}
    tree["base/kustomization.yaml"] = json.dumps({"resources": ["objects.yaml"], **draw(KUSTOMIZATION)})
    over: dict[str, Any] = {"resources": ["base"], **draw(KUSTOMIZATION)}
    if draw(st.booleans()):
        over.pop("configMapGenerator", None)
        over.pop("secretGenerator", None)
    if draw(st.booleans()):
        patch = draw(OBJECT)
        if draw(st.booleans()):
            patch["metadata"]["name"] = objects[0]["metadata"]["name"]
            patch = {**patch, "kind": objects[0]["kind"], "apiVersion": objects[0]["apiVersion"]}
        target = draw(st.sampled_from([None, {"kind": "Deployment|Thing"}, {"name": "web"}, {"labelSelector": "a=1"}]))
        over["patches"] = [{"patch": json.dumps(patch), **({"target": target} if target else {})}]
    if draw(st.booleans()):
        operations = draw(st.lists(OPERATION, min_size=1, max_size=2))
        over.setdefault("patches", []).append({"patch": json.dumps(operations), "target": draw(TARGETS)})
    if draw(st.booleans()):
        over["replacements"] = draw(st.lists(REPLACEMENT, max_size=2))
    if draw(st.booleans()):
        over["components"] = ["part"]
        part = {"apiVersion": "kustomize.config.k8s.io/v1alpha1", "kind": "Component", **draw(KUSTOMIZATION)}
        tree["part/kustomization.yaml"] = json.dumps({"namePrefix": "c-", **part})
    tree["kustomization.yaml"] = json.dumps(over)
    return tree
