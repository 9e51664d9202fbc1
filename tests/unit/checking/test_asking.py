"""Everything that a castle stands on, asked at once: treasury, names and repository in memory, real drivers."""

from __future__ import annotations

import asyncio
import dataclasses
import time
from types import SimpleNamespace
from typing import Any

import pytest

from ephemeral_castle.cli import asking
from ephemeral_castle.cli.heard import Heard
from ephemeral_castle.drivers.podman import PodmanDriver
from ephemeral_castle.engine import preflight
from ephemeral_castle.errors import Denied, Unreachable
from ephemeral_castle.journal.record import RecordStore
from ephemeral_castle.model.castle import Castle, Layer, Repository, Role, Site, Treasury
from ephemeral_castle.model.record import Record
from ephemeral_castle.spi.kubernetes import ClusterAccess, Ref
from ephemeral_castle.spi.secret import Secret
from ephemeral_castle.world.simulated import ManualClock, MemoryObjects, MemorySecrets, MemorySource, SimulatedWorld
from ephemeral_castle.world.simulated_names import MemoryZone
from tests.guarded import GuardedCluster

OPTIONS = {"server": "ns", "zone": "castle.example", "key": "dns/tsig", "records": {"blog": "edge"}}
SITE = Site("home", (Layer("names", Role.GATES, "rfc2136", (), OPTIONS),))
CASTLE = Castle(
    "c", Treasury("b", "c", endpoint="https://s3"), {"home": SITE}, path="/srv/castle.yaml",
    repository=Repository("https://git.example.org/c"),
)  # fmt: skip


