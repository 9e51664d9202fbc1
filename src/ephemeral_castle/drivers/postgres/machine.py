"""A database at home in a container on a machine, and its pooler on another: machines with a podman of their own."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from ephemeral_castle.drivers.postgres.hub import Hub
from ephemeral_castle.drivers.postgres.image import POSTGRES, UID, WORDS
from ephemeral_castle.drivers.postgres.options import PostgresOptions
from ephemeral_castle.drivers.postgres.place import ABSENT, RUNNING, Door, Standing, read_words
from ephemeral_castle.drivers.postgres.session import Session
from ephemeral_castle.errors import Transient, Unreachable
from ephemeral_castle.postgres import datadir
from ephemeral_castle.postgres.states import Absent
from ephemeral_castle.spi.driver import Context
from ephemeral_castle.spi.jobs import JobKey, Jobs, JobState
from ephemeral_castle.spi.packing import packed
from ephemeral_castle.spi.world import Machine, Result

NO_VOLUME = "no volume"
# Arguments: container and volume's name, the volume's directory. The first line is the container's state.
_LOOK = f"""\
if state=$(podman inspect -f '{{{{.State.Status}}}}' "$1" 2>&1); then
  echo "$state"
else
  case $state in *[Nn]o\\ such*) echo {ABSENT} ;; *) echo "$state" >&2; exit 1 ;; esac
fi
[ "$state" != {RUNNING} ] || exit 0
if [ ! -e "$2" ]; then
  podman volume exists "$1"
  code=$?
  [ $code -le 1 ] || exit $code
  [ $code -eq 0 ] || {{ echo {NO_VOLUME}; exit 0; }}
