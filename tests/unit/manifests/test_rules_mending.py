"""Mends of rules: what they write, and when they write nothing."""

from __future__ import annotations

import pytest

from ephemeral_castle.manifests.rules import find
from ephemeral_castle.manifests.rules.rule import Setting
from tests.rules import bed
from tests.rules.mending import mended

CLUSTER = """apiVersion: postgres-operator.crunchydata.com/v1beta1
kind: PostgresCluster
metadata: {name: db, namespace: data}
spec:
  users:
  - name: USER
  backups:
    pgbackrest:
      repos:
      - name: repo1
        s3: {bucket: treasury, endpoint: s3.example.org, region: eu-1}
"""


def after(text: str, **more: str) -> dict[str, str]:
    files = {"cluster.yaml": text, **{f"{name}.yaml": each for name, each in more.items()}}
    return mended(files, find(bed.repository(files), Setting()))


@pytest.mark.parametrize(
    ("written", "better"),
    [("tazlab_admin", "tazlab-admin"), ("'App_User'", "'app-user'"), ('"_x_"  # ours', '"x"  # ours'), ("a.b", "a-b")],
)
def test_a_user_is_renamed_in_its_own_spelling(written, better):
    text = CLUSTER.replace("USER", written)
    assert after(text)["cluster.yaml"] == CLUSTER.replace("USER", better)


def test_a_user_is_renamed_wherever_its_secret_is_named():
    pod = """apiVersion: v1
kind: Pod
metadata: {name: app, namespace: data}
spec:
  containers:
  - name: app
    image: registry.example.org/app:1
    env:
    - {name: PGUSER, value: app_user}
    - {name: PGDATABASE, value: app_user}
    - {name: PASSWORD, valueFrom: {secretKeyRef: {name: "db-pguser-app_user", key: password}}}
"""
    done = after(CLUSTER.replace("USER", "app_user"), pod=pod)["pod.yaml"]
    assert done == pod.replace("PGUSER, value: app_user", "PGUSER, value: app-user").replace(
        "db-pguser-app_user", "db-pguser-app-user"
    )  # a database may be called so, and stays


@pytest.mark.parametrize("name", ["app_user", "&user app_user"])
def test_a_user_whose_new_name_is_taken_is_left_to_a_person(name):
    text = CLUSTER.replace("  - name: USER", f"  - name: {name}\n  - name: app-user")
    assert after(text)["cluster.yaml"] == text


def test_sql_that_names_the_user_is_told_and_not_changed():
    script = """apiVersion: v1
kind: ConfigMap
metadata: {name: init, namespace: data}
data:
  init.sql: |
    GRANT ALL ON SCHEMA public TO app_user;
    GRANT ALL ON SCHEMA public TO app_user_of_another;
"""
    files = {"cluster.yaml": CLUSTER.replace("USER", "app_user"), "init.yaml": script}
    (found,) = [each for each in find(bed.repository(files), Setting()) if each.rule == "pgo-user-name"]
    assert any("init.yaml:5" in hint and '"app-user"' in hint for hint in found.hints)
    assert mended(files, [found])["init.yaml"] == script


def with_credentials(*values: str) -> str:
    lines = [f"      - name: repo{number}\n        s3Credentials: {value}\n" for number, value in enumerate(values, 1)]
    head, tail = CLUSTER.replace("USER", "app").split("      - name: repo1\n")
    return head + "".join(lines) + tail


def test_credentials_become_a_configuration():
    done = after(with_credentials("{secretName: db-s3}"))["cluster.yaml"]
    assert done == CLUSTER.replace("USER", "app").replace(
        "      repos:\n", "      configuration:\n      - secret:\n          name: db-s3\n      repos:\n"
    )


def test_credentials_of_one_secret_in_two_repositories_become_one_configuration():
    done = after(with_credentials("db-s3", "{name: db-s3}"))["cluster.yaml"]
    assert done.count("configuration:") == 1
    assert "s3Credentials" not in done


@pytest.mark.parametrize("values", [("one", "two"), ("{accessKeyId: {name: a}, secretAccessKey: {name: b}}",), ("{}",)])
def test_credentials_of_several_secrets_are_left_to_a_person(values):
    text = with_credentials(*values)
    assert after(text)["cluster.yaml"] == text


def test_credentials_inside_of_braces_are_left_to_a_person():
    text = CLUSTER.replace("USER", "app").replace("region: eu-1}", "region: eu-1, s3Credentials: db-s3}")
    assert after(text)["cluster.yaml"] == text


@pytest.mark.parametrize(("key", "led"), [("uri", True), ("pgbouncer-uri", False), ("nothing", False)])
def test_who_needs_the_uri_of_a_user_without_databases_is_led_to_databases(key, led):
    cluster = """apiVersion: postgres-operator.crunchydata.com/v1beta1
kind: PostgresCluster
metadata: {name: db, namespace: web}
spec: {users: [{name: notes}]}
"""
    pod = f"""apiVersion: v1
kind: Pod
metadata: {{name: a, namespace: web}}
spec:
  containers:
  - name: a
    env: [{{name: URI, valueFrom: {{secretKeyRef: {{name: db-pguser-notes, key: {key}}}}}}}]
"""
    every = find(bed.repository({"db.yaml": cluster, "pod.yaml": pod}), Setting())
    (told,) = (each for each in every if each.rule == "key-missing")
    assert any("give the user `notes` its `databases`" in hint for hint in told.hints) is led
