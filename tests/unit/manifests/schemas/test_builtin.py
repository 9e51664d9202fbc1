"""Built-in kinds: OpenAPI, names, and each of the hand-written rules that are here."""

from pathlib import Path
from typing import Any

import pytest

from ephemeral_castle.manifests.load import read
from ephemeral_castle.manifests.schemas.builtin_kinds import BuiltIn
from ephemeral_castle.manifests.schemas.builtin_rules import RULES
from ephemeral_castle.manifests.schemas.openapi import Definitions, builtin_kinds, is_openapi

META = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"
TEXT = {"type": "string"}
ANY_MAP = {"type": "object", "additionalProperties": TEXT}
CONTAINER = {
    "required": ["name"],
    "properties": {
        "name": TEXT,
        "image": TEXT,
        "imagePullPolicy": {"type": "string", "enum": ["Always", "Never", "IfNotPresent"]},
        "ports": {
            "type": "array",
            "items": {"properties": {"containerPort": {"type": "integer", "format": "int32"}, "name": TEXT}},
        },
        "env": {"type": "array", "items": {"properties": {"name": TEXT, "value": TEXT, "valueFrom": ANY_MAP}}},
        "volumeMounts": {"type": "array", "items": {"properties": {"name": TEXT, "mountPath": TEXT}}},
        "resources": {
            "properties": {
                key: {
                    "type": "object",
                    "additionalProperties": {"$ref": "#/definitions/io.k8s.apimachinery.pkg.api.resource.Quantity"},
                }
                for key in ("requests", "limits")
            }
        },
    },
}
PODS = {
    "properties": {
        "metadata": {"$ref": f"#/definitions/{META}"},
        "spec": {
            "required": ["containers"],
            "properties": {
                "containers": {"type": "array", "items": {"$ref": "#/definitions/io.k8s.api.core.v1.Container"}},
                "volumes": {"type": "array", "items": {"properties": {"name": TEXT}}},
                "restartPolicy": TEXT,
            },
        },
    }
}
WORKLOAD = {
    "required": ["template"],
    "properties": {
        "replicas": {"type": "integer", "format": "int32"},
        "selector": {"properties": {"matchLabels": ANY_MAP}},
        "template": {"$ref": "#/definitions/io.k8s.api.core.v1.PodTemplateSpec"},
    },
}


def kind(group: str, name: str, spec: dict[str, Any] | None, **more: Any) -> dict[str, Any]:
    own = {"spec": spec} if spec else {}
    meta = {"$ref": f"#/definitions/{META}"}
    return {
        "properties": {"apiVersion": TEXT, "kind": TEXT, "metadata": meta, **own, **more},
        "type": "object",
        "x-kubernetes-group-version-kind": [{"group": group, "version": "v1", "kind": name}],
    }


QUANTITY = {"$ref": "#/definitions/io.k8s.apimachinery.pkg.api.resource.Quantity"}
ANYTHING = {"type": "object", "additionalProperties": TEXT}
PORTS = {"type": "array", "items": {"properties": {"port": {"type": "integer", "format": "int32"}, "name": TEXT}}}
CLAIM = {
    "properties": {
        "accessModes": {"type": "array", "items": TEXT},
        "resources": {"properties": {"requests": {"type": "object", "additionalProperties": QUANTITY}}},
    }
}
OPENAPI = {
    "definitions": {
        META: {"properties": {"name": TEXT, "namespace": TEXT, "labels": ANY_MAP, "annotations": ANY_MAP}},
        "io.k8s.apimachinery.pkg.api.resource.Quantity": TEXT,
        "io.k8s.api.core.v1.Container": CONTAINER,
        "io.k8s.api.core.v1.PodTemplateSpec": PODS,
        "deployment": kind("apps", "Deployment", WORKLOAD),
        "job": kind("batch", "Job", WORKLOAD),
        "cronjob": kind("batch", "CronJob", {"properties": {"schedule": TEXT}}),
        "configmap": kind("", "ConfigMap", None, data=ANYTHING),
        "secret": kind(
            "", "Secret", None, data={"type": "object", "additionalProperties": {"type": "string", "format": "byte"}}
        ),
        "service": kind("", "Service", {"properties": {"ports": PORTS, "clusterIP": TEXT, "type": TEXT}}),
        "role": kind("rbac.authorization.k8s.io", "Role", None),
        "claim": kind("", "PersistentVolumeClaim", CLAIM),
        "list": kind("", "ConfigMapList", None),
    }
}
KINDS = {(each.api, each.kind): each for each in builtin_kinds(OPENAPI)}
POD = "template: {metadata: {labels: {a: b}}, spec: {containers: [{name: a, image: b%s}]%s}}"
DEPLOYMENT = (
    "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\nspec: {selector: {matchLabels: {a: b}}, %s}\n"
)