class Stage:
    """A computer with ways to all of it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.clock = ManualClock()
        self.objects = MemoryObjects(self.clock)
        self.world = SimulatedWorld(self.clock, self.objects)
        self.zone = MemoryZone("castle.example", keys={"castle": "c2VjcmV0"})
        self.world.names.servers["ns"] = self.zone
        self.source = self.world.source = MemorySource()
        self.source.commit({"apps/a.yaml": b"a: 1\n"})
        self.secrets = MemorySecrets()
        asyncio.run(self.secrets.put("dns/tsig", Secret("hmac-sha256:castle:c2VjcmV0")))
        self.closed = 0
        keys = SimpleNamespace(recipient="age1toy")
        opened = SimpleNamespace(world=self.world, keys=keys, secrets=self.secrets, close=self.close)

        async def open_world(*_: Any, looking: bool) -> Any:
            assert looking
            return opened

        monkeypatch.setattr(asking, "open_world", open_world)

        async def stands(*_: Any) -> bool:
            return True

        monkeypatch.setattr(asking, "is_root", lambda: True)
        monkeypatch.setattr(asking, "stands", stands)

    async def close(self) -> None:
        self.closed += 1

    def stands(self) -> None:
        """A life of it stands here."""
        record = Record("c0ffee", "c", "age1toy", 1, site="home", computer="computer-1")
        asyncio.run(RecordStore(self.objects, "age1toy").create(record))

    def ask(self, site: Site = SITE, *, tree: bool = False) -> Heard:
        heard = asyncio.run(asking.ask(dataclasses.replace(CASTLE, sites={"home": site}), site, tree=tree))
        assert not any(key.startswith(preflight.FOLDER) for key in self.objects.data), "a test object is left"
        return heard


@pytest.fixture
def stage(monkeypatch: pytest.MonkeyPatch) -> Stage:
    return Stage(monkeypatch)


def wrong(heard: Heard) -> dict[str, tuple[bool | None, str, str]]:
    return {each.title: (each.ok, each.section, each.fact) for each in heard.checks if each.ok is not True}


def test_where_all_is_well_nothing_is_wrong_and_the_world_is_closed(stage):
    heard = stage.ask()
    assert wrong(heard) == {}
    assert {"the treasury honours conditions", "clocks agree", "the repository answers"} <= {
        c.title for c in heard.checks
    }
    assert (stage.closed, heard.tree, heard.living) == (1, None, None)


def test_a_name_server_that_refuses_the_key_stands_beside_its_layer(stage):
    stage.zone.keys["castle"] = "b3RoZXI="
    ((ok, section, fact),) = wrong(stage.ask()).values()
    assert (ok, section) == (False, "names")
    assert "signature" in fact


def test_what_status_cannot_see_of_a_life_that_stands_is_told_and_blocks_nothing(stage):
    stage.stands()  # and this site has no machines that names could lead to
    ((title, (ok, section, _)),) = wrong(stage.ask()).items()
    assert (title, ok, section) == ("status", None, "names")


def test_a_repository_that_has_no_such_revision(stage):
    stage.source.refs.clear()
    title, (ok, section, _) = next(iter(wrong(stage.ask()).items()))
    assert (title, ok, section) == ("the repository", False, "repository")


def test_the_files_of_the_revision_are_given_where_they_are_wanted(stage):
    assert stage.ask(tree=True).tree == {"apps/a.yaml": b"a: 1\n"}


def test_a_system_that_hangs_is_a_line_and_the_others_are_heard(stage, monkeypatch):
    monkeypatch.setattr(preflight, "PATIENCE", 0.05)

    async def hang(name: str, what: str) -> None:
        await asyncio.sleep(3600)

    stage.source.before = hang
    begun = time.monotonic()
    heard = stage.ask()
    assert time.monotonic() - begun < 60
    ((ok, section, fact),) = wrong(heard).values()
    assert (ok, section) == (None, "repository")
    assert "no answer within" in fact
    assert {"clocks agree", "the treasury honours conditions"} <= {each.title for each in heard.checks}


def test_a_treasury_that_is_closed_to_us_ends_the_look_and_says_so(stage):
    async def closed(name: str, key: str) -> None:
        raise Denied("the treasury refuses us", why="the access key is not known")

    stage.objects.before = closed
    assert next(iter(wrong(stage.ask()).values()))[0] is False
    assert stage.closed == 1


def test_a_treasury_that_is_silent(stage):
    async def silent(name: str, key: str) -> None:
        raise Unreachable("the treasury does not answer")

    stage.objects.before = silent
    assert [each.ok for each in stage.ask().checks] == [False]


def test_without_root_nobody_is_asked(stage, monkeypatch):
    monkeypatch.setattr(asking, "is_root", lambda: False)
    (check,) = stage.ask().checks
    assert (check.ok, check.mend, check.data) == (None, "sudo castle check", {"seen": False})


UID = "c0ffee00-0000-4000-8000-00000000000a"
HOME = Site("home", (Layer("cluster", Role.FOUNDATIONS, "kubeconfig", (), {"context": "home", "uid": UID}),))
CRD: dict[str, Any] = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "postgresclusters.postgres-operator.crunchydata.com"},
    "spec": {
        "group": "postgres-operator.crunchydata.com",
        "names": {"kind": "PostgresCluster", "plural": "postgresclusters"},
        "scope": "Namespaced",
        "versions": [{"name": "v1beta1", "served": True, "storage": True}],
    },
}


def cluster_of(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> GuardedCluster:
    """A cluster that stands under the castle."""
    stage.stands()
    cluster = GuardedCluster(None)
    cluster.objects[Ref("v1", "Namespace", "kube-system")]["metadata"]["uid"] = UID
    monkeypatch.setattr(SimulatedWorld, "kubernetes", lambda *_: cluster)
    monkeypatch.setattr(SimulatedWorld, "kubeconfig", lambda *_: ClusterAccess("https://home:6443", "ca"))
    return cluster


def test_what_lives_in_the_cluster_is_known_to_the_rules(stage, monkeypatch):
    cluster = cluster_of(stage, monkeypatch)
    assert stage.ask(HOME).living == frozenset()
    asyncio.run(cluster.create(CRD))
    asyncio.run(cluster.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "tazlab"}}))
    meta = {"name": "db", "namespace": "tazlab"}
    asyncio.run(
        cluster.create({"apiVersion": CRD["spec"]["group"] + "/v1beta1", "kind": "PostgresCluster", "metadata": meta})
    )
    heard = stage.ask(HOME)
    assert heard.living == {"PostgresCluster tazlab/db"}
    assert [each.title for each in heard.checks if each.section == "cluster"][:3] == ["context home", "version", "key"]


def test_a_cluster_that_is_dead_may_be_what_a_rebirth_is_for(stage, monkeypatch):
    cluster_of(stage, monkeypatch)

    def gone(*_: Any) -> Any:
        raise Unreachable("the API server does not answer")

    monkeypatch.setattr(SimulatedWorld, "kubernetes", gone)
    heard = stage.ask(HOME)
    assert heard.living is None
    assert all(each.ok is None for each in heard.checks if each.ok is not True)


def test_machines_of_a_castle_that_never_stood_here_were_a_riddle(stage, monkeypatch):
    async def nowhere(*_: Any) -> bool:
        return False

    async def silent(*_: Any) -> Any:
        raise Unreachable("podman does not answer", why="nsenter: cannot open /run/netns/castle-c")

    monkeypatch.setattr(asking, "stands", nowhere)
    monkeypatch.setattr(PodmanDriver, "observe", silent)
    machines = Layer("machines", Role.GROUND, "podman", (), {"machines": {"data": {"id": 1}}})
    ((ok, section, fact),) = wrong(stage.ask(Site("home", (machines,)))).values()
    assert (ok, section) == (None, "machines")
    assert fact.startswith("nothing of this castle stands on this computer yet")
