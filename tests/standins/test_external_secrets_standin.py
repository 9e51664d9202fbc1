"""The stand-in of the External Secrets Operator does what the operator does, as clients see it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from testbed.standins.api import Object
from testbed.standins.external_secrets import passes, stores
from testbed.standins.external_secrets.bao import ProviderError
from testbed.standins.external_secrets.words import (
    CREATED_BY,
    DATA_HASH,
    FINALIZER,
    MANAGED,
    condition,
    manager_of,
    seconds,
)

from tests.standins.external_secrets_bed import API, MemoryApi, PlayedBao, encoded, external, plain, store, token

pytestmark = pytest.mark.evidence("stand-in", "external-secrets")

CONF = "[global]\nrepo1-s3-key=AKEY\nrepo1-cipher-pass=tulip\n"
POST = "[global]\nrepo1-s3-key={{ .AWS_ACCESS_KEY_ID }}\nrepo1-s3-key-secret={{ .AWS_SECRET_ACCESS_KEY }}\n"
POST_DATA = [{"secretKey": key, "remoteRef": {"key": key, "property": "value"}}
             for key in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")]  # fmt: skip


class Bed:
    """One namespace with a store; `bao` is what lies in it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.api = MemoryApi()
        self.bao = PlayedBao(**{"castle/db": {"s3conf": CONF}}).install(monkeypatch)
        self.api.put({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "data"}})
        self.api.put(token())
        self.api.put(store())
        self.check()

    def check(self) -> bool:
        return stores.check(self.api, "ClusterSecretStore", "", "vault")

    def store(self) -> Object:
        return self.api.get(API, "ClusterSecretStore", "vault") or {}

    def run(self, name: str = "db-s3") -> passes.Next:
        """Passes until it says that there is nothing to do at once."""
        for _ in range(5):
            then = passes.one(self.api, "data", name)
            if then.after != 0:
                return then
        raise AssertionError("it never comes to rest")

    def external(self, name: str = "db-s3") -> Object:
        return self.api.get(API, "ExternalSecret", name, "data") or {}

    def secret(self, name: str = "db-s3") -> Object | None:
        return self.api.get("v1", "Secret", name, "data")

    def ready(self, name: str = "db-s3") -> tuple[str, str, str]:
        found = condition(self.external(name))
        return found.get("status", ""), found.get("reason", ""), found.get("message", "")

    def annotate(self, value: str, name: str = "db-s3") -> None:
        self.api.patch(self.external(name), {"metadata": {"annotations": {"external-secrets.io/force-sync": value}}})


@pytest.fixture
def bed(monkeypatch: pytest.MonkeyPatch) -> Bed:
    return Bed(monkeypatch)


def test_a_secret_is_made_with_marks_and_owner(bed: Bed) -> None:
    bed.api.put(external())
    then = bed.run()
    secret = bed.secret()
    assert secret is not None
    assert plain(secret) == {"s3.conf": CONF}
    assert secret["metadata"]["labels"][MANAGED] == "true"
    assert len(secret["metadata"]["labels"][CREATED_BY]) == 56
    assert len(secret["metadata"]["annotations"][DATA_HASH]) == 56
    assert secret["metadata"]["ownerReferences"] == [
        {"apiVersion": API, "kind": "ExternalSecret", "name": "db-s3", "uid": bed.external()["metadata"]["uid"],
         "controller": True, "blockOwnerDeletion": True}
    ]  # fmt: skip
    assert bed.ready() == ("True", "SecretSynced", "secret synced")
    assert bed.external()["status"]["binding"] == {"name": "db-s3"}
    assert bed.external()["metadata"]["finalizers"] == [FINALIZER]
    assert 3500 < (then.after or 0) <= 3600
    assert bed.api.events("Created") == ["secret created"]


