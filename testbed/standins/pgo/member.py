"""The first process of an instance, where the real operator has Patroni: it makes PostgreSQL run, and says who leads.

    python3 -m standins.pgo.member run             the container `database`
    python3 -m standins.pgo.member edit < CONFIG   a new configuration, as JSON
    python3 -m standins.pgo.member restart         PostgreSQL ends and begins again

There is one member, and so no election: whoever is out of recovery leads. As Patroni does, it refuses a data directory
of another database than the cluster's, and waits, instead of making a new one, where the cluster was born already.
"""

from __future__ import annotations

import json
import os
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ..api import Api, Object, Refused, Silent, stamp
from . import names

SETTINGS = Path("/etc/patroni/~postgres-operator_cluster.yaml")
KEPT = Path("/tmp/postgres/configuration.json")  # the newest configuration; /tmp lives as long as the pod
LEADS = Path("/tmp/postgres/leader")  # its presence is what the readiness probe asks for
RESTART = Path("/tmp/postgres/restart")
WAITS = 1.0  # seconds between two looks at a server that starts


@dataclass(frozen=True)
class Place:
    """Where this member is.

    Attributes:
        cluster, namespace, pod, address: of the pod.
        major: version of PostgreSQL.
        period: seconds between two looks.
    """

    cluster: str
    namespace: str
    pod: str
    address: str
    major: int
    period: float

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> Place:
        """From the environment that the operator gave the container."""
        return cls(
            environment["PATRONI_SCOPE"].removesuffix("-ha"),
            environment["PATRONI_NAMESPACE"],
            environment["PATRONI_NAME"],
            environment["PATRONI_ADDRESS"],
            int(environment["PGMAJOR"]),
            float(environment.get("PATRONI_PERIOD", "10")),
        )

    @property
    def data(self) -> Path:
        """The data directory."""
        return Path(names.data_directory(self.major))

    @property
    def bootstrap(self) -> Path:
        """What a restore left for the first start."""
        return self.data.with_name(f"{self.data.name}_bootstrap")

    def program(self, name: str) -> str:
        """A program of PostgreSQL."""
        return f"/usr/lib/postgresql/{self.major}/bin/{name}"


def say(text: str) -> None:
    """One line in the pod's log."""
    print(f"{time.strftime('%H:%M:%S')} {text}", flush=True)


def settings(place: Place, configuration: Object) -> None:
    """Writes postgresql.conf and pg_hba.conf. What a restore wrote into postgresql.auto.conf stays."""
    lines = [f"{key} = '{_quoted(value)}'" for key, value in sorted(configuration["parameters"].items())]
    (place.data / "postgresql.conf").write_text("\n".join([*lines, ""]))
    (place.data / "pg_hba.conf").write_text("\n".join([*configuration["pg_hba"], ""]))


def _quoted(value: str) -> str:
    return value.replace("'", "''")


def newest() -> Object:
    """The configuration: the last that was given, else the one that the pod began with."""
    path = KEPT if KEPT.exists() else SETTINGS
    found: Object = json.loads(path.read_text())
    return found


class Bell:
    """Waits that a signal ends: SIGTERM for good, the death of a child once."""

    def __init__(self) -> None:
        self.rung = False
        self._read, write = os.pipe()
        os.set_blocking(self._read, False)
        os.set_blocking(write, False)
        signal.set_wakeup_fd(write)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._ring)
        signal.signal(signal.SIGCHLD, lambda *_: None)

    def clear(self) -> None:
        """Forgets the children that died until now; look after them next."""
        while select.select([self._read], [], [], 0)[0]:
            os.read(self._read, 4096)

    def wait(self, seconds: float) -> bool:
        """Waits, not longer than that; whether the end was asked for."""
        if not self.rung:
            select.select([self._read], [], [], seconds)
        return self.rung

    def _ring(self, *_: object) -> None:
        self.rung = True