def judged(text: str, kubernetes: tuple[int, int] = (1, 36)) -> list[str]:
    [document], faults = read(text)
    assert not faults
    of = KINDS[document.manifest["apiVersion"], document.manifest["kind"]]
    verdict = BuiltIn(of, kubernetes).judge(document.manifest)
    assert (verdict.code == 201) == (not verdict.causes)
    return [f"{each.field}: {each.message}" for each in verdict.causes]


def deployment(container: str = "", pod: str = "", spec: str = "") -> list[str]:
    return judged(DEPLOYMENT % (POD % (container, pod) + spec))


def test_a_document_of_openapi_is_known_as_such():
    assert is_openapi(OPENAPI)
    assert not is_openapi({"definitions": {}})
    assert ("v1", "ConfigMapList") not in KINDS


def test_what_is_right_gives_nothing():
    assert deployment() == []


def test_an_unknown_field():
    assert deployment(spec=", replica: 2") == ["spec.replica: unknown field"]


def test_a_value_of_a_wrong_type_where_it_stands():
    [found] = deployment(spec=", replicas: two")
    assert found.startswith("spec.replicas: json: cannot unmarshal string into Go struct field")


def test_a_number_where_a_text_belongs():
    [found] = judged("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {port: 80}\n")
    assert found == "data.port: json: cannot unmarshal number into Go struct field data.port of type string"


def test_a_secret_that_is_no_base64():
    [found] = judged("apiVersion: v1\nkind: Secret\nmetadata: {name: a}\ndata: {a: 'not base64!'}\n")
    assert found == "data.a: illegal base64 data"


def test_a_value_out_of_an_enumeration():
    [found] = deployment(container=", imagePullPolicy: Sometimes")
    assert "Unsupported value" in found


def test_a_quantity_that_is_none():
    [found] = deployment(container=", resources: {requests: {cpu: lots}}")
    assert "quantities must match" in found


def test_a_required_field():
    [_, found] = judged(DEPLOYMENT % "replicas: 1")
    assert found == "spec.template.spec.containers: Required value"


def test_a_structure_that_is_left_out_is_an_empty_one():
    meta = {"$ref": f"#/definitions/{META}"}
    spec = {"properties": {"attach": {"type": "boolean"}}}
    parts = {"root": {"required": ["spec", "driver"], "properties": {"metadata": meta, "spec": spec, "driver": TEXT}}}
    of = Definitions("v1", "CSIDriver", "root", {**parts, META: {"properties": {"name": TEXT}}})
    assert [each.field for each in BuiltIn(of).judge({"metadata": {"name": "a"}}).causes] == ["driver"]


def test_names_follow_the_rule_of_their_kind():
    assert judged("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: A_b}\n")
    assert judged("apiVersion: rbac.authorization.k8s.io/v1\nkind: Role\nmetadata: {name: 'system:A_b'}\n") == []
    service = "apiVersion: v1\nkind: Service\nmetadata: {name: 1web}\nspec: {clusterIP: None}\n"
    assert judged(service) == []
    assert judged(service, (1, 35))


