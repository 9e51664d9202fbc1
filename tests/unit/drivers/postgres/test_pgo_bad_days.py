"""Bad days of a database that an operator runs, on a cluster in memory: each ends before anything is begun."""

from __future__ import annotations

import base64
import dataclasses
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any, cast

import pytest

from ephemeral_castle.drivers.postgres.desk import Desk
from ephemeral_castle.drivers.postgres.pgo import beginning, locking, passwords
from ephemeral_castle.drivers.postgres.pgo.birth import RESTORE
from ephemeral_castle.drivers.postgres.pgo.claims import wanted
from ephemeral_castle.drivers.postgres.pgo.clearing import Clear, Listing
from ephemeral_castle.drivers.postgres.pgo.guard import PROBE
from ephemeral_castle.drivers.postgres.pgo.home import Home, Promote
from ephemeral_castle.drivers.postgres.pgo.locking import Lock
from ephemeral_castle.drivers.postgres.pgo.part import Operated
from ephemeral_castle.errors import CastleError, Permanent, Refused
from ephemeral_castle.model.castle import Verb
from ephemeral_castle.model.step import State
from ephemeral_castle.postgres.lsn import Lsn
from ephemeral_castle.postgres.segments import History
from ephemeral_castle.spi.kubernetes import Manifest, Ref
from ephemeral_castle.spi.secret import Secret
from ephemeral_castle.world.simulated_kubernetes import MemoryCluster
from tests.guarded import GuardedCluster
from tests.unit.drivers.postgres.operated import GROUP, LAYER, SITE, cluster, context, marks, options, serving
from tests.unit.drivers.postgres.test_pgo_place import DB, board

POLICY = "ValidatingAdmissionPolicy"
MARK = {"lsn": "0/5000028", "timeline": 3, "name": "castle-r0", "system_id": "7"}
SURVEY = {"plan": RESTORE, "label": "20261122-1F", "target": {"lsn": "0/5000028", "timeline": 3, "open": False},
          "seal": {"mark": MARK}}  # fmt: skip
KNOWN = {"database/cipher": "the-pass", "database/user/app": "the-word", "writer/2": "the-key"}


class Secrets:
    """Those of a castle that lives."""

    async def get(self, name: str) -> Secret | None:
        return Secret(KNOWN[name]) if name in KNOWN else None

    async def put(self, name: str, value: Secret) -> None:
        raise AssertionError(f"{name} is not to be made up: {value}")


def installed(*objects: Manifest, kind: type[MemoryCluster] = MemoryCluster) -> MemoryCluster:
    """With the operator's definition, and an API server that heeds castle's policy."""
    made = board(*objects, kind=kind)
    made.put(
        {
            "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
            "metadata": {"name": f"postgresclusters.{GROUP}"},
            "spec": {
                "group": GROUP, "scope": "Namespaced",
                "names": {"kind": "PostgresCluster", "plural": "postgresclusters"},
                "versions": [{"name": "v1beta1", "served": True, "storage": True}],
            },
        }
    )  # fmt: skip

    def admission(wanted: Manifest) -> None:
        if not wanted["metadata"]["name"].endswith(PROBE):
            return
        for policy in made.all(POLICY):
            raise Permanent("trying it was refused", why=policy["spec"]["validations"][0]["message"])

    made.admit.append(admission)
    return made


def part(kind: type[Operated], there: MemoryCluster, survey: Mapping[str, Any] = SURVEY, **more: Any) -> Any:
    """A part of a step of life 2."""
    facts = {"database.survey": survey, **more.pop("found", {})}
    given = {"facts": lambda step: facts.get(step, {}), "secrets": Secrets(), **more}
    ctx = context(there, **given)
    ctx.world.identities = SimpleNamespace()
    return kind(ctx, Desk())


async def test_the_lock_tells_the_record_which_timeline_begins() -> None:
    seen = await part(Lock, installed()).act()
    assert seen.facts["arriving:database"] == {"timeline": 4, "life": 2}
    assert seen.facts["options"] == ["--set=20261122-1F", "--target-timeline=3", "--type=name", "--target=castle-r0"]


async def test_a_lock_of_another_answer_does_not_count() -> None:
    there = installed()
    await part(Lock, there).act()
    assert (await part(Lock, there).observe()).state is State.REACHED
    other = {**SURVEY, "label": "20261121-1F"}
    assert (await part(Lock, there, other).observe()).state is State.NOT_REACHED


async def test_a_lock_that_nobody_heeds_stops_the_run() -> None:
    """An API server without admission policies would let an empty database be born beside the full repository."""
    there = installed()
    there.admit.clear()
    with pytest.raises(Permanent, match="does not hold"):
        await part(Lock, there).act()
    assert there.all("PostgresCluster") == []