def test_the_synced_version_is_generation_and_a_hash_of_labels_and_annotations(bed: Bed) -> None:
    bed.api.put(external())
    bed.run()
    first = bed.external()["status"]["syncedResourceVersion"]
    assert first.split("-")[0] == "1"
    assert len(first.split("-")[1]) == 56
    bed.annotate("1")
    bed.run()
    second = bed.external()["status"]["syncedResourceVersion"]
    assert second.split("-")[0] == "1"
    assert second != first


def test_a_pass_without_a_change_writes_nothing(bed: Bed) -> None:
    bed.api.put(external())
    bed.run()
    bed.api.wrote.clear()
    bed.run()
    assert bed.api.wrote == []


def test_a_template_makes_the_keys(bed: Bed) -> None:
    bed.bao.secrets |= {"AWS_ACCESS_KEY_ID": {"value": "AKEY"}, "AWS_SECRET_ACCESS_KEY": {"value": "sesame"}}
    template = {"engineVersion": "v2", "data": {"s3.conf": POST}}
    bed.api.put(external("s3-backrest-creds", template=template, data=POST_DATA))
    bed.run("s3-backrest-creds")
    secret = bed.secret("s3-backrest-creds")
    assert secret is not None
    assert plain(secret) == {"s3.conf": "[global]\nrepo1-s3-key=AKEY\nrepo1-s3-key-secret=sesame\n"}


def test_a_template_that_merges_keeps_the_values_too(bed: Bed) -> None:
    template = {"data": {"copy": '{{ index . "s3.conf" | b64enc }}'}, "mergePolicy": "Merge", "type": "example/conf",
                "metadata": {"labels": {"a": "b"}}}  # fmt: skip
    bed.api.put(external(template=template))
    bed.run()
    secret = bed.secret()
    assert secret is not None
    assert plain(secret) == {"s3.conf": CONF, "copy": encoded(CONF)}
    assert secret["type"] == "example/conf"
    assert secret["metadata"]["labels"]["a"] == "b"


def test_what_a_template_asks_for_and_the_store_lacks_is_an_error(bed: Bed) -> None:
    bed.api.put(external(template={"data": {"s3.conf": "{{ .password }}"}}))
    assert bed.run().failed
    assert bed.ready() == ("False", "SecretSyncedError", "could not update secret")
    assert 'map has no entry for key "password"' in bed.api.events("UpdateFailed")[0]
    assert bed.secret() is None


def test_keys_that_a_template_no_longer_makes_are_gone(bed: Bed) -> None:
    bed.api.put(external(template={"data": {"a": "1", "b": "2"}}))
    bed.run()
    bed.api.put(external(template={"data": {"a": "1"}}))
    bed.run()
    secret = bed.secret()
    assert secret is not None
    assert plain(secret) == {"a": "1"}


def test_the_condition_is_generic_and_the_cause_is_in_the_event(bed: Bed) -> None:
    bed.bao.secrets.clear()
    bed.api.put(external())
    assert bed.run().failed
    assert bed.ready() == ("False", "SecretSyncedError", "could not get secret data from provider")
    assert bed.api.events("UpdateFailed") == [
        "error processing spec.data[0] (key: castle/db), err: Secret does not exist"
    ]
    assert "syncedResourceVersion" not in bed.external()["status"]


def test_a_failing_refresh_keeps_the_old_secret(bed: Bed) -> None:
    bed.api.put(external())
    bed.run()
    synced = bed.external()["status"]["syncedResourceVersion"]
    bed.bao.secrets["castle/db"] = {}
    bed.annotate("2")
    assert bed.run().failed
    assert 'cannot find secret data for key: "s3conf"' in bed.api.events("UpdateFailed")[0]
    secret = bed.secret()
    assert secret is not None
    assert plain(secret) == {"s3.conf": CONF}
    assert bed.external()["status"]["syncedResourceVersion"] == synced


