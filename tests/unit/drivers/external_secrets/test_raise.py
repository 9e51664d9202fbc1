"""Secrets of a new life: from the store, whole, newer than castle's own request, and with the right pass."""

from __future__ import annotations

import asyncio
import dataclasses
from typing import Any

import pytest

from ephemeral_castle.errors import Permanent, Unreachable
from ephemeral_castle.model.castle import Verb
from ephemeral_castle.spi.kubernetes import Manifest, Ref
from ephemeral_castle.spi.secret import Secret
from tests.unit.drivers.external_secrets.bed import (
    API,
    CIPHER,
    CONF,
    DATABASE,
    FORCE,
    NAMED,
    PASS,
    SITE,
    Bed,
    external,
)

DB = Ref(API, "ExternalSecret", "db-s3", "data")
POST = {
    "s3.conf": "[global]\nrepo1-s3-key={{ .AWS_ACCESS_KEY_ID }}\nrepo1-s3-key-secret={{ .AWS_SECRET_ACCESS_KEY }}\n"
}


def bed(**options: Any) -> Bed:
    """With a store that is valid and an ExternalSecret."""
    found = Bed(**options)
    found.store()
    return found


def test_a_whole_raise() -> None:
    castle = bed(**NAMED, cipher=CIPHER)

    async def raised() -> None:
        castle.put(external())
        for step in castle.steps():
            await castle.step(step.action)

    castle.play(raised)
    facts = castle.known["secrets.synced"]
    assert facts["secrets"]["data/db-s3"]["keys"] == ["s3.conf"]
    assert facts["secrets"]["data/db-s3"]["synced"]
    assert facts["cipher"] == {"secret": "data/db-s3", "equals": "database/cipher"}


def test_no_value_is_ever_told() -> None:
    castle = bed(**NAMED, cipher=CIPHER)
    castle.secrets.known["database/cipher"] = castle.secrets.known["database/cipher"].__class__("quite another one")

    async def raised() -> Any:
        castle.put(external())
        with pytest.raises(Permanent) as caught:
            await castle.step("synced")
        return caught.value.as_dict()

    told = str(castle.play(raised)) + castle.everything_said()
    assert "another one than `database/cipher`" in told
    for value in (PASS, "quite another one", "sesame", "AKEY"):
        assert value not in told


def test_ready_from_before_the_request_does_not_count() -> None:
    """A secret that the store has changed since would be taken as it was."""
    castle = bed(**NAMED)

    async def raised() -> None:
        castle.put(external())
        await castle.clock.sleep(5)
        assert castle.operator.passes == {"db-s3": 1}
        castle.operator.values["db-s3"] = {"s3.conf": ""}
        with pytest.raises(Permanent, match="not in the cluster") as caught:
            await castle.step("synced")
        assert "key `s3.conf` is empty" in caught.value.why

    castle.play(raised)


def test_an_operator_that_is_away_is_waited_for_and_old_truth_is_no_answer() -> None:
    castle = bed(**NAMED, wait="60s")

    async def raised() -> None:
        castle.put(external())
        await castle.clock.sleep(5)
        castle.operator.away = True
        castle.api.later(30, lambda: setattr(castle.operator, "away", False))
        begun = castle.clock.monotonic()
        await castle.step("synced")
        assert 30 < castle.clock.monotonic() - begun < 40

    castle.play(raised)


def test_time_is_up_when_the_operator_never_comes_back() -> None:
    castle = bed(**NAMED, wait="20s")

    async def raised() -> None:
        castle.put(external())
        await castle.clock.sleep(5)
        castle.operator.away = True
        with pytest.raises(Permanent) as caught:
            await castle.step("synced")
        assert "has not synced since it was asked" in caught.value.why
        assert caught.value.hints[-1].startswith("castle resume")

    castle.play(raised)


def test_all_are_asked_because_a_store_that_became_ready_wakes_nobody() -> None:
    castle = bed(**NAMED)

    async def raised() -> None:
        castle.store("False", "InvalidProviderConfig")
        castle.put(external())
        castle.put(external("grafana", "web"))
        castle.operator.values["grafana"] = {"s3.conf": "x"}
        await castle.clock.sleep(5)
        castle.store()
        await castle.clock.sleep(60)
        assert condition(castle.api.objects[DB]) == "False"
        await castle.step("synced")
        await castle.clock.sleep(1)
        assert condition(castle.api.objects[Ref(API, "ExternalSecret", "grafana", "web")]) == "True"

    castle.play(raised)


def condition(manifest: Manifest) -> str:
    return str(manifest["status"]["conditions"][0]["status"])