@pytest.mark.parametrize("labels", [{}, marks(1)])
async def test_an_empty_cluster_beside_a_full_repository_is_refused_and_left(labels: dict[str, str]) -> None:
    there = installed(cluster(2, labels=labels))
    with pytest.raises(Refused, match="stands where database") as error:
        await part(Lock, there).act()
    assert "born empty" in str(error.value.why)
    assert "stanza-upgrade" in str(error.value.why)
    assert there.all(POLICY) == []
    assert DB in there.objects


async def test_a_cluster_without_an_operator_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locking, "OPERATOR", 0.05)
    with pytest.raises(Permanent, match="has no operator"):
        await part(Lock, board()).act()


def synced(text: str | None) -> Manifest:
    """A Secret that somebody else makes."""
    data = {} if text is None else {"s3.conf": base64.b64encode(text.encode()).decode()}
    meta = {"name": "db-cred", "namespace": "data"}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": meta, "data": data}


CREDENTIALS = "[global]\nrepo1-s3-key=k\nrepo1-s3-key-secret=s\nrepo1-cipher-pass={}\n"


async def begun(there: MemoryCluster, **more: Any) -> CastleError | None:
    """How the birth begins."""
    try:
        await beginning.begin(part(Home, there, options=options(secret="db-cred"), **more))
    except CastleError as error:
        return error
    return None


async def test_a_secret_with_the_right_pass_is_used_as_it_is() -> None:
    there = installed(synced(CREDENTIALS.format("the-pass")))
    assert await begun(there) is None
    made = there.objects[DB]["spec"]
    assert made["dataSource"]["pgbackrest"]["configuration"] == [{"secret": {"name": "db-cred"}}]
    assert [each["metadata"]["name"] for each in there.all("Secret")] == ["db-cred", "db-pguser-app"]


@pytest.mark.parametrize(
    ("text", "words"),
    [(CREDENTIALS.format("other"), "another pass"), ("[global]\nrepo1-s3-key=k\n", "no repo1-cipher")],
)
async def test_a_wrong_cipher_is_refused_before_anything_is_born(text: str, words: str) -> None:
    there = installed(synced(text))
    error = await begun(there)
    assert isinstance(error, Refused)
    assert words in str(error.why)
    assert "the-pass" not in f"{error}{error.why}"
    assert there.all("PostgresCluster") == []


@pytest.mark.parametrize(("text", "words"), [(None, "missing or empty"), ("  \n", "missing or empty")])
async def test_a_secret_that_is_synced_but_empty_is_waited_for_and_named(
    text: str | None, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(beginning, "SYNCED", 0.05)
    there = installed(synced(text))
    error = await begun(there)
    assert isinstance(error, Permanent)
    assert words in str(error.why)
    assert there.all("PostgresCluster") == []


async def test_a_tree_in_git_gets_its_word_last_and_castle_applies_no_cluster() -> None:
    there = installed()

    def flux(live: Manifest) -> None:
        if live["metadata"]["name"] == "castle-life":
            assert "db-pguser-app" in [each["metadata"]["name"] for each in there.all("Secret")]
            there.put(cluster(2, labels={}), "kustomize-controller")

    there.put({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "flux-system"}})
    there.react("ConfigMap", flux)
    await beginning.begin(part(Home, there, options=options(by="git")))
    word = there.objects[Ref("v1", "ConfigMap", "castle-life", "flux-system")]
    assert word["metadata"]["labels"]["reconcile.fluxcd.io/watch"] == "Enabled"
    assert word["data"]["database_birth_key"] == "dataSource"
    assert marks(2).items() <= there.objects[DB]["metadata"]["labels"].items()
    assert "castle" not in there.owners(DB, "spec", "backups")


async def test_two_databases_share_one_word_map() -> None:
    there = installed(cluster(2))
    there.put({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "flux-system"}})
    meta = {"name": "castle-life", "namespace": "flux-system"}
    there.put({"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": {"other_birth_key": "shutdown"}})
    await beginning.begin(part(Home, there, options=options(by="git")))
    assert there.objects[Ref("v1", "ConfigMap", "castle-life", "flux-system")]["data"]["other_birth_key"] == "shutdown"


async def test_a_tree_that_applies_nothing_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(beginning, "APPLIED", 0.05)
    there = installed()
    there.put({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "flux-system"}})
    with pytest.raises(Permanent, match="the tree in Git does not apply"):
        await beginning.begin(part(Home, there, options=options(by="git")))


class Answers:
    """A session with what was brought home."""

    def __init__(self, system: str = "7") -> None:
        self.system = system

    async def json(self, _: str) -> dict[str, str]:
        return {"system_id": self.system}


