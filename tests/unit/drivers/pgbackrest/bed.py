"""A run of the driver over a cluster in memory, in which a kubelet and the restored server are played."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from types import SimpleNamespace
from typing import Any, cast

from ephemeral_castle.drivers.pgbackrest import PgbackrestDriver
from ephemeral_castle.drivers.pgbackrest.options import PgbackrestOptions
from ephemeral_castle.model.castle import Castle, Layer, Role, Site, Treasury, Verb
from ephemeral_castle.model.record import Record
from ephemeral_castle.model.step import Observation, State, Step
from ephemeral_castle.spi.claims import Claim
from ephemeral_castle.spi.driver import Context, Request
from ephemeral_castle.spi.kubernetes import Manifest, Ref
from ephemeral_castle.spi.processes import Result
from tests import living
from tests.guarded import GuardedCluster
from tests.scenario.virtual import LoopClock

ID, RUN = "c0ffee00-0000-4000-8000-000000000001", "20261122-100000-beef"
SYSTEM_ID = "7000000000000000001"
CLUSTER = Layer("cluster", Role.FOUNDATIONS, "kubeconfig")
LAYER = Layer("db", Role.TREASURES, "pgbackrest", ("cluster",), position="castle.yaml:9:3")
SITE = Site("home", (CLUSTER, LAYER))
SPACE = "castle-drill-home-db"
LABELS = {f"{living.PGO}/cluster": "db", f"{living.PGO}/data": "postgres", f"{living.PGO}/role": "master"}
INFO = [{"name": "db", "status": {"code": 0, "message": "ok"}, "cipher": "aes-256-cbc", "db": [], "archive": [],
         "backup": [{"label": "20261121-010000F", "type": "full", "timestamp": {"start": 1, "stop": 2},
                     "archive": {"start": "000000010000000000000002", "stop": "000000010000000000000003"},
                     "database": {"id": 1, "repo-key": 1}, "info": {"size": 1, "repository": {"size": 1}},
                     "error": False, "backrest": {"format": 5, "version": "2.54"},
                     "lsn": {"start": "0/2000028", "stop": "0/3000050"}, "prior": None,
                     "reference": None}]}]  # fmt: skip


class Bed:
    """Implements `spi.driver.Context`.

    Attributes:
        ends: how the restore ends: None for well, else exit status and last words.
        system_id: of the database that comes back. replaying: looks until the replay is over.
    """

    def __init__(self, granted: Iterable[Claim] | None = None, verb: Verb = Verb.DRILL, **options: Any) -> None:
        self.clock = LoopClock()
        self.api = GuardedCluster(None)
        self.ends: tuple[int, str] | None = None
        self.system_id, self.replaying = SYSTEM_ID, 2
        self.options = PgbackrestOptions(namespace="data", cluster="db", **options)
        castle = Castle("home-drill" if verb is Verb.DRILL else "home", Treasury("b", "home"), {"home": SITE})
        self.request = Request(verb, castle, SITE)
        self.layer, self.run, self.life, self.old_life, self.attempt = LAYER, RUN, 1, 0, 1
        self.record = Record(ID, castle.name, "age1toy", 0)
        self.world = SimpleNamespace(clock=self.clock)
        self.driver = PgbackrestDriver()
        self.known: dict[str, Mapping[str, Any]] = {}
        self.said: list[str] = []
        self._stand()
        self.api.granted = None if granted is None else set(granted)
        self.api.react("Pod", self._kubelet)
        self.api.commands = self._command
        self.api.calls.clear()

    def _stand(self) -> None:
        """The living database, as PGO leaves it, and its neighbours."""
        for each in living.everything():
            self.api.put(each)
        spec = {
            "containers": [{"name": "database", "image": "registry/postgres:17"}],
            "securityContext": {"fsGroup": 26, "runAsNonRoot": True},
            "imagePullSecrets": [{"name": "pull"}],
        }
        claim = {"storageClassName": "longhorn", "resources": {"requests": {"storage": "4Gi"}}}
        role = {f"{living.PGO}/cluster": "db", f"{living.PGO}/role": "pgdata"}
        for each in (
            living.thing("v1", "Pod", "db-a-x7k2-0", "data", labels=LABELS, spec=spec),
            living.thing("v1", "PersistentVolumeClaim", "db-a-x7k2-pgdata", "data", labels=role, spec=claim),
            living.secret("db-s3", "data", "s3.conf"),
        ):
            self.api.remove(Ref.of(each))
            self.api.put(each)

    def _kubelet(self, pod: Manifest) -> None:
        """Runs the drill's pod: its restore ends, then its server runs."""
        if pod["metadata"].get("namespace") != SPACE or pod.get("status"):
            return
        code, message = self.ends or (0, "")
        order = {"name": "restore", "state": {"terminated": {"exitCode": code, "message": message}}}
        running = {"name": "postgres", "state": {"running": {}}}
        status: Manifest = {"phase": "Failed" if code else "Running", "initContainerStatuses": [order]}
        self.api.status(pod, status | ({} if code else {"containerStatuses": [running]}))

    def _command(self, namespace: str, pod: str, container: str, argv: Sequence[str], stdin: bytes) -> Result:
        assert (namespace, pod, container) == (SPACE, "drill", "postgres")
        if argv[0] == "pgbackrest":
            return Result(0, json.dumps(INFO), "")
        return Result(*self._answer(argv[-1], stdin.decode()))

    def _answer(self, database: str, question: str) -> tuple[int, str, str]:
        if "pg_is_in_recovery" in question:
            self.replaying -= 1
            return (0, "f\n", "") if self.replaying < 0 else (2, "", "the database system is starting up")
        if "pg_control_system" in question:
            said = {"system_id": self.system_id, "as_of": self.clock.now() - 60, "timeline": 3, "archiving": "off",
                    "databases": ["app", "postgres"]}  # fmt: skip
            return 0, json.dumps(said), ""
        if "'bytes'" in question:
            listed = [{"schema": "public", "name": "ledger", "bytes": 8192}] if database == "app" else []
            return 0, json.dumps(listed), ""
        if "'why'" in question:
            return 0, "[]", ""
        return 0, json.dumps({"rows": "7", "sum": "42"}), ""

    # spi.driver.Context

    def facts(self, step_id: str) -> Mapping[str, Any]:
        return self.known.get(step_id, {})

    def progress(self, text: str, **_: Any) -> None:
        self.said.append(text)

    async def intent(self, what: str, /, **data: Any) -> None:
        self.said.append(f"{what} {data}")

    async def cluster(self, *, old: bool = False) -> GuardedCluster:
        return self.api

    @property
    def ctx(self) -> Context:
        return cast("Context", self)

    # A test

    def steps(self) -> list[Step]:
        return list(self.driver.plan(LAYER, self.options, self.request))

    async def step(self, action: str) -> Observation:
        """One step to its goal, as the engine would do it."""
        step = next(each for each in self.steps() if each.action == action)
        seen = await self.driver.observe(step, self.ctx)
        if seen.state is not State.REACHED:
            seen = await self.driver.act(step, self.ctx) or await self.driver.observe(step, self.ctx)
        assert seen.state is State.REACHED, seen
        self.known[step.id] = seen.facts
        return seen

    async def whole(self) -> None:
        """Every step in order."""
        for each in self.steps():
            await self.step(each.action)

    def living(self) -> dict[str, Any]:
        """Everything outside of the drill's namespace, by name, as it stands."""
        return {str(ref): each["metadata"]["resourceVersion"] for ref, each in self.api.objects.items()
                if ref.namespace != SPACE and ref.name != SPACE}  # fmt: skip
