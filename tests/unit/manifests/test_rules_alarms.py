"""Alarms on other people's manifests that were false: each is named after what was wrong with it."""

from __future__ import annotations

import pytest

from ephemeral_castle.manifests.rules import find
from ephemeral_castle.manifests.rules.meant import meant
from ephemeral_castle.manifests.rules.rule import Setting
from ephemeral_castle.model.finding import Severity
from tests.rules import bed

USUAL = bed.texts(bed.HERE / "secret-missing" / "fails")["flux.yaml"]
_, _, UNIT = USUAL.partition("---\n")
NAMESPACE = "apiVersion: v1\nkind: Namespace\nmetadata: {name: web}\n"
BESIDE = bed.texts(bed.HERE / "crd-beside-operator" / "fails")


def told(files: dict[str, str], rule: str, setting: Setting = Setting()) -> list[Severity]:  # noqa: B008
    return [each.severity for each in find(bed.repository(files), setting) if each.rule == rule]


def kustomization(name: str, path: str, more: str = "") -> str:
    return "---\n" + UNIT.replace("name: apps", f"name: {name}").replace("./apps", path) + more


@pytest.mark.parametrize(
    ("name", "other"),
    [
        ("umi-secret", "uuid-secret"),
        ("bt-secret", "sts-secret"),
        ("db-1", "db-2"),
        ("cache-a", "cache-b"),
        ("app", "api"),
    ],
)
def test_short_or_numbered_parts_are_names_of_their_own(name, other):
    assert meant(name, [other]) == ""


@pytest.mark.parametrize(
    ("name", "other"),
    [("s3-backrest-cred", "s3-backrest-creds"), ("acount", "account"), ("cluster_secrets", "cluster-secrets")],
)
def test_a_slip_in_one_part_is_seen(name, other):
    assert meant(name, ["unlike", other]) == other


def test_examples_side_by_side_are_alternatives_not_owners():
    secret = (
        "apiVersion: external-secrets.io/v1\nkind: ExternalSecret\nmetadata: {name: NAME}\n"
        "spec: {secretStoreRef: {name: s}, target: {name: made}, dataFrom: [{extract: {key: k}}]}\n"
    )
    assert told({"a.yaml": secret.replace("NAME", "a"), "b.yaml": secret.replace("NAME", "b")}, "two-owners") == []


def test_a_key_inside_of_json_has_its_line_breaks():
    text = '{"key": "-----BEGIN PRIVATE KEY-----\\\\nMIIE\\\\n-----END PRIVATE KEY-----\\\\n"}'
    secret = f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: a}}\ndata:\n  key.json: '{text}'\n"
    assert told({"a.yaml": secret.replace("\\\\n", "\\n")}, "pem-broken") == []


def test_a_container_may_listen_on_a_port_that_it_does_not_list():
    files = bed.texts(bed.HERE / "port-chain" / "passes")
    text = files["a.yaml"].replace("{name: http, containerPort: 8000}", "{containerPort: 8000}, {containerPort: 9000}")
    assert told({"a.yaml": text.replace("targetPort: http", "targetPort: 8112", 1)}, "port-chain") == [Severity.NOTE]


@pytest.mark.parametrize(("nodes", "severities"), [(None, [Severity.NOTE]), (1, [Severity.WARNING]), (3, [])])
def test_a_rollout_on_the_hosts_network_moves_where_a_node_is_free(nodes, severities):
    files = bed.texts(bed.HERE / "host-network-rollout" / "fails")
    assert told(files, "host-network-rollout", Setting(nodes=nodes)) == severities


@pytest.mark.parametrize("data", ["username: grace-hopper", "foo: bar-and-baz", "tls.crt: MIIB", "token: my-token"])
def test_not_every_value_of_a_secret_is_one(data):
    secret = f"apiVersion: v1\nkind: Secret\nmetadata: {{name: a}}\nstringData:\n  {data}\n"
    assert told({"a.yaml": secret}, "plain-secret") == []