class Member:
    """One member of a cluster of one."""

    def __init__(self, place: Place, api: Api, bell: Bell) -> None:
        self.place = place
        self.api = api
        self.bell = bell
        self.server: subprocess.Popen[bytes] | None = None
        self.known = ""  # the database's identifier

    # Birth.

    def prepare(self) -> None:
        """Makes the data directory ready: what a restore left, what is there, or a new one. May wait for ever."""
        place = self.place
        if place.bootstrap.exists() and not place.data.exists():
            say(f"bootstrap: taking {place.bootstrap}")
            place.bootstrap.rename(place.data)
        while not (place.data / "PG_VERSION").exists():
            if not self.initialized():
                self.create()
                return
            say("waiting for leader to bootstrap: the cluster was born already, and its data are not here")
            self.bell.clear()
            if self.bell.wait(place.period):
                return
        self.check_identity()

    def create(self) -> None:
        """A new database. What an earlier try left half-made was never anybody's."""
        say("bootstrap: a new database")
        wal, new = Path(names.wal_directory(self.place.major)), self.place.data.with_suffix(".new")
        shutil.rmtree(new, ignore_errors=True)
        shutil.rmtree(wal, ignore_errors=True)
        subprocess.run(
            [self.place.program("initdb"), f"--pgdata={new}", f"--waldir={wal}", "--username=postgres",
             "--data-checksums", "--encoding=UTF8", "--locale=C.UTF-8", "--auth=peer"],
            check=True, stdout=sys.stderr,
        )  # fmt: skip
        new.rename(self.place.data)

    def check_identity(self) -> None:
        """Ends where the directory holds another database than the cluster's."""
        known, here = self.initialized(), self.identifier()
        if known and known != here:
            sys.exit(f"system ID mismatch, node {self.place.pod} belongs to a different cluster: {known} != {here}")

    def initialized(self) -> str:
        """The identifier of the cluster's database; "" before its birth."""
        while True:
            try:
                found = self.api.get("v1", "Endpoints", f"{self._scope}-config", self.place.namespace)
                return str(((found or {}).get("metadata", {}).get("annotations") or {}).get("initialize", ""))
            except (Refused, Silent) as error:
                say(f"the API server does not tell whether the cluster was born: {error}")
                self.bell.clear()
                if self.bell.wait(WAITS):
                    return "unknown"

    def identifier(self) -> str:
        """The system identifier of the data directory."""
        said = subprocess.run(
            [self.place.program("pg_controldata"), str(self.place.data)],
            capture_output=True, text=True, check=True, env={**os.environ, "LC_ALL": "C"},
        ).stdout  # fmt: skip
        line = next(line for line in said.splitlines() if line.startswith("Database system identifier:"))
        return line.split(":", 1)[1].strip()

    # Life.

    def start(self) -> None:
        """Starts PostgreSQL with the newest configuration. A pid that is left is of a server that died with its pod."""
        (self.place.data / "postmaster.pid").unlink(missing_ok=True)
        settings(self.place, newest())
        self.server = subprocess.Popen([self.place.program("postgres"), "-D", str(self.place.data)])

    def live(self) -> int:
        """Watches over the server until the pod ends; the exit status of the container."""
        while not self.bell.rung:
            if RESTART.exists():
                self.restart()
            leads = self.writable()
            if leads:
                self.lead()
            self.bell.clear()
            if self.server is not None and self.server.poll() is not None:
                say(f"PostgreSQL ended with status {self.server.returncode}")
                return 1  # the kubelet starts the container again
            self.bell.wait(self.place.period if leads else WAITS)
        self.stop()
        return 0

    def writable(self) -> bool:
        """Whether the server takes rows."""
        return self.ask("SELECT pg_is_in_recovery()") == "f"

    def ask(self, sql: str) -> str:
        """One value, or "" when the server does not answer. The session's name is Patroni's own."""
        argv = ["psql", "-h", names.SOCKETS, "-U", "postgres", "-d", "postgres", "-wXAtc", sql]
        env = {**os.environ, "PGAPPNAME": "Patroni heartbeat"}
        return subprocess.run(argv, capture_output=True, text=True, check=False, timeout=60, env=env).stdout.strip()

    def lead(self) -> None:
        """Says that this member leads, also to the probe of its pod."""
        try:
            self.announce(newest())
        except (Refused, Silent) as error:
            say(f"the API server did not take who leads: {error}")
            return
        if not LEADS.exists():
            LEADS.touch()
            say(f"no action. I am ({self.place.pod}), the leader with the lock")

    def announce(self, configuration: Object) -> None:
        """Writes who leads: into the cluster's Endpoints first, then upon its own pod. Raises Refused, Silent."""
        self.known = self.known or self.identifier()
        scope, labels = self._scope, {names.CLUSTER: self.place.cluster, names.SCOPE: self._scope}
        kept = {"initialize": self.known, "config": json.dumps(configuration, sort_keys=True), "history": "[]"}
        port = {"name": "postgres", "port": int(configuration["parameters"]["port"]), "protocol": "TCP"}
        subset = {"addresses": [{"ip": self.place.address}], "ports": [port]}
        word = {"role": "primary", "state": "running", "version": "4.0.0", "pending_restart": self.pending()}
        member = {key: value for key, value in word.items() if value is not False}
        pod: Object = {"apiVersion": "v1", "kind": "Pod"}
        pod["metadata"] = {"name": self.place.pod, "namespace": self.place.namespace}
        role = {
            "labels": {names.ROLE: names.LEADER},
            "annotations": {"status": json.dumps(member, separators=(",", ":"))},
        }
        self._endpoints(f"{scope}-config", labels, kept, None)
        self._endpoints(scope, labels, {"leader": self.place.pod, "renewTime": stamp()}, [subset])
        self.api.patch(pod, {"metadata": role})

    def pending(self) -> bool:
        """Whether a parameter waits for a restart."""
        return self.ask("SELECT count(*) FROM pg_settings WHERE pending_restart") not in ("", "0")

    def restart(self) -> None:
        """Ends the server and starts it again."""
        RESTART.unlink()
        say("restarting PostgreSQL")
        self.stop()
        self.start()

    def stop(self) -> None:
        """Ends the server as a fast shutdown does: sessions are ended, everything is written and archived."""
        LEADS.unlink(missing_ok=True)
        if self.server is None or self.server.poll() is not None:
            return
        self.server.send_signal(signal.SIGINT)
        self.server.wait()
        say("PostgreSQL is stopped")

    @property
    def _scope(self) -> str:
        return names.scope(self.place.cluster)

    def _endpoints(
        self, name: str, labels: dict[str, str], annotations: dict[str, str], subsets: list[Object] | None
    ) -> None:
        meta = {"name": name, "namespace": self.place.namespace, "labels": labels, "annotations": annotations}
        body: Object = {"apiVersion": "v1", "kind": "Endpoints", "metadata": meta}
        self.api.apply({**body, "subsets": subsets} if subsets else body)


def edit(text: str) -> None:
    """Takes a new configuration: what can change in a living server changes at once."""
    place = Place.of(os.environ)
    json.loads(text)  # refuses what could not be read back
    new = KEPT.with_suffix(".new")
    new.write_text(text)
    new.replace(KEPT)
    settings(place, newest())
    subprocess.run([place.program("pg_ctl"), "reload", "-D", str(place.data)], check=True, stdout=sys.stderr)


def main() -> int:
    """Does what the first argument says."""
    verb = sys.argv[1] if len(sys.argv) > 1 else "run"
    if verb == "edit":
        edit(sys.stdin.read())
        return 0
    if verb == "restart":
        RESTART.touch()
        return 0
    KEPT.parent.mkdir(exist_ok=True)
    LEADS.unlink(missing_ok=True)
    member = Member(Place.of(os.environ), Api.in_cluster(names.PATRONI), Bell())
    member.prepare()
    if not member.bell.rung:
        member.start()
    return member.live()


if __name__ == "__main__":
    sys.exit(main())
