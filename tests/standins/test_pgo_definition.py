"""The stand-in's definition of PostgresCluster against the vendor's, which is read where it lies and never copied."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from testbed.standins.pgo import crd, manifests

pytestmark = pytest.mark.evidence("stand-in", "pgo")

VENDOR = (
    Path(__file__).parents[3] / "shared/crds/postgres-operator/postgres-operator.crunchydata.com_postgresclusters.yaml"
)
# Each rule of the vendor's that holds for a field of ours, and what in ours makes it hold: nothing may need a rule.
HELD = {
    "missing accessModes": "accessModes is required, and has an entry at least",
    "missing storage request": "resources.requests.storage is required",
    "Only S3, GCS or Azure repos can be used as a pgBackRest data source.": "a data source's repository has no volume",
    "cannot assign password": "options are made of known words",
    "cannot contain comments": "options are made of known words",
    "The ssl_groups parameter is only available in pg18 and greater": "ssl_groups is not a parameter of ours",
    "logfile config must end with '.log'": "logfile is not a setting of ours",
}
# Rules without a sentence of their own, by the path that they stand at.
HELD_AT = {"spec.config.parameters": "only parameters that the rules leave free are known"}


@cache
def vendor(version: str) -> dict[str, Any]:
    if not VENDOR.exists():
        pytest.skip(f"the vendor's definition is not on this computer: {VENDOR}")
    found = yaml.load(VENDOR.read_text(), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    one = next(each for each in found["spec"]["versions"] if each["name"] == version)
    schema: dict[str, Any] = one["schema"]["openAPIV3Schema"]
    return schema


def fields(schema: dict[str, Any], path: str = ""):
    """Every field below: path and schema."""
    yield path, schema
    for name, below in schema.get("properties", {}).items():
        yield from fields(below, f"{path}.{name}".lstrip("."))
    if isinstance(schema.get("items"), dict):
        yield from fields(schema["items"], f"{path}[]")
    if isinstance(schema.get("additionalProperties"), dict):
        yield from fields(schema["additionalProperties"], f"{path}{{}}")


def at(schema: dict[str, Any], path: str) -> dict[str, Any] | None:
    """What stands at a path. Where the vendor takes any key, each of ours is one of them."""
    found: dict[str, Any] | None = schema
    for part in path.replace("[]", ".[]").replace("{}", ".{}").split("."):
        if found is None or not part:
            continue
        if part == "[]":
            found = found.get("items")
        elif part == "{}":
            found = found.get("additionalProperties")
        elif part in found.get("properties", {}):
            found = found["properties"][part]
        else:
            found = found.get("additionalProperties")
    return found if isinstance(found, dict) else None


OURS = dict(fields(crd.thing({"spec": crd.spec(), "status": crd.status()})))


SAME = (
    "type", "format", "default", "x-kubernetes-int-or-string", "x-kubernetes-preserve-unknown-fields",
    "x-kubernetes-list-type", "x-kubernetes-list-map-keys",
)  # fmt: skip
OPEN = {"additionalProperties", "x-kubernetes-preserve-unknown-fields"}


@pytest.mark.parametrize("version", ["v1beta1", "v1"])
def test_every_field_of_ours_is_the_vendors_with_the_same_type(version):
    assert [path for path in OURS if at(vendor(version), path) is None] == []
    pairs = [(path, ours, at(vendor(version), path) or {}) for path, ours in OURS.items()]
    assert [(path, key) for path, ours, theirs in pairs for key in SAME if ours.get(key) != theirs.get(key)] == []


@pytest.mark.parametrize("version", ["v1beta1", "v1"])
def test_what_ours_takes_the_vendor_takes(version):
    for path in (path for path in OURS if path.startswith("spec")):
        ours, theirs = OURS[path], at(vendor(version), path) or {}
        assert set(theirs.get("required", ())) <= set(ours.get("required", ())), path
        assert "enum" not in theirs or set(ours["enum"]) <= set(theirs["enum"]), path
        for key in ("minimum", "minItems", "minLength"):
            assert ours.get(key, 0) >= theirs.get(key, 0), (path, key)
        for key in ("maximum", "maxItems", "maxLength", "maxProperties"):
            most = ours.get(key, len(ours.get("properties", ())) or 10**9)
            assert key not in theirs or most <= theirs[key], (path, key)
        assert "pattern" not in theirs or "pattern" in ours or "enum" in ours, path
        assert not OPEN & set(ours) or OPEN & set(theirs), path


@pytest.mark.parametrize("version", ["v1beta1"])
def test_no_rule_of_the_vendor_is_needed_for_what_ours_takes(version):
    for path in OURS:
        theirs = at(vendor(version), path)
        for rule in (theirs or {}).get("x-kubernetes-validations", ()):
            assert rule.get("message") in HELD or path in HELD_AT, (path, rule)


def test_no_parameter_of_ours_is_one_that_the_vendor_forbids():
    rules = json.dumps(vendor("v1")["properties"]["spec"]["properties"]["config"]["properties"]["parameters"])
    named = [each for each in crd.PARAMETERS if f"self.{each})" in rules or f"'{each}'" in rules]
    assert named == []


def test_the_definition_says_which_version_it_is_of():
    made = crd.definition()
    assert made["metadata"]["name"] == "postgresclusters.postgres-operator.crunchydata.com"
    assert [(each["name"], each["storage"]) for each in made["spec"]["versions"]] == [("v1", False), ("v1beta1", True)]


def test_an_installation_is_one_text_without_anchors():
    text = manifests.text(manifests.documents())
    found = list(yaml.safe_load_all(text))
    assert [each["kind"] for each in found] == [
        "Namespace", "CustomResourceDefinition", "ServiceAccount", "ClusterRole", "ClusterRoleBinding", "Deployment",
    ]  # fmt: skip
    assert "&id" not in text
    pod = found[-1]["spec"]["template"]["spec"]
    assert pod["serviceAccountName"] == "pgo"
    assert pod["containers"][0]["name"] == "operator"


def test_rights_of_the_roles_that_it_makes_are_its_own():
    """The API server refuses a role that gives more than its maker has."""
    for group, kind, verbs in (
        ("", "endpoints", {"create", "deletecollection", "get", "list", "patch", "watch"}),
        ("", "endpoints/restricted", {"create"}),
        ("", "pods", {"get", "list", "patch", "watch"}),
        ("", "pods/exec", {"create", "get"}),
        ("", "services", {"create"}),
    ):
        assert any(g == group and kind in kinds and verbs <= set(has) for g, kinds, has in manifests.RULES), kind
