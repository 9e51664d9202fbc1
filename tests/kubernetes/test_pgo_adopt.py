"""docs/guides/adopt.md, section 3: somebody's Flux and PostgresCluster, taken over, rehearsed, destroyed, brought back.

The tests are one story, in this order. Flux' kustomize-controller, PostgreSQL and pgBackRest are real.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.treasuries import BUCKET, Treasury
from tests.kubernetes.castles import parts
from tests.kubernetes.control import ROOT
from tests.kubernetes.grown import CLAIM, QUICK, WORD, GrownCastle, born, grown
from tests.kubernetes.guests import KINDS, Guest, guest_of, versions
from tests.systems import CLUSTER

pytestmark = [
    pytest.mark.kubernetes,
    pytest.mark.machines,
    pytest.mark.timeout(1800),
    pytest.mark.evidence("real", *CLUSTER, "kustomize-controller", "git", "postgresql", "pgbackrest", "guest"),
    pytest.mark.evidence("stand-in", "source-controller", "pgo"),
]
PASS = "the pass of somebody's own repository"
PREFIX = "theirs"
ROWS = "500"
LAYER = re.search(r"      db:\n(?:        .*\n)+", (ROOT / "docs/guides/adopt.md").read_text())


@pytest.fixture(scope="module")
def s3() -> Iterator[Treasury]:
    made = Treasury(Path(tempfile.mkdtemp(prefix="castle-s3-", dir="/var/tmp")))
    try:
        yield made
    finally:
        made.close()


@pytest.fixture(scope="module")
def host(s3: Treasury) -> Iterator[GrownCastle]:
    """A cluster with Flux, in whose tree somebody has a PostgresCluster as the posts have it."""
    with parts() as given, grown(given, database=False, s3=s3) as made:
        made.push(theirs(s3))
        made.run("raise", "--new", timeout=900)
        secret(made, s3)
        until(made, lambda: backed(made))
        sql(made, "create table ledger (id int primary key, body text)")
        sql(made, f"insert into ledger select i, 'row ' || i from generate_series(1, {ROWS}) as i")
        yield made


def theirs(s3: Treasury) -> str:
    """The PostgresCluster of the posts: backups in a bucket, no `dataSource`."""
    repo = {"name": "repo1", "s3": {"bucket": BUCKET, "endpoint": "treasury.castle", "region": "us-east-1"}}
    options = {
        "repo1-path": f"/{PREFIX}/repo1", "repo1-cipher-type": "aes-256-cbc", "repo1-s3-uri-style": "path",
        "repo1-storage-port": str(s3.port), "repo1-storage-verify-tls": "n", "start-fast": "y",
    }  # fmt: skip
    spec = {
        "postgresVersion": 17,
        "users": [{"name": "app", "databases": ["app"]}],
        "instances": [{"name": "a", "replicas": 1, "dataVolumeClaimSpec": CLAIM}],
        "proxy": {"pgBouncer": {"replicas": 1}},
        **QUICK,
        "backups": {"pgbackrest": {"configuration": [{"secret": {"name": "backups"}}], "global": options,
                                   "repos": [repo]}},
    }  # fmt: skip
    meta = {"name": "db", "namespace": "data"}
    return json.dumps({"apiVersion": "postgres-operator.crunchydata.com/v1beta1", "kind": "PostgresCluster",
                       "metadata": meta, "spec": spec})  # fmt: skip


def secret(host: GrownCastle, s3: Treasury) -> None:
    """What leads to the bucket."""
    lines = {"key": s3.keys.access_key, "key-secret": s3.keys.secret_key.reveal()}
    text = "[global]\n" + "".join(f"repo1-s3-{key}={value}\n" for key, value in lines.items())
    data = {"s3.conf": f"{text}repo1-cipher-pass={PASS}\n"}
    meta = {"name": "backups", "namespace": "data"}
    host.kubectl("apply", "-f", "-", stdin=json.dumps({"apiVersion": "v1", "kind": "Secret", "metadata": meta,
                                                       "stringData": data}))  # fmt: skip


def until(host: GrownCastle, done: Any, seconds: float = 300) -> None:
    """Waits."""
    end = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < end, host.kubectl("-n", "data", "get", "pods,jobs,postgrescluster", ok=False)
        time.sleep(1)


def found(host: GrownCastle) -> dict[str, Any]:
    """The PostgresCluster; empty when there is none."""
    said = host.kubectl("-n", "data", "get", "postgrescluster", "db", "--ignore-not-found", "-o", "json")
    return dict(json.loads(said)) if said else {}


def backed(host: GrownCastle) -> bool:
    """Whether its first backup is done."""
    conditions = found(host).get("status", {}).get("conditions", ())
    return any(each["type"] == "PGBackRestReplicaCreate" and each["status"] == "True" for each in conditions)


def sql(host: GrownCastle, text: str) -> str:
    """SQL as superuser."""
    life = host.life()
    return host.sql(text, life=life)


@pytest.fixture(scope="module")
def guest(host: GrownCastle, s3: Treasury) -> Iterator[Guest]:
    """A castle of somebody else's computer, with the layer of the guide."""
    with guest_of(host) as made:
        keys = s3.key_file(made.base / "castle.key")
        uid = host.kubectl("get", "namespace", "kube-system", "-o", "jsonpath={.metadata.uid}")
        assert LAYER is not None
        made.file.write_text(
            f"castle: {made.name}\nproof: {{max_age: 1ms}}\ntreasury: {s3.definition(PREFIX, keys)}\n"
            "layers:\n  cluster: {role: foundations}\n  db: {role: treasures, needs: [cluster]}\n"
            "sites:\n  home:\n    layers:\n"
            f"      cluster: {{driver: kubeconfig, context: {host.name}, uid: {uid}, "
            f"treasury: 'treasury.castle:{s3.port}'}}\n{LAYER.group(0)}"
        )
        yield made