@pytest.mark.parametrize("policy", ["Delete", "Merge"])
def test_a_key_that_is_missing_is_left_out_where_the_policy_says_so(bed: Bed, policy: str) -> None:
    missing = {"secretKey": "more", "remoteRef": {"key": "castle/other"}}
    spec = external(target={"deletionPolicy": policy})
    spec["spec"]["data"].append(missing)
    bed.api.put(spec)
    bed.run()
    secret = bed.secret()
    assert secret is not None
    assert list(plain(secret)) == ["s3.conf"]
    assert bed.ready()[:2] == ("True", "SecretSynced")
    assert bed.api.events("MissingProviderSecret")


def test_a_store_that_is_not_ready_is_named_and_waking_it_wakes_nobody(bed: Bed) -> None:
    bed.bao.wrong = ProviderError("invalid vault credentials: Code: 403. Errors:\n\n* permission denied")
    assert not bed.check()
    assert condition(bed.store())["reason"] == "InvalidProviderConfig"
    assert condition(bed.store())["message"] == "unable to validate store"
    assert "permission denied" in bed.api.events("InvalidProviderConfig")[0]
    bed.api.put(external())
    assert bed.run().failed
    assert bed.api.events("UpdateFailed")[0].endswith('err: ClusterSecretStore "vault" is not ready')
    bed.bao.wrong = None
    assert bed.check()
    assert condition(bed.store())["reason"] == "Valid"
    assert bed.store()["status"]["capabilities"] == "ReadWrite"
    assert bed.ready()[0] == "False"  # it sleeps in its back-off until something changes it
    bed.annotate("now")
    bed.run()
    assert bed.ready()[0] == "True"


def test_without_its_token_a_store_has_no_client(bed: Bed) -> None:
    bed.api.delete(token())
    assert not bed.check()
    assert condition(bed.store())["message"] == "unable to create client"


def test_set_to_zero_or_once_a_nudge_does_nothing(bed: Bed) -> None:
    fixed: dict[str, Any] = {"zero": {"refreshInterval": "0"}, "once": {"refreshPolicy": "CreatedOnce"}}
    for name, more in fixed.items():
        bed.api.put(external(name, **more))
        bed.run(name)
        synced = bed.external(name)["status"]["syncedResourceVersion"]
        bed.annotate("now", name)
        bed.run(name)
        assert bed.external(name)["status"]["syncedResourceVersion"] == synced, name


def test_a_refresh_is_due_after_its_interval(bed: Bed) -> None:
    bed.api.put(external(refreshInterval="10s"))
    bed.run()
    bed.bao.secrets["castle/db"] = {"s3conf": "new"}
    bed.run()
    assert plain(bed.secret() or {}) == {"s3.conf": CONF}
    old = (datetime.now(tz=UTC) - timedelta(seconds=20)).strftime("%Y-%m-%dT%H:%M:%SZ")
    bed.api.patch_status(bed.external(), {"refreshTime": old})
    bed.run()
    assert plain(bed.secret() or {}) == {"s3.conf": "new"}


def test_a_secret_that_somebody_edits_is_written_again(bed: Bed) -> None:
    bed.api.put(external())
    bed.run()
    bed.api.patch(bed.secret() or {}, {"data": {"s3.conf": encoded("mine")}})
    bed.run()
    assert plain(bed.secret() or {}) == {"s3.conf": CONF}


def test_the_secret_of_another_external_secret_is_left_alone(bed: Bed) -> None:
    bed.api.put(external("first", target={"name": "shared"}))
    bed.run("first")
    bed.api.put(external("second", target={"name": "shared"}))
    then = bed.run("second")
    assert not then.failed  # not tried again
    assert bed.ready("second") == ("False", "SecretSyncedError", "target is owned by another ExternalSecret")
    assert bed.api.events("UpdateFailed") == ["secret is owned by another ExternalSecret: first"]


def test_an_immutable_secret_is_not_changed(bed: Bed) -> None:
    bed.api.put(external())
    bed.run()
    bed.api.patch(bed.secret() or {}, {"immutable": True})
    bed.bao.secrets["castle/db"] = {"s3conf": "new"}
    bed.annotate("now")
    assert not bed.run().failed
    assert bed.ready()[2] == "could not update secret, target is immutable"