WHOLE_CLAIM = (
    "apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {name: a}\n"
    "spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}\n"
)
# Rule, what breaks it, words that tell so; and what does not.
EXAMPLES: dict[str, tuple[str, str, str]] = {
    "selector_matches": (
        DEPLOYMENT % "template: {metadata: {labels: {a: c}}, spec: {containers: [{name: a, image: b}]}}",
        "`selector` does not match template `labels`",
        DEPLOYMENT % (POD % ("", "")),
    ),
    "restart_policy": (
        DEPLOYMENT % (POD % ("", ", restartPolicy: Never")),
        'restartPolicy: Unsupported value: "Never": supported values: "Always"',
        "apiVersion: batch/v1\nkind: Job\nmetadata: {name: a}\nspec: {%s}\n" % (POD % ("", ", restartPolicy: Never")),
    ),
    "container_names": (
        DEPLOYMENT % "template: {metadata: {labels: {a: b}}, spec: {containers: [{name: a, image: b}, {name: a}]}}",
        'containers[1].name: Duplicate value: "a"',
        DEPLOYMENT % (POD % ("", "")),
    ),
    "mounts_exist": (
        DEPLOYMENT % (POD % (", volumeMounts: [{name: x, mountPath: /x}]", "")),
        'volumeMounts[0].name: Not found: "x"',
        DEPLOYMENT % (POD % (", volumeMounts: [{name: x, mountPath: /x}]", ", volumes: [{name: x}]")),
    ),
    "environment_names": (
        DEPLOYMENT % (POD % (", env: [{name: A, value: b, valueFrom: {}}, {value: b}]", "")),
        "env[1].name: Required value",
        DEPLOYMENT % (POD % (", env: [{name: A, value: b}]", "")),
    ),
    "requests_below_limits": (
        DEPLOYMENT % (POD % (", resources: {requests: {cpu: 2}, limits: {cpu: 500m}}", "")),
        "must be less than or equal to cpu limit of 500m",
        DEPLOYMENT % (POD % (", resources: {requests: {cpu: 100m}, limits: {cpu: 500m}}", "")),
    ),
    "ports_in_range": (
        DEPLOYMENT % (POD % (", ports: [{containerPort: 70000, name: Http}]", "")),
        "must be between 1 and 65535, inclusive",
        DEPLOYMENT % (POD % (", ports: [{containerPort: 80, name: http}]", "")),
    ),
    "service_ports": (
        "apiVersion: v1\nkind: Service\nmetadata: {name: a}\nspec: {ports: [{port: 1, name: a}, {port: 2}]}\n",
        "spec.ports[1].name: Required value",
        "apiVersion: v1\nkind: Service\nmetadata: {name: a}\nspec: {ports: [{port: 1}]}\n",
    ),
    "keys_of_data": (
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {a/b: x}\n",
        "a valid config key must consist of",
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {a.b_c-D: x}\n",
    ),
    "short_names": (
        f"apiVersion: batch/v1\nkind: CronJob\nmetadata: {{name: {'a' * 53}}}\n",
        "must be no more than 52 characters",
        f"apiVersion: batch/v1\nkind: CronJob\nmetadata: {{name: {'a' * 52}}}\n",
    ),
    "claims_are_whole": (
        "apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {name: a}\nspec: {}\n",
        "at least 1 access mode is required",
        WHOLE_CLAIM,
    ),
}


def test_every_rule_has_an_example():
    assert set(EXAMPLES) == set(RULES)


@pytest.mark.parametrize("rule", sorted(EXAMPLES))
def test_a_rule_finds_what_breaks_it_and_leaves_the_rest(rule: str):
    broken, words, right = EXAMPLES[rule]
    assert any(words in each for each in judged(broken)), judged(broken)
    assert judged(right) == []


def test_the_docs_list_every_rule_with_its_own_words():
    page = (Path(__file__).parents[4] / "docs" / "reference" / "schemas.md").read_text()
    for name, rule in RULES.items():
        assert f"| `{name}` | {str(rule.__doc__).strip()} |" in page
    assert page.count("| `") == len(RULES)
