"""What an ExternalSecret promises, and whether a Secret keeps it."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from ephemeral_castle.drivers.external_secrets import objects, values
from ephemeral_castle.drivers.external_secrets.options import ExternalSecretsOptions
from ephemeral_castle.spi.kubernetes import Ref
from ephemeral_castle.spi.options import read_options
from ephemeral_castle.spi.secret import Secret
from tests.unit.drivers.external_secrets.bed import external

DATA = [{"secretKey": key, "remoteRef": {"key": key}} for key in ("user", "password")]
ITEMS = [{"key": "a.conf"}, {"key": "b", "templateAs": "KeysAndValues"}]


@pytest.mark.parametrize(
    ("spec", "keys", "more"),
    [
        ({"data": DATA}, ("user", "password"), False),
        ({"data": DATA, "dataFrom": [{"extract": {"key": "x"}}]}, ("user", "password"), True),
        ({"data": DATA, "target": {"template": {"data": {"s3.conf": "..."}}}}, ("s3.conf",), False),
        ({"data": DATA, "target": {"template": {"data": {"a": ""}, "mergePolicy": "Merge"}}},
         ("a", "user", "password"), False),
        ({"data": DATA, "target": {"template": {"type": "kubernetes.io/tls"}}}, ("user", "password"), False),
        ({"data": DATA, "target": {"template": {"templateFrom": [{"configMap": {"name": "c", "items": ITEMS}}]}}},
         ("a.conf",), True),
        ({"data": DATA, "target": {"template": {"templateFrom": [{"literal": "x: y"}]}}}, (), True),
        ({"data": DATA, "target": {"template": {"data": {"a": ""}, "templateFrom": [
            {"target": "Annotations", "literal": "x: y"}]}}}, ("a",), False),
    ],
)  # fmt: skip
def test_keys_after_templating(spec: dict[str, Any], keys: tuple[str, ...], more: bool) -> None:
    assert objects.keys_of(spec) == (keys, more)


@pytest.mark.parametrize(
    ("spec", "fixed"),
    [
        ({}, False), ({"refreshInterval": "1h0m0s"}, False), ({"refreshInterval": "0"}, True),
        ({"refreshInterval": "0s"}, True), ({"refreshInterval": "0h0m0s"}, True), ({"refreshInterval": "-1s"}, True),
        ({"refreshInterval": "10m"}, False), ({"refreshInterval": "0.5s"}, False),
        ({"refreshPolicy": "CreatedOnce"}, True), ({"refreshPolicy": "OnChange", "refreshInterval": "0"}, False),
    ],
)  # fmt: skip
def test_which_never_read_their_store_again(spec: dict[str, Any], fixed: bool) -> None:
    manifest = external()
    manifest["spec"] = spec
    assert objects.read(manifest).fixed is fixed


def test_one_that_makes_no_secret() -> None:
    assert objects.read(external(target={"creationPolicy": "None"})).secret is None
    assert objects.read(external(target={"manifest": {"apiVersion": "v1", "kind": "ConfigMap"}})).secret is None
    assert objects.read(external(target={"name": "x"})).secret == Ref("v1", "Secret", "x", "data")


def test_which_read_from_a_store() -> None:
    store, home = objects.store_of("vault"), objects.store_of("data/vault")
    assert objects.uses(external(), store)
    assert not objects.uses(external(), home)
    assert not objects.uses(external(store="other"), store)
    own = {"secretKey": "a", "remoteRef": {"key": "a"},
           "sourceRef": {"storeRef": {"kind": "ClusterSecretStore", "name": "vault"}}}  # fmt: skip
    assert objects.uses(external(secretStoreRef=None, data=[own]), store)
    local = external(secretStoreRef={"name": "vault"})
    assert objects.uses(local, home)
    assert not objects.uses({**local, "metadata": {"name": "x", "namespace": "web"}}, home)


@pytest.mark.parametrize(
    ("found", "keys", "wrong"),
    [
        ({"a": b"1"}, ["a"], ""),
        ({"a": b"1", "b": b""}, ["a"], "key `b` is empty"),
        ({"a": b" \n"}, ["a"], "key `a` is empty"),
        ({"a": b"1"}, ["b"], "key `b` is missing (has: a)"),
        ({}, ["b"], "key `b` is missing"),
        ({}, [], "it has no keys at all"),
        ({"s3.conf": b"[global]\nrepo1-s3-key= \nx=y"}, [], "option `repo1-s3-key` in key `s3.conf` is empty"),
        ({"other": b"x=\n"}, [], ""),
    ],
)
def test_whether_a_secret_is_whole(found: dict[str, bytes], keys: list[str], wrong: str) -> None:
    assert values.wanting(found, keys) == wrong


def test_the_pass_in_a_file_of_pgbackrest() -> None:
    text = b"[global]\n  repo1-cipher-pass = tulip=4711 \r\nrepo2-cipher-pass=rose\n#repo3-cipher-pass=no\n"
    assert values.cipher_of({"s3.conf": text}, "s3.conf", 1) == Secret("tulip=4711")
    assert values.cipher_of({"s3.conf": text}, "s3.conf", 2) == Secret("rose")
    assert values.cipher_of({"s3.conf": text}, "s3.conf", 3) is None
    assert values.cipher_of({}, "s3.conf", 1) is None


def test_a_pass_that_is_the_whole_value() -> None:
    assert values.cipher_of({"pass": b"tulip\n"}, "pass", 1) == Secret("tulip")
    assert values.cipher_of({"pass": b"\n"}, "pass", 1) is None


def test_passes_are_compared_whole() -> None:
    assert values.same(Secret("tulip"), Secret("tulip"))
    assert not values.same(Secret("tulip"), Secret("tulip "))
    assert not values.same(Secret(""), Secret("tulip"))


@pytest.mark.parametrize(
    "written",
    [
        {"store": "No Store"},
        {"store": "vault", "secrets": [{"namespace": "data", "name": "x"}, {"namespace": "data", "name": "x"}]},
        {"store": "vault", "cipher": {"secret": "db-s3", "key": "s3.conf", "equals": "database/cipher"}},
        {"store": "vault", "cipher": {"secret": "data/db-s3", "key": "s3.conf"}},
        {"store": "vault", "cipher": {"secret": "data/x", "key": "a", "repository": 5, "equals": "database/cipher"}},
    ],
)
def test_options_that_are_refused(written: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        read_options(ExternalSecretsOptions, written)