def told(guest: Guest, name: str, value: str) -> None:
    """`castle secret put NAME`, by standard input."""
    command = [str(Path(sys.executable).with_name("castle")), "secret", "put", name]
    subprocess.run(command, input=value, text=True, check=True, env=guest.env(), cwd=guest.base, timeout=120)


def of_theirs(host: GrownCastle) -> dict[str, str]:
    """Every object of the database, by version."""
    return {key: value for key, value in versions(host, "data", kinds=f"{KINDS},postgresclusters,pods").items()
            if "db-s3" not in key}  # fmt: skip


def test_it_is_taken_over_and_nothing_of_it_is_changed(host: GrownCastle, guest: Guest) -> None:
    missing = guest.castle("raise", "--adopt", ok=False)
    assert missing.returncode != 0
    assert "db/cipher" in missing.stdout + missing.stderr
    told(guest, "db/cipher", PASS)
    before = of_theirs(host)
    guest.castle("raise", "--adopt")
    assert of_theirs(host) == before
    checks = json.loads(guest.castle("doctor", "--json", ok=False).stdout)["checks"]
    assert [each for each in checks if each["section"] == "db" and each["ok"] is False] == []


def test_nobody_deletes_it_any_more_by_mistake(host: GrownCastle, guest: Guest) -> None:
    del guest
    deleted = host.inside(host.life(), "-n", "data", "delete", "postgrescluster", "db", "--timeout=10s")
    assert "use castle wipe" in deleted.stderr


def test_a_tree_of_before_would_bring_it_back_empty_and_is_refused(host: GrownCastle, guest: Guest) -> None:
    refused = guest.castle("rebirth", "--confirm", guest.name, ok=False)
    assert refused.returncode == 9, refused.stdout + refused.stderr
    assert "would not bring database `db` back" in refused.stdout + refused.stderr
    assert sql(host, "select count(*) from ledger") == ROWS


def test_its_tree_takes_the_word_and_the_database_goes_on(host: GrownCastle, guest: Guest) -> None:
    text = born().replace("${database_", "${db_").replace(', {"name": "report"}', "")
    host.push(text, postBuild=WORD)
    until(host, lambda: backrest(host)["configuration"] == [{"secret": {"name": "db-s3"}}])
    assert "dataSource" not in found(host)["spec"]
    until(host, lambda: sql_or(host, "select count(*) from ledger") == ROWS)
    guest.castle("raise")
    checks = json.loads(guest.castle("doctor", "--json", ok=False).stdout)["checks"]
    assert [each for each in checks if each["section"] == "db" and each["ok"] is False] == []


def backrest(host: GrownCastle) -> dict[str, Any]:
    """What its backups are told."""
    return dict(found(host)["spec"]["backups"]["pgbackrest"])


def sql_or(host: GrownCastle, text: str) -> str:
    """The same, while a pod may be on its way."""
    try:
        return sql(host, text)
    except AssertionError:
        return ""


def test_it_is_rehearsed_by_castle(host: GrownCastle, guest: Guest) -> None:
    guest.castle("backup", "--prove")
    beside = guest.castle("restore", "--side", timeout=900)
    assert "delete postgrescluster db-side" in beside.stdout + beside.stderr
    assert host.sql("select count(*) from ledger", life=host.life(), cluster="db-side") == ROWS
    host.kubectl("-n", "data", "delete", "postgrescluster", "db-side", "--timeout=100s", timeout=120)


def test_and_only_then_it_dies_and_returns_by_its_own_tree(host: GrownCastle, guest: Guest) -> None:
    uid = found(host)["metadata"]["uid"]
    guest.castle("rebirth", "--confirm", guest.name, timeout=1200)
    back = found(host)
    assert back["metadata"]["uid"] != uid
    assert "dataSource" in back["spec"]
    assert sql(host, "select count(*) from ledger") == ROWS
    status = json.loads(guest.castle("status", "--json", ok=False).stdout)
    assert status["life"] == 2
    kustomizations = {each["metadata"]["name"] for each in host.objects("kustomizations", "-n", "flux-system")}
    assert {"operators", "data"} <= kustomizations