@pytest.mark.parametrize(
    ("system", "left", "words"),
    [
        ("7", "0/5000028", ""),
        ("7", "0/4FFFFFF", "its history goes to 0/4FFFFFF only"),
        ("8", "0/5000028", "system id is 8"),
    ],
)
async def test_what_ended_early_or_is_another_database_is_no_success(system: str, left: str, words: str) -> None:
    """The operator's Job is done, and its condition says True."""
    promote = part(Promote, installed())

    async def session(**_: Any) -> Answers:
        return Answers(system)

    promote.session = session
    history = History(4, ((3, Lsn.parse(left)),))
    if not words:
        await promote.descends(history)
        return
    with pytest.raises(Refused, match="not database `database` as it was") as error:
        await promote.descends(history)
    assert words in str(error.value.why)


async def test_a_wipe_deletes_what_it_listed_and_takes_the_word_back_first() -> None:
    there = installed(*serving(2))
    there.put({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "flux-system"}})
    word = Ref("v1", "ConfigMap", "castle-life", "flux-system")
    there.put({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": word.name, "namespace": word.namespace}})
    given: dict[str, Any] = {
        "options": options(by="git"),
        "record": SimpleNamespace(id=marks(2)["castle.id"], lineage={}, life=2),
    }
    listed = await part(Listing, there, **given).observe()
    assert [each["name"] for each in listed.facts["inventory"]] == ["db", "db-a-x-pgdata"]
    clear = part(Clear, there, found={"database.inventory": listed.facts}, **given)
    assert (await clear.observe()).state is State.NOT_REACHED
    await clear.act()
    deleted = [what for name, what in there.calls if name == "delete"]
    assert word not in there.objects
    assert DB not in there.objects
    assert str(word) in str(deleted[0])
    assert (await clear.observe()).state is State.REACHED


async def test_a_drill_with_the_only_key_of_a_treasury_is_refused() -> None:
    """The operator of the drill's server always archives: it would write beside the living one."""
    there = installed()
    request = SimpleNamespace(verb=Verb.DRILL, castle=SimpleNamespace(name="lab-drill"), site=SITE)
    lock = part(Lock, there, request=request)
    lock.ctx.world.identities = None
    with pytest.raises(Refused, match="would archive beside the living one"):
        await lock.act()
    assert there.all(POLICY) == []


async def test_a_password_that_was_changed_is_handed_to_the_operator_again() -> None:
    """The operator keeps the verifier of the former one beside it."""
    there = installed(*serving(2))
    lock = part(Lock, there)
    own = await lock.operated().own()
    assert await passwords.hand_over(lock, own) == []
    ref = Ref("v1", "Secret", "db-pguser-app", "data")
    there.objects[ref]["data"] = {"password": base64.b64encode(b"former").decode(), "verifier": "djE="}
    assert await passwords.others(lock, own) == ["app"]
    assert await passwords.hand_over(lock, own) == ["app"]
    assert base64.b64decode(there.objects[ref]["data"]["password"]) == KNOWN["database/user/app"].encode()
    assert await passwords.unset(lock, own) == ["app"]
    assert await passwords.others(lock, own) == []


async def test_a_treasury_whose_name_pods_must_be_told_is_refused() -> None:
    """The operator has no place for names of hosts: its pods would look for it in the cluster's DNS for ever."""
    foundations = dataclasses.replace(SITE.layers[1], needs=(), options={"treasury": "192.168.1.10:9000"})
    request = SimpleNamespace(verb=Verb.REBIRTH, castle=SimpleNamespace(name="lab"),
                              site=dataclasses.replace(SITE, layers=(foundations, LAYER)))  # fmt: skip
    there = installed()
    with pytest.raises(Refused, match="cannot find the treasury by its name"):
        await part(Lock, there, request=request).act()
    assert there.all(POLICY) == []


@pytest.mark.parametrize("by", ["castle", "git"])
async def test_with_just_its_claims_it_is_locked_begun_and_ended(by: str) -> None:
    """In a cluster of somebody else a right that is missing is found half-way through."""
    given = options(by=by)
    claimed = wanted(given, cast("Any", SimpleNamespace(verb=Verb.REBIRTH)))
    there = installed(kind=GuardedCluster)
    there.put({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "flux-system"}})
    cast("GuardedCluster", there).granted = set(claimed)
    await part(Lock, there, options=given).act()
    if by == "git":
        there.put(cluster(2))
    await beginning.begin(part(Home, there, options=given))
    for each in serving(2)[1:]:
        there.put(each)
    listed = await part(Listing, there, options=given).observe()
    await part(Clear, there, options=given, found={"database.inventory": listed.facts}).act()
    assert DB not in there.objects