def test_it_is_asked_again_while_the_cause_may_pass() -> None:
    castle = bed(**NAMED)
    castle.operator.wrong = "error processing spec.data[0] (key: castle/db), err: dial tcp: connection refused"

    async def raised() -> None:
        castle.put(external())
        castle.api.later(42, lambda: setattr(castle.operator, "wrong", ""))
        await castle.step("synced")

    castle.play(raised)
    assert castle.operator.passes["db-s3"] > 5
    assert any("connection refused" in line for line in castle.lines)


@pytest.mark.parametrize(
    ("wrong", "hint"),
    [
        ("cannot read secret data from Vault: Code: 403. Errors:\n\n* permission denied", "its rights"),
        ("error processing spec.data[0] (key: castle/db), err: Secret does not exist", "write what is missing"),
        ('cannot find secret data for key: "s3conf"', "write what is missing"),
    ],
)
def test_what_only_a_person_mends_is_given_up_soon_with_the_cause_of_the_event(wrong: str, hint: str) -> None:
    castle = bed(**NAMED)
    castle.operator.wrong = wrong

    async def raised() -> None:
        castle.put(external())
        begun = castle.clock.monotonic()
        with pytest.raises(Permanent) as caught:
            await castle.step("synced")
        assert castle.clock.monotonic() - begun < 30
        assert " ".join(wrong.split()) in caught.value.why
        assert any(hint in each for each in caught.value.hints)

    castle.play(raised)


def test_an_old_cause_is_none_while_the_operator_says_nothing() -> None:
    """A permission that was denied long ago would end a raise in which the operator only starts slowly."""
    castle = bed(**NAMED)
    castle.operator.wrong = "permission denied"

    async def raised() -> None:
        castle.put(external())
        await castle.clock.sleep(5)
        castle.operator.away, castle.operator.wrong = True, ""
        castle.api.later(60, lambda: setattr(castle.operator, "away", False))
        await castle.step("synced")

    castle.play(raised)


def test_an_external_secret_that_comes_late_is_waited_for() -> None:
    castle = bed(**NAMED)

    async def raised() -> None:
        castle.api.later(20, lambda: castle.put(external()))
        await castle.step("synced")

    castle.play(raised)


def test_one_that_never_comes_is_named() -> None:
    castle = bed(**NAMED, wait="10s")

    async def raised() -> None:
        with pytest.raises(Permanent) as caught:
            await castle.step("synced")
        assert "ExternalSecret data/db-s3" in caught.value.where

    castle.play(raised)


def test_without_names_those_of_the_store_are_found() -> None:
    castle = bed()

    async def raised() -> None:
        castle.put(external("other", store="elsewhere"))
        castle.api.later(10, lambda: castle.put(external()))
        seen = await castle.step("synced")
        assert list(seen.facts["secrets"]) == ["data/db-s3"]

    castle.play(raised)


def test_what_comes_after_the_first_is_there_before_the_walls_serve() -> None:
    castle = bed(**NAMED)

    async def raised() -> None:
        castle.put(external())
        await castle.step("synced")
        castle.store("False", "InvalidProviderConfig")
        castle.operator.values["late"] = {"s3.conf": "x"}
        castle.put(external("late", "web"))
        await castle.clock.sleep(2)
        castle.store()
        seen = await castle.step("whole")
        assert list(seen.facts["secrets"]) == ["web/late"]

    castle.play(raised)


