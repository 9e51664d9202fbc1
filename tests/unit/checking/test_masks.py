"""No excerpt and no message shows a secret of a manifest."""

from __future__ import annotations

import pytest

from ephemeral_castle.cli.checking.masks import Masks, redacted, secrets_of
from ephemeral_castle.model.finding import Finding, Mark, Severity

SECRET = """\
apiVersion: v1
kind: Secret
metadata:
  name: db
  labels: {app: db}
stringData:
  password: hunter22
  cert: |
    line one
    line two
  "quoted": "swordfish"
data:
  other: aHVudGVyMg==
type: Opaque
---
apiVersion: v1
kind: ConfigMap
metadata:
  name: plain
data:
  colour: green
"""
GENERATOR = """\
apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
secretGenerator:
- name: db
  literals:
  - password=hunter22
  - user=joe
resources:
- a.yaml
"""
POD = """\
env:
- name: DB_PASSWORD
  value: hunter22
- name: COLOUR
  value: green
volumes:
- secret: {secretName: db}
key: tls.crt
url: https://joe:hunter22@example.org/
"""


def shown(text: str) -> str:
    masks = Masks(text)
    return "\n".join(masks.line(number) for number in range(1, len(text.splitlines()) + 1))


@pytest.mark.parametrize("text", [SECRET, GENERATOR, POD])
def test_secrets_are_stars(text):
    seen = shown(text)
    for word in ("hunter22", "swordfish", "line one", "line two", "aHVudGVyMg"):
        assert word not in seen
    assert [len(a) for a in seen.splitlines()] == [len(a) for a in text.splitlines()]


def test_what_is_no_secret_stays():
    assert "  name: db" in shown(SECRET)
    assert "  colour: green" in shown(SECRET)
    assert "- a.yaml" in shown(GENERATOR)
    for line in ("- name: COLOUR", "  value: green", "- secret: {secretName: db}", "key: tls.crt"):
        assert line in shown(POD)


@pytest.mark.parametrize("text", [SECRET, GENERATOR, POD])
def test_a_message_does_not_repeat_a_secret(text):
    said = 'Invalid value: "hunter22": must be longer'
    told = redacted(
        Finding("x", Severity.ERROR, said, Mark("another file"), (said,), said), secrets_of(["a: b\n", text])
    )
    assert "hunter22" not in f"{told.message} {told.says} {told.hints}"


def test_a_line_that_is_not_there_is_empty():
    assert Masks("a\n").line(0) == Masks("a\n").line(2) == ""


def test_the_name_of_a_user_beside_a_password_is_an_ordinary_word():
    text = "kind: Secret\nstringData:\n  username: tazlab_admin\n  password: hunter22\n"
    assert secrets_of([text]) == {"hunter22"}
    assert "tazlab_admin" not in Masks(text).line(3)
