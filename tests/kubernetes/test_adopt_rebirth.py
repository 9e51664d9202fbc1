"""A castle in a cluster that another castle raised: with just the printed role its database dies and returns.

The tests are one story, in this order.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.castles import INIT
from tests.e2e.treasuries import Treasury
from tests.kubernetes.castles import parts
from tests.kubernetes.guests import Guest, guest_of, limited, versions
from tests.kubernetes.pgo_castles import PgoCastle
from tests.systems import CLUSTER

pytestmark = [
    pytest.mark.machines,
    pytest.mark.kubernetes,
    pytest.mark.timeout(1500),
    pytest.mark.evidence("real", *CLUSTER, "guest"),
    pytest.mark.evidence("stand-in", "pgo"),
]
SPACE, OTHER = "guest", "neighbour"
DEFINITION = """\
castle: {name}
budget: {{rto: 3m, rpo: 60s}}
proof: {{max_age: 1ms}}
treasury: {treasury}
layers:
  cluster: {{role: foundations}}
  database: {{role: treasures, needs: [cluster]}}
sites:
  home:
    reach: {{registry: "{registry}"}}
    layers:
      cluster: {{driver: kubeconfig, context: {context}, uid: {uid}, treasury: "{gateway}:{port}"}}
      database:
        driver: postgres
        namespace: guest
        node: data
        expose: clusterip
        databases: {{app: {{owner: app, init: init.sql}}}}
        users: {{app: {{}}}}
        shared_buffers: 64MiB
        max_wal_size: 256MiB
        heartbeat: 1s
"""


@pytest.fixture(scope="module")
def host() -> Iterator[PgoCastle]:
    """A bare cluster whose machines reach a bucket; somebody else has a database in it, or so it looks."""
    treasury = Treasury(Path(tempfile.mkdtemp(prefix="castle-s3-", dir="/var/tmp")))
    with parts() as given:
        base = Path(tempfile.mkdtemp(prefix="castle-host-", dir="/var/tmp"))
        made = PgoCastle(base, given, treasury)
        try:
            made.raise_()
            made.kubectl("create", "namespace", OTHER)
            made.kubectl("-n", OTHER, "create", "secret", "generic", "database-files", "--from-literal=a=b")
            yield made
        finally:
            made.down()
            treasury.close()


@pytest.fixture(scope="module")
def guest(host: PgoCastle) -> Iterator[Guest]:
    with guest_of(host) as made:
        keys = host.s3.key_file(made.base / "castle.key")
        made.file.write_text(
            DEFINITION.format(
                name=made.name, treasury=host.s3.definition(made.name, keys), registry=host.parts.registry,
                context=host.name, uid=uid(host), gateway=host.gateway(), port=host.s3.port,
            )
        )  # fmt: skip
        (made.base / "init.sql").write_text(INIT)
        yield made


def uid(host: PgoCastle) -> str:
    """Of the cluster."""
    return host.kubectl("get", "namespace", "kube-system", "-o", "jsonpath={.metadata.uid}")


def role(guest: Guest) -> dict[str, Any]:
    """As castle prints it."""
    found: dict[str, Any] = json.loads(guest.castle("adopt", "--rbac", "--json").stdout)["role"]
    return found


def sql(host: PgoCastle, text: str) -> str:
    """SQL as superuser in the guest's database."""
    psql = ("psql", "-qAtX", "-h", "/tmp", "-U", "postgres", "-d", "app", "-c", text)
    return host.kubectl("exec", "-n", SPACE, "database-0", "-c", "postgres", "--", *psql).strip()


def test_with_just_the_printed_role_it_is_born_dies_and_returns(host: PgoCastle, guest: Guest) -> None:
    with limited(host, guest, role(guest)) as config:
        guest.kubeconfig = config
        guest.castle("raise", "--new")
        sql(host, "insert into ledger(id, body) select i, 'row ' || i from generate_series(1, 500) as i")
        lives = {each["metadata"]["uid"] for each in host.objects("statefulsets", "-n", SPACE)}
        guest.castle("rebirth", "--confirm", guest.name)
        assert sql(host, "select count(*) from ledger") == "500"
        assert lives.isdisjoint(each["metadata"]["uid"] for each in host.objects("statefulsets", "-n", SPACE))
        assert json.loads(guest.castle("status", "--json", ok=False).stdout)["life"] == 2


def test_without_any_rule_of_it_nothing_begins(host: PgoCastle, guest: Guest) -> None:
    wanted = role(guest)
    with limited(host, guest, wanted) as config:
        guest.kubeconfig = config
        for number, rule in enumerate(wanted["rules"]):
            before = versions(host, SPACE, OTHER)
            less = {**wanted, "rules": [each for index, each in enumerate(wanted["rules"]) if index != number]}
            host.kubectl("replace", "-f", "-", stdin=json.dumps(less))
            refused = guest.castle("rebirth", "--confirm", guest.name, ok=False)
            assert refused.returncode in (4, 9), f"without {rule}: {refused.stdout}{refused.stderr}"
            assert versions(host, SPACE, OTHER) == before, f"without {rule}"
    assert sql(host, "select count(*) from ledger") == "500"


def test_a_wipe_deletes_what_the_record_knows_and_nothing_else(host: PgoCastle, guest: Guest) -> None:
    host.kubectl("-n", SPACE, "create", "configmap", "database-notes", "--from-literal=a=b")
    host.kubectl("-n", SPACE, "label", "configmap", "database-notes", "castle.layer=database", "castle.life=2")
    before = versions(host, OTHER)
    guest.castle("wipe", "--confirm", guest.name)
    kinds = "statefulsets,deployments,services,secrets,configmaps,persistentvolumeclaims"
    left = {f"{each['kind']} {each['metadata']['name']}" for each in host.objects(kinds, "-n", SPACE)}
    assert left == {"ConfigMap database-notes", "ConfigMap kube-root-ca.crt"}
    assert versions(host, OTHER) == before
    assert [each for each in host.objects("persistentvolumes") if each["metadata"]["name"].startswith("castle-")] == []
    guest.castle("raise")
    assert sql(host, "select count(*) from ledger") == "500"


def test_a_context_that_leads_to_another_cluster_is_refused(host: PgoCastle, guest: Guest) -> None:
    text = guest.file.read_text()
    guest.file.write_text(text.replace(uid(host), "c0ffee00-0000-4000-8000-00000000000a"))
    try:
        refused = guest.castle("rebirth", "--confirm", guest.name, ok=False)
    finally:
        guest.file.write_text(text)
    assert refused.returncode == 9, refused.stdout + refused.stderr
    assert "leads to another cluster" in refused.stdout + refused.stderr
    assert sql(host, "select count(*) from ledger") == "500"