def test_kinds_that_a_helmfile_installs_ahead_are_there():
    ahead = {"bootstrap/helmfile.yaml": "releases:\n- name: kinds\n  chart: jetstack/cert-manager\n"}
    assert told(BESIDE, "crd-beside-operator") == [Severity.ERROR]
    assert told({**BESIDE, **ahead}, "crd-beside-operator") == [Severity.UNDECIDED]


def test_kinds_that_another_kustomization_brings_are_no_deadlock():
    crds = BESIDE["infra/a.yaml"].partition("---\n")[2].replace("name: cert-manager,", "name: kinds,")
    flux = BESIDE["flux.yaml"] + kustomization("kinds", "./kinds")
    assert told({**BESIDE, "flux.yaml": flux, "kinds/a.yaml": crds}, "crd-beside-operator") == []


def test_the_source_of_the_repository_itself_is_made_with_flux():
    files = {"flux.yaml": UNIT + kustomization("more", "./more"), "apps/a.yaml": NAMESPACE, "more/a.yaml": NAMESPACE}
    assert told(files, "source-missing") == [Severity.UNDECIDED] * 2
    slip = kustomization("more", "./more").replace("name: flux-system}", "name: flux}")
    assert told({**files, "flux.yaml": USUAL + slip}, "source-missing") == [Severity.ERROR]


def test_clusters_that_share_a_base_each_have_what_it_holds():
    files = {"base/kustomization.yaml": "resources: [apps.yaml]\n", "base/apps.yaml": UNIT, "apps/a.yaml": NAMESPACE}
    for cluster in ("home", "lab"):
        files[f"clusters/{cluster}/kustomization.yaml"] = "resources: [../../base, more.yaml]\n"
        files[f"clusters/{cluster}/more.yaml"] = kustomization("more", "./more", "  dependsOn: [{name: apps}]\n")
    files["more/a.yaml"] = NAMESPACE.replace("web", "more")
    assert told(files, "depends-on-missing") == []
    assert told(files, "two-owners") == []


def test_a_path_that_is_not_there_does_not_hide_what_is_missing():
    wrong = kustomization("wrong", "./nowhere")
    secret = bed.texts(bed.HERE / "secret-missing" / "fails")
    assert told({**secret, "flux.yaml": USUAL + wrong}, "secret-missing") == [Severity.ERROR]


def test_a_value_that_sops_hides_is_not_judged():
    secret = (
        "apiVersion: v1\nkind: Secret\nmetadata: {name: login, namespace: web}\n"
        "stringData:\n  password: ENC[AES256_GCM,data:CwE4O1s=,iv:2k=,aad:o=,tag:w==,type:str]\n"
        "sops: {mac: x, version: 3.9.0}\n"
    )
    pod = bed.texts(bed.HERE / "key-missing" / "fails")["apps/app.yaml"].partition("---")[0]
    assert told({"a.yaml": secret, "b.yaml": pod}, "key-missing") == [Severity.ERROR]  # its keys are seen
    assert told({"a.yaml": secret}, "plain-secret") == []


def test_a_service_that_arrives_by_one_port_may_send_to_others_that_nobody_lists():
    files = bed.texts(bed.HERE / "port-chain" / "passes")
    text = files["a.yaml"].replace("    targetPort: http\n", "    targetPort: http\n  - {name: peers, port: 2380}\n", 1)
    assert told({"a.yaml": text}, "port-chain") == [Severity.NOTE]


def test_files_of_a_component_that_nobody_takes_in_are_no_orphans():
    component = "apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\n"
    files = {
        "base/kustomization.yaml": "resources: [a.yaml]\n",
        "base/a.yaml": NAMESPACE,
        "more/kustomization.yaml": component + "resources: [b.yaml]\n",
        "more/b.yaml": NAMESPACE.replace("web", "more"),
    }
    assert told(files, "orphan-file") == []