fi
{datadir.LOOK}
look "$2"
"""


# Arguments: container, user id, what runs inside, its arguments. The machine's podman tells how the container stands,
# and its namespaces are entered by nsenter(1), as the container's own user: a `podman exec` would cost 0.2 s more.
_ENTER = r"""
stands=$(podman inspect -f '{{.State.Status}} {{.State.Pid}}' "$1") || exit 1
echo "${stands% *}"
case $stands in running\ *) ;; *) exit 0 ;; esac
user=$2
shift 2
exec nsenter -t "${stands#* }" -m -u -i -n -p -S "$user" -G "$user" -- sh -c "$@"
"""


class MachinePlace:
    """One life's containers of one `postgres` layer; see `place.Place`. `old`: the life that this run ends."""

    def __init__(self, ctx: Context, *, old: bool = False) -> None:
        self.ctx = ctx
        self.old = old
        self.options: PostgresOptions = ctx.options
        self.name = ctx.layer.id
        self.pooler_name = f"{ctx.layer.id}-pooler"
        self.folder = f"/run/castle/{self.name}"
        self.pooler_folder = f"/run/castle/{self.pooler_name}"

    async def machine(self) -> Machine:
        """The machine of the database."""
        return await self.ctx.machine(self._where("machine", self.options.machine or ""), old=self.old)

    async def pooler(self) -> Machine:
        """The machine of PgBouncer."""
        return await self.ctx.machine(self._where("pooler", self.options.pooler or ""), old=self.old)

    def _where(self, kind: str, wanted: str) -> str:
        """The name of a machine: of a life that stands, as it was raised, whatever the definition says since."""
        known = self.ctx.record.lineage.get(self.name, {}) if self.old else {}
        return str(known.get(kind) or wanted)

    async def state(self, *, pooler: bool = False) -> str:
        """What podman says: "running", "exited", …, or "absent" when the machine has no such container."""
        machine = await (self.pooler() if pooler else self.machine())
        name = self.pooler_name if pooler else self.name
        result = await machine.transport.run(["podman", "inspect", "-f", "{{.State.Status}}", name])
        if result.ok:
            return result.out.strip()
        if "no such" in result.err.lower():
            return ABSENT
        raise Transient(f"podman on machine {machine.id} does not answer", why=result.last_words())

    async def at_rest(self) -> bool:
        """Whether the container does not run: nobody but castle starts one."""
        return await self.state() != RUNNING

    async def listed(self) -> bool | None:
        """Whether its machine stands is what the ground lists, and nobody else knows."""
        return None

    async def standing(self) -> Standing:
        """The container, and what lies on its volume where it does not run, in one way in.

        Raises:
            Transient: podman on the machine cannot tell. Unreachable: the machine does not answer.
        """
        machine = await self.machine()
        result = await machine.transport.run(["sh", "-c", _LOOK, "castle-look", self.name, self._volume])
        if not result.ok:
            raise Transient(f"podman on machine {machine.id} does not answer", why=result.last_words())
        state, *lines = result.out.splitlines()
        if state == RUNNING or lines == [NO_VOLUME]:
            return Standing(state, None if state == RUNNING else Absent())
        return Standing(state, datadir.judge(lines))

    async def start(self, files: Mapping[str, str], order: Sequence[str]) -> None:
        """Hands over the configuration into memory and starts the container with an order for its first process.

        One call: each way into a machine costs a tenth of a second.
        """
        command = [
            "podman", "run", "-d", "--replace", "--name", self.name, "--network", "host", "--user", "postgres",
            "--add-host", self._treasury(), "-v", f"{self.name}:/pg", "-v", f"{self.name}-repo2:/var/lib/pgbackrest",
            "-v", f"{self.folder}:/run/castle:ro", "--shm-size", "256m", "--stop-timeout", "60",
            self.ctx.world.images.reference(POSTGRES), "castle-postgres", *order,
        ]  # fmt: skip
        await self._deliver_and(await self.machine(), self.folder, files, command)

    async def start_pooler(self, files: Mapping[str, str]) -> None:
        """PgBouncer, with its user list in memory."""
        command = [
            "podman", "run", "-d", "--replace", "--name", self.pooler_name, "--network", "host", "--user", "postgres",
            "-v", f"{self.pooler_folder}:/run/castle:ro", "--stop-timeout", "1",
            self.ctx.world.images.reference(POSTGRES), "pgbouncer", "/run/castle/pgbouncer.ini",
        ]  # fmt: skip
        await self._deliver_and(await self.pooler(), self.pooler_folder, files, command)

    async def deliver(self, files: Mapping[str, str]) -> None:
        """Replaces the configuration without touching the container."""
        await self._deliver_and(await self.machine(), self.folder, files, ["true"])

    async def _deliver_and(
        self, machine: Machine, folder: str, files: Mapping[str, str], command: Sequence[str]
    ) -> None:
        script = (
            f"umask 077 && mkdir -p {folder} && tar -xpo --same-owner -C {folder} && chown -R 5432:5432 {folder} && "
            f"{shlex.join(command)}"
        )
        result = await machine.transport.run(["sh", "-c", script], stdin=packed(files, UID), timeout=60)
        if not result.ok:
            what = folder.rsplit("/", 1)[-1]
            raise Transient(f"machine {machine.id} does not take or start `{what}`", why=result.last_words())

    @property
    def _control(self) -> str:
        """Where the machine sees the control data that the container writes when its server has ended."""
        return f"{self._volume}/control"

    @property
    def _volume(self) -> str:
        """The volume with the data, as the machine sees it."""
        return f"/var/lib/containers/storage/volumes/{self.name}/_data"

    def _treasury(self) -> str:
        enclosure = self.ctx.world.enclosure
        return f"{enclosure.treasury_host}:{enclosure.gateway}"

    async def run(self, *argv: str, stdin: bytes = b"", timeout: float = 60.0) -> Result:
        """A command in the database's container."""
        machine = await self.machine()
        return await machine.transport.run(["podman", "exec", "-i", self.name, *argv], stdin=stdin, timeout=timeout)

    async def job(self, name: str, *argv: str, timeout: float, again: bool = False) -> Result:
        """A long command in the database's container, once per run: see `spi.jobs.Jobs.do`."""

        async def enter(argv: Sequence[str], *, timeout: float) -> Result:
            return await self.run(*argv, timeout=timeout)

        jobs = Jobs(enter, f"container {self.name} on machine {(await self.machine()).id}")
        return await jobs.do(JobKey(self.ctx.run, name), argv, timeout=timeout, again=again)

    async def aside(
        self, name: str, files: Mapping[str, str], argv: Sequence[str], *, timeout: float, begun: bool
    ) -> Result:
        """A long command over the data of a database that is stopped, in a container of its own, once per run.

        Args:
            name: what it does.
            files: the configuration, handed over before it begins; never under a command that reads it.
            argv: the command.
            timeout: seconds to wait here, as `spi.jobs.Jobs.do`.
            begun: whether a former runner may have begun it: then it is looked for first.
        """
        machine = await self.machine()
        jobs = Jobs(machine.transport.run, f"machine {machine.id}")
        key = JobKey(self.ctx.run, f"{self.name}-{name}")
        if not begun or (await jobs.status(key)).state is not JobState.RUNNING:
            await self.deliver(files)
        command = [
            "podman", "run", "--rm", "--replace", "--name", f"{self.name}-{name}", "--network", "host",
            "--user", "postgres", "--add-host", self._treasury(),
            "-v", f"{self.name}:/pg", "-v", f"{self.name}-repo2:/var/lib/pgbackrest",
            "-v", f"{self.folder}:/run/castle:ro", "--shm-size", "256m",
            self.ctx.world.images.reference(POSTGRES), *argv,
        ]  # fmt: skip
        return await jobs.do(key, command, timeout=timeout)

    async def hub(self) -> Hub:
        """Carries sessions as superuser over the local socket; each waits inside until the server answers."""
        machine = await self.machine()
        argv = ["podman", "exec", "-i", self.name, "perl", "/usr/local/bin/castle-sessions"]
        return Hub(await machine.transport.spawn(argv))

    async def pooler_session(self) -> Session:
        """PgBouncer's own console."""
        machine = await self.pooler()
        argv = ["podman", "exec", "-i", self.pooler_name, "psql", "-qAtX", "-h", "/tmp", "-p",  # noqa: S108
                str(self.options.pooler_port), "-U", "pgbouncer", "pgbouncer"]  # fmt: skip
        return Session(await machine.transport.spawn(argv), f"PgBouncer on machine {machine.id}")

    async def stop(self) -> str:
        """Stops PostgreSQL cleanly and gives the control data that the container wrote after the stop."""
        machine = await self.machine()
        script = f"podman stop -t 60 {self.name} >/dev/null && cat {self._control}"
        result = await machine.transport.run(["sh", "-c", script], timeout=90)
        if not result.ok:
            raise Transient("the database does not stop", why=result.last_words())
        return result.out

    async def stop_pooler(self) -> None:
        """Ends PgBouncer at once, so that its clients learn it before the machine vanishes without a word."""
        machine = await self.pooler()
        await machine.transport.run(["podman", "stop", "-t", "0", self.pooler_name])

    async def stopped_cleanly(self) -> bool:
        """Whether the server of the container that does not run was shut down, by the control data it left."""
        machine = await self.machine()
        result = await machine.transport.run(["grep", "-q", "^Database cluster state: *shut down$", self._control])
        return result.ok

    async def last_words(self) -> tuple[int, str, int]:
        """After the container ended: what pgBackRest ended with (0 if that is not known) and said, bytes left there.

        Read from the volume through the machine: a session inside dies with the container and tells nothing.
        """
        machine = await self.machine()
        result = await machine.transport.run(["sh", "-c", f"cd {self._volume} && {WORDS}"])
        if not result.out.strip():
            raise Unreachable(f"machine {machine.id} has no volume of the database", why=result.last_words())
        return read_words(result.out)

    async def peek(self, script: str, *args: str, timeout: float) -> tuple[str, Result]:
        """State and answer in one way into the machine."""
        machine = await self.machine()
        command = ["sh", "-c", _ENTER, "castle-look", self.name, str(UID), script, "castle-look", *args]
        result = await machine.transport.run(command, timeout=timeout)
        state, _, said = result.out.partition("\n")
        if state:
            return state, Result(result.code, said, result.err)
        if "no such" in result.err.lower():
            return ABSENT, Result(0, "", "")
        raise Transient(f"podman on machine {machine.id} does not answer", why=result.last_words())

    async def keep(self) -> None:
        """A container is only ever started by castle, each time with its order."""

    async def address(self) -> str:
        """Of the machine, whose network the container has."""
        return (await self.machine()).address

    async def door(self) -> Door:
        """At the pooler's machine."""
        return Door((await self.pooler()).address, self.options.pooler_port)

    def networks(self) -> Sequence[str]:
        """Machines stand in one network."""
        return (self.ctx.request.site.subnet,)

    def told(self) -> Mapping[str, Any]:
        """The names of its machines, and that it is in no cluster any more."""
        known = self.ctx.record.lineage.get(self.name, {})
        gone = {"namespace": None} if known.get("namespace") else {}
        return {"machine": self.options.machine, "pooler": self.options.pooler, **gone}

    async def way_in(self, command: str) -> tuple[Mapping[str, Any], str, str]:
        """Through the machine's podman."""
        machine = await self.machine()
        return {"machine": machine.id}, f"on machine {machine.id}", f"podman exec -it {self.name} {command}"