def test_keys_are_those_after_the_template() -> None:
    """The posts' ExternalSecret: two keys from the store become one file."""
    castle = bed()
    data = [{"secretKey": key, "remoteRef": {"key": key}} for key in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")]
    castle.operator.values["s3-backrest-creds"] = {"s3.conf": "[global]\nrepo1-s3-key=A\nrepo1-s3-key-secret=B\n"}

    async def raised() -> None:
        target = {"name": "s3-backrest-creds", "template": {"engineVersion": "v2", "data": POST}}
        castle.put(external("s3-backrest-creds", target=target, data=data))
        seen = await castle.step("synced")
        assert seen.facts["secrets"]["data/s3-backrest-creds"]["keys"] == ["s3.conf"]

    castle.play(raised)


def test_a_template_that_was_filled_with_nothing_is_found() -> None:
    castle = bed(**NAMED)
    castle.operator.values["db-s3"] = {"s3.conf": "[global]\nrepo1-s3-key=A\nrepo1-s3-key-secret=\n"}

    async def raised() -> None:
        castle.put(external())
        with pytest.raises(Permanent) as caught:
            await castle.step("synced")
        assert caught.value.why == "Secret data/db-s3: option `repo1-s3-key-secret` in key `s3.conf` is empty"

    castle.play(raised)


def test_a_file_without_a_pass_is_found() -> None:
    castle = bed(**NAMED, cipher=CIPHER)
    castle.operator.values["db-s3"] = {"s3.conf": "[global]\nrepo1-s3-key=A\n"}

    async def raised() -> None:
        castle.put(external())
        with pytest.raises(Permanent) as caught:
            await castle.step("synced")
        assert "has no `repo1-cipher-pass`" in caught.value.why

    castle.play(raised)


def test_one_that_reads_its_store_once_is_taken_as_it_is() -> None:
    castle = bed(**NAMED)

    async def raised() -> None:
        castle.put(external(refreshInterval="0"))
        await castle.clock.sleep(2)
        await castle.step("synced")

    castle.play(raised)
    assert any("once only" in line for line in castle.said)


def test_the_request_is_a_new_text_each_time() -> None:
    """The same text twice would change nothing, and wake nobody."""
    castle = bed(**NAMED)
    seen: list[str] = []
    castle.api.react(
        "ExternalSecret", lambda each: seen.append((each["metadata"].get("annotations") or {}).get(FORCE, ""))
    )
    castle.operator.away = True

    async def raised() -> None:
        castle.put(external())
        castle.api.later(12, lambda: setattr(castle.operator, "away", False))
        await castle.step("synced")

    castle.play(raised)
    requests = [each for each in dict.fromkeys(seen) if each]
    assert len(requests) >= 3


def test_a_server_that_restarts_is_asked_again() -> None:
    castle = bed(**NAMED)
    lost: list[str] = []

    async def gone(name: str, _what: str) -> None:
        if name == "patch" and not lost:
            lost.append(name)
            raise Unreachable("the API server does not answer")

    async def raised() -> None:
        castle.put(external())
        castle.api.before = gone
        await castle.step("synced")

    castle.play(raised)
    assert lost


# The store


def test_a_store_is_waited_for_and_asked_again() -> None:
    castle = Bed()
    asked: list[str] = []

    def react(manifest: Manifest) -> None:
        mark = (manifest["metadata"].get("annotations") or {}).get(FORCE, "")
        if mark and mark not in asked:
            asked.append(mark)
            if len(asked) == 3:
                castle.store()

    castle.api.react("ClusterSecretStore", react)

    async def raised() -> None:
        castle.api.later(5, lambda: castle.store("False", "InvalidProviderConfig"))
        await castle.step("store")

    castle.play(raised)
    assert len(asked) == 3


def test_a_store_that_was_never_validated_is_not_ready() -> None:
    castle = Bed(wait="30s")
    castle.store("True", "ValidationUnknown", message="could not determine validation status")

    async def raised() -> None:
        with pytest.raises(Permanent) as caught:
            await castle.step("store")
        assert "ValidationUnknown" in caught.value.why

    castle.play(raised)


def test_a_store_whose_token_is_refused_is_given_up_with_the_cause() -> None:
    castle = Bed()
    castle.store("False", "InvalidProviderConfig", message="unable to validate store")
    ref = Ref(API, "ClusterSecretStore", "vault")
    count = [0]

    def react(manifest: Manifest) -> None:
        count[0] += 1
        meta = {"name": "vault.1", "namespace": "default"}
        about = {"kind": ref.kind, "name": ref.name, "uid": manifest["metadata"]["uid"]}
        castle.api.put({"apiVersion": "v1", "kind": "Event", "metadata": meta, "involvedObject": about,
                        "reason": "InvalidProviderConfig", "message": "invalid vault credentials: Code: 403",
                        "count": count[0], "lastTimestamp": "2026-01-01T00:00:00Z"})  # fmt: skip

    castle.api.react("ClusterSecretStore", react)

    async def raised() -> None:
        with pytest.raises(Permanent) as caught:
            await castle.step("store")
        assert "invalid vault credentials" in caught.value.why
        assert castle.clock.monotonic() < 60

    castle.play(raised)


def test_a_namespaced_store_is_one_too() -> None:
    castle = Bed(store="data/vault")

    async def raised() -> None:
        ready = [{"type": "Ready", "status": "True", "reason": "Valid"}]
        castle.put({"apiVersion": API, "kind": "SecretStore", "metadata": {"name": "vault", "namespace": "data"},
                    "spec": {}, "status": {"conditions": ready}})  # fmt: skip
        castle.operator.needs_store = False
        castle.put(external(secretStoreRef={"name": "vault"}))
        await castle.step("store")
        await castle.step("synced")

    castle.play(raised)


# Ahead of a rebirth


def standing(castle: Bed, conf: str = CONF) -> None:
    castle.verb(Verb.REBIRTH)
    castle.operator.values["db-s3"] = {"s3.conf": conf}
    castle.operator.secret(external(), castle.operator.values["db-s3"])


def test_another_pass_in_the_standing_cluster_stops_a_rebirth_while_nothing_is_lost() -> None:
    castle = bed(cipher=CIPHER)
    standing(castle, CONF.replace(PASS, "rose-1"))
    with pytest.raises(Exception, match="does not open the backups"):
        castle.does("before")


def test_the_right_pass_in_the_standing_cluster() -> None:
    castle = bed(cipher=CIPHER)
    standing(castle)
    assert castle.does("before").facts == {"cipher": "equal"}


def test_a_cluster_that_is_dead_stops_nothing() -> None:
    castle = bed(cipher=CIPHER)
    castle.verb(Verb.REBIRTH)
    castle.no_cluster = Unreachable("the API server does not answer")
    assert "not seen" in castle.does("before").detail


def test_a_pass_that_castle_does_not_have_is_said_before_anything_is_lost() -> None:
    castle = bed(cipher={**CIPHER, "equals": "databse/cipher"})
    standing(castle)
    with pytest.raises(Permanent, match="castle has no secret `databse/cipher`"):
        castle.does("before")


# Looks


def test_status_and_settled() -> None:
    castle = bed(**NAMED, cipher=CIPHER)

    async def raised() -> None:
        castle.put(external())
        await castle.step("synced")
        assert await castle.driver.settled(castle.ctx) == ""
        assert (await castle.driver.look(castle.ctx))["alarms"] == []
        castle.operator.wrong = "permission denied"
        await castle.api.patch(DB, {"metadata": {"annotations": {"a": "b"}}})
        await asyncio.sleep(2)
        assert "permission denied" in await castle.driver.settled(castle.ctx)
        alarms = (await castle.driver.look(castle.ctx))["alarms"]
        assert len(alarms) == 1
        assert "permission denied" in alarms[0]["text"]

    castle.play(raised)


def test_status_of_a_cluster_without_the_operator() -> None:
    castle = Bed(**NAMED)
    found = castle.play(lambda: castle.driver.look(castle.ctx))
    assert found["states"] == ["down"]
    assert "ExternalSecret data/db-s3 is not there" in str(found["alarms"])


def test_another_pass_is_not_settled() -> None:
    castle = bed(**NAMED, cipher=CIPHER)

    async def raised() -> str:
        castle.put(external())
        await castle.step("synced")
        castle.operator.values["db-s3"] = {"s3.conf": CONF.replace(PASS, "rose-1")}
        await castle.api.patch(DB, {"metadata": {"annotations": {"a": "b"}}})
        await asyncio.sleep(2)
        return await castle.driver.settled(castle.ctx)

    assert "another one than" in castle.play(raised)


def _password(stored: str, own: str = "sesame") -> Bed:
    named = [{"namespace": "web", "name": "blog", "equals": {"password": "database/user/app"}}]
    made = bed(secrets=named)
    made.operator.values["blog"] = {"password": stored}
    if own:
        made.secrets.known["database/user/app"] = Secret(own)
    return made


async def _synced(made: Bed) -> None:
    made.put(external("blog", "web", data=[{"secretKey": "password", "remoteRef": {"key": "castle/database"}}]))
    await made.step("synced")


def test_a_password_that_castle_sets_otherwise_is_found_before_anybody_is_refused_by_it() -> None:
    made = _password("of-yesterday")
    with pytest.raises(Permanent) as caught:
        made.play(lambda: _synced(made))
    assert caught.value.why == "key `password` of Secret web/blog is another one than castle's own `database/user/app`"
    assert not any(each in str(caught.value.as_dict()) for each in ("of-yesterday", "sesame"))
    well = _password("sesame")
    well.play(lambda: _synced(well))
    assert well.play(lambda: well.driver.settled(well.ctx)) == ""


def test_a_secret_that_another_layer_is_still_to_make_is_waited_for() -> None:
    made = _password("sesame", own="")
    made.request = dataclasses.replace(made.request, site=dataclasses.replace(SITE, layers=(*SITE.layers, DATABASE)))

    async def work() -> None:
        made.api.later(20.0, lambda: made.secrets.known.update({"database/user/app": Secret("sesame")}))
        await _synced(made)

    made.play(work)
    assert "layer `database` is still to make the secret `database/user/app`" in made.lines
    none = _password("sesame", own="")
    with pytest.raises(Permanent, match="castle has no secret `database/user/app`"):
        none.play(lambda: _synced(none))
