"""What `castle doctor` says of a database that an operator runs, each fault as a line of its own."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any

import pytest

from ephemeral_castle.drivers.postgres.pgo.examining import Examination
from ephemeral_castle.drivers.postgres.pgo.locking import Lock
from ephemeral_castle.errors import Denied
from ephemeral_castle.model.castle import Verb
from ephemeral_castle.spi.driver import Check
from ephemeral_castle.spi.kubernetes import Manifest, Ref
from ephemeral_castle.spi.processes import Result
from ephemeral_castle.spi.secret import Secret
from ephemeral_castle.world.simulated_kubernetes import MemoryCluster
from tests.unit.drivers.postgres.operated import CREATED, GROUP, SITE, cluster, serving
from tests.unit.drivers.postgres.test_pgo_bad_days import CREDENTIALS, SURVEY, installed, part

PATH = "/lab/pgbackrest/database"
NOW = 1_000_000.0
DAY = 86_400.0
LIMITS = "[]"
DB = Ref(f"{GROUP}/v1beta1", "PostgresCluster", "db", "data")


class Keys:
    """Of a castle that lives."""

    async def get(self, name: str) -> Secret:
        return Secret({"database/cipher": "the-pass", "database/user/app": "the-word"}.get(name, name))


def info(*, systems: Sequence[int] = (7,), stop: float = NOW - DAY, code: int = 0) -> str:
    """As pgBackRest says it."""
    databases = [{"id": 1 + at, "repo-key": 1, "system-id": each, "version": "17"} for at, each in enumerate(systems)]
    backup = {
        "label": "20261122-1F", "type": "full", "database": {"id": 1, "repo-key": 1},
        "timestamp": {"start": stop, "stop": stop}, "archive": {"start": "0" * 24, "stop": "0" * 24},
        "lsn": {"start": "0/1", "stop": "0/2"}, "info": {"size": 1, "delta": 1, "repository": {"delta": 1}},
    }  # fmt: skip
    status = {"code": code, "message": "ok"}
    repo = {"key": 1, "cipher": "aes-256-cbc", "status": status}
    return json.dumps(
        [{"name": "db", "status": status, "repo": [repo], "db": databases, "archive": [], "backup": [backup]}]
    )


def sound(**repository: Any) -> MemoryCluster:
    """A database that is as it should be."""
    there = installed(*serving(2))
    spec = {"global": {"repo1-path": PATH}, "repos": [{"name": "repo1", "s3": {"bucket": "b"}}]}
    there.objects[DB]["spec"]["backups"] = {"pgbackrest": spec}
    there.objects[DB]["metadata"]["generation"] = there.objects[DB].setdefault("status", {})["observedGeneration"] = 1
    labels = {f"{GROUP}/control-plane": "postgres-operator"}
    pod = {"spec": {"containers": [{"image": "registry/postgres-operator:ubi9-6.0.3-0"}]}}
    there.put({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "postgres-operator"}})
    there.put({"apiVersion": "apps/v1", "kind": "Deployment", "spec": {"template": pod}, "status": {"readyReplicas": 1},
               "metadata": {"name": "pgo", "namespace": "postgres-operator", "labels": labels}})  # fmt: skip
    secret(there, "db-s3", {"s3.conf": CREDENTIALS.format("the-pass")})
    labels = {f"{GROUP}/cluster": "db", f"{GROUP}/role": "pguser", f"{GROUP}/pguser": "app"}
    secret(there, "db-pguser-app", {"password": "the-word", "verifier": "v"}, labels)
    archiver = {"failed": 0, "last_failed": None, "failing": False, "age": 5.0}

    def commands(_: str, __: str, ___: str, argv: Sequence[str], ____: bytes) -> Result:
        if "exec psql" in argv[2]:
            return Result(0, "3.2", "")
        return Result(0, f"{LIMITS}\n{json.dumps(archiver)}\n--castle-server-0\n{info(**repository)}\n", "")

    there.commands = commands
    return there


def secret(there: MemoryCluster, name: str, data: dict[str, str], labels: dict[str, str] | None = None) -> None:
    coded = {key: base64.b64encode(value.encode()).decode() for key, value in data.items()}
    meta = {"name": name, "namespace": "data", "labels": labels or {}}
    there.put({"apiVersion": "v1", "kind": "Secret", "metadata": meta, "data": coded})


async def lines(there: MemoryCluster, lineage: Any = None, *, lock: bool = True) -> dict[str, Check]:
    if lock:
        await part(Lock, there, {**SURVEY, "plan": "standing"}, secrets=Keys()).act()
    known = {"system_id": "7", "proof": {"label": "20261122-1F", "at": NOW}} if lineage is None else lineage
    castle = SimpleNamespace(name="lab", proof_max_age=DAY)
    more: dict[str, Any] = {
        "secrets": Keys(),
        "record": SimpleNamespace(id=CREATED, lineage={"database": known}, life=2),
        "request": SimpleNamespace(verb=Verb.RAISE, castle=castle, site=SITE),
    }
    made = part(Examination, there, **more)
    made.ctx.world.clock = SimpleNamespace(now=lambda: NOW)
    return {each.title: each for each in await made.lines()}


async def test_a_sound_database_has_nothing_to_mend() -> None:
    found = await lines(sound())
    assert {name: each.ok for name, each in found.items()} == dict.fromkeys(found, True)
    assert list(found) == ["operator", "archiving", "repository", "backup", "proof", "lock", "credentials", "users",
                           "heartbeat", "one writer"]  # fmt: skip
    assert found["operator"].fact.endswith("postgres-operator:ubi9-6.0.3-0")
    assert "the-pass" not in str(found)


def other_secret(there: MemoryCluster) -> None:
    secret(there, "db-s3", {"s3.conf": CREDENTIALS.format("another")})


def empty_secret(there: MemoryCluster) -> None:
    secret(there, "db-s3", {"s3.conf": " "})


def other_path(there: MemoryCluster) -> None:
    there.objects[DB]["spec"]["backups"]["pgbackrest"]["global"]["repo1-path"] = "/elsewhere"


def second(there: MemoryCluster) -> None:
    there.objects[DB]["spec"]["backups"]["pgbackrest"]["repos"].append({"name": "repo2", "volume": {}})
    there.objects[DB]["spec"]["backups"]["pgbackrest"]["repos"][1]["volume"] = {"volumeClaimSpec": {}}


def rival(there: MemoryCluster) -> None:
    there.put({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "other"}})
    twin: Manifest = {**cluster(2, labels={}), "spec": there.objects[DB]["spec"]}
    there.put({**twin, "metadata": {"name": "db", "namespace": "other", "uid": "another"}})


def silent_operator(there: MemoryCluster) -> None:
    there.objects[DB]["metadata"]["generation"] = 2


def dead_operator(there: MemoryCluster) -> None:
    there.status(Ref("apps/v1", "Deployment", "pgo", "postgres-operator"), {"readyReplicas": 0})


def unset_user(there: MemoryCluster) -> None:
    there.objects[Ref("v1", "Secret", "db-pguser-app", "data")]["data"].pop("verifier")


@pytest.mark.parametrize(
    ("fault", "title", "ok", "words"),
    [
        (other_secret, "credentials", False, "another one than castle's"),
        (empty_secret, "credentials", False, "missing or empty"),
        (other_path, "repository", False, "archives at /elsewhere"),
        (second, "other repositories", None, "repo2 (a volume, which goes with the cluster)"),
        (rival, "one writer", False, "other/db would write into the same repository"),
        (silent_operator, "operator", None, "has not taken up the last change"),
        (dead_operator, "operator", False, "is not ready"),
        (unset_user, "users", False, "app: not set by the operator"),
    ],
)
async def test_each_fault_is_a_line(
    fault: Callable[[MemoryCluster], None], title: str, ok: bool | None, words: str
) -> None:
    there = sound()
    fault(there)
    found = await lines(there)
    assert found[title].ok is ok
    assert words in found[title].fact
    assert [name for name, each in found.items() if each.ok is False and name != title] == []


async def test_a_lock_that_is_gone_or_unheeded_is_a_line() -> None:
    there = sound()
    assert (await lines(there, lock=False))["lock"].ok is False
    there = sound()
    await lines(there)
    there.admit.clear()
    found = await lines_without_locking(there)
    assert "lets through what it must refuse" in found["lock"].fact


async def lines_without_locking(there: MemoryCluster) -> dict[str, Check]:
    return await lines(there, lock=False)


@pytest.mark.parametrize(
    ("more", "title", "ok", "words"),
    [
        ({"systems": (7, 8)}, "repository", False, "another database: system id 8"),
        ({"stop": NOW - 60 * DAY}, "backup", None, "60"),
        ({"code": 99}, "repository", False, PATH),
    ],
)
async def test_the_repository_is_looked_into(more: dict[str, Any], title: str, ok: bool | None, words: str) -> None:
    found = await lines(sound(**more))
    assert found[title].ok is ok
    assert words in found[title].fact


async def test_what_may_not_be_listed_is_told_as_not_seen() -> None:
    there = sound()

    async def before(name: str, what: str) -> None:
        if name == "list" and what == "Deployment":
            raise Denied("deployments may not be listed")

    there.before = before
    found = await lines(there)
    assert found["operator"].ok is None
    assert "was not seen" in found["operator"].fact


async def test_of_a_castle_that_was_never_raised_only_the_operator_is_told() -> None:
    assert list(await lines(sound(), {}, lock=False)) == ["operator"]

    async def gone(**_: Any) -> MemoryCluster:
        raise Denied("there is no cluster")

    made = part(Examination, sound(), cluster=gone, record=SimpleNamespace(id=CREATED, lineage={}, life=0))
    assert await made.lines() == []