@pytest.mark.parametrize("policy", ["Owner", "Orphan"])
def test_deleting_lets_go_of_the_finalizer(bed: Bed, policy: str) -> None:
    bed.api.put(external(target={"creationPolicy": policy}))
    bed.run()
    assert bool((bed.secret() or {})["metadata"].get("ownerReferences")) == (policy == "Owner")
    bed.api.delete(bed.external())
    bed.run()
    assert bed.api.get(API, "ExternalSecret", "db-s3", "data") is None


def test_merge_waits_for_its_target_and_says_true_meanwhile(bed: Bed) -> None:
    bed.api.put(external(target={"creationPolicy": "Merge"}))
    bed.run()
    assert bed.ready()[:2] == ("True", "SecretMissing")
    meta = {"name": "db-s3", "namespace": "data"}
    bed.api.put({"apiVersion": "v1", "kind": "Secret", "metadata": meta, "data": {"other": encoded("kept")}})
    bed.annotate("now")
    bed.run()
    assert plain(bed.secret() or {}) == {"other": "kept", "s3.conf": CONF}
    assert "ownerReferences" not in (bed.secret() or {})["metadata"]


def test_who_was_faster_has_it_looked_at_again(bed: Bed) -> None:
    bed.api.put(external())
    changed: list[int] = []

    def interfere(method: str, path: str) -> None:
        if method == "PUT" and path.endswith("/status") and not changed:
            changed.append(1)
            bed.annotate("in between")

    bed.api.before = interfere
    assert passes.one(bed.api, "data", "db-s3").after == 0
    assert "status" not in bed.external()
    bed.run()
    assert bed.ready()[0] == "True"


def test_what_it_does_not_know_is_said(bed: Bed) -> None:
    bed.api.put(external("find", data=[], dataFrom=[{"find": {"name": {"regexp": "x"}}}]))
    bed.run("find")
    bed.api.put(external("if", template={"data": {"a": "{{ if .x }}y{{ end }}"}}))
    bed.run("if")
    said = bed.api.events("UpdateFailed")
    assert all("this is a stand-in" in each for each in said)
    assert len(said) == 2


def test_extracted_keys_and_values_of_every_kind(bed: Bed) -> None:
    bed.bao.secrets["castle/db"] = {"a": "1", "n": 5, "deep": {"x": "y"}}
    deep = {"secretKey": "x", "remoteRef": {"key": "castle/db", "property": "deep.x"}}
    bed.api.put(external(data=[deep], dataFrom=[{"extract": {"key": "castle/db"}}]))
    bed.run()
    assert plain(bed.secret() or {}) == {"a": "1", "n": "5", "deep": '{"x":"y"}', "x": "y"}


def test_a_store_may_be_closed_to_a_namespace(bed: Bed) -> None:
    bed.api.patch(bed.store(), {"spec": {"conditions": [{"namespaces": ["other"]}]}})
    bed.api.put(external())
    assert bed.run().failed
    assert "denied by spec.condition" in bed.api.events("UpdateFailed")[0]


@pytest.mark.parametrize(
    ("text", "value"), [("1h0m0s", 3600.0), ("1h", 3600.0), ("90s", 90.0), ("0", 0.0), ("-1s", -1.0)]
)
def test_durations_are_those_of_go(text: str, value: float) -> None:
    assert seconds(text) == value


def test_a_long_name_makes_a_short_manager() -> None:
    assert len(manager_of("x" * 60)) < 128
    assert manager_of("x" * 60).startswith("externalsecrets.external-secrets.io/sha3/")


def test_an_update_of_the_secret_is_made_by_its_own_manager(bed: Bed) -> None:
    bed.api.put(external())
    bed.run()
    fields: Any = (bed.secret() or {})["metadata"]["managedFields"]
    assert [each["manager"] for each in fields] == ["externalsecrets.external-secrets.io/db-s3"]
