"""Where the files are in one life: a volume on a machine, and the containers of restic that work on it."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ephemeral_castle.drivers.restic.access import GRACE, HERE, host_of
from ephemeral_castle.drivers.restic.access import script as work
from ephemeral_castle.drivers.restic.answers import fields_of
from ephemeral_castle.drivers.restic.image import RESTIC
from ephemeral_castle.drivers.restic.options import ResticOptions
from ephemeral_castle.drivers.restic.steps import LONG
from ephemeral_castle.errors import Transient
from ephemeral_castle.spi import marks
from ephemeral_castle.spi.driver import Context
from ephemeral_castle.spi.jobs import JobKey, Jobs
from ephemeral_castle.spi.packing import packed
from ephemeral_castle.spi.world import Machine, Result

VOLUMES = "/var/lib/containers/storage/volumes"
# Unpacks what standard input brings into memory, then becomes the command.
DELIVER = 'umask 077; folder=$1; shift; mkdir -p "$folder" && tar -xpo -C "$folder" && exec "$@"'
# Everything that changes when a file does, in one digest: 100,000 files take a quarter of a second.
STIRRING = r"""find . -printf '%P\0%i %s %T@ %C@ %m %U %G\0' | LC_ALL=C sort -z | sha256sum | cut -d ' ' -f 1"""


@dataclass(frozen=True)
class Volume:
    """The volume as podman has it. `made`: when; `ours`: whether it carries the mark of this castle and layer."""

    made: str
    ours: bool


class Place:
    """One life's volume of one `restic` layer. `old`: the life that this run ends or works on."""

    def __init__(self, ctx: Context, *, old: bool = False) -> None:
        self.ctx = ctx
        self.old = old
        self.options: ResticOptions = ctx.options
        self.name = ctx.layer.id
        self.folder = f"/run/castle/{self.name}"
        known = ctx.record.lineage.get(self.name, {}) if old else {}
        # A life that stands is as it was raised, whatever the definition says since.
        self.machine_name = str(known.get("machine") or self.options.machine)
        self.volume_name = str(known.get("volume") or self.options.volume)

    @property
    def life(self) -> int:
        """Number of the life."""
        return self.ctx.old_life if self.old else self.ctx.life

    async def machine(self) -> Machine:
        """The machine that carries the volume."""
        return await self.ctx.machine(self.machine_name, old=self.old)

    async def volume(self, name: str = "") -> Volume | None:
        """The volume (or another of that name), or None when the machine has none.

        Raises:
            Unreachable: the machine does not answer. Transient: its podman does not.
        """
        machine = await self.machine()
        form = f'{{{{.CreatedAt}}}}|{{{{index .Labels "{marks.MARK}"}}}}|{{{{index .Labels "castle.layer"}}}}'
        command = ["podman", "volume", "inspect", "-f", form, name or self.volume_name]
        result = await machine.transport.run(command)
        if result.ok:
            made, _, mark = result.out.strip().partition("|")
            return Volume(made, mark == f"{marks.own(self.ctx)}|{self.name}")
        if "no such volume" in result.err.lower():
            return None
        raise Transient(f"podman on machine {machine.id} cannot list its volumes", why=result.last_words())

    async def stirring(self) -> str:
        """A digest that changes when anything in the tree does."""
        machine = await self.machine()
        script = f"cd {shlex.quote(self._data)} && {STIRRING}"
        result = await machine.transport.run(["sh", "-c", script], timeout=600)
        if not result.ok:
            raise Transient(f"the files on machine {machine.id} cannot be looked at", why=result.last_words())
        return result.out.strip()

    @property
    def _data(self) -> str:
        return f"{VOLUMES}/{self.volume_name}/_data"

    async def read(self, verb: str, *args: str, files: Mapping[str, str], key: str, again: bool = False,
                   timeout: float = LONG) -> Result:  # fmt: skip
        """Work that leaves the tree as it is; prints a digest of the tree before and after it.

        The directory is mounted by its path: a volume that no service mounted yet gets its first content from there.
        """
        prepare = f'cd {shlex.quote(self._data)} && printf \'before "%s"\\n\' "$({STIRRING})"'
        finish = f'printf \'after "%s"\\n\' "$({STIRRING})"'
        run = self._container(verb, args, f"{self._data}:/data:ro", timeout)
        script = f"{prepare} && {run} || exit $?; {finish}"
        return await self._job(key, script, files, again=again, timeout=timeout)

    async def write(self, verb: str, *args: str, files: Mapping[str, str], key: str, again: bool = False,
                    volume: str = "", timeout: float = LONG) -> Result:  # fmt: skip
        """Work on the tree itself; makes the volume first, with castle's mark and Compose's, and prints when that was.

        Args:
            verb: of the script.
            args: for it.
            files: what the container reads.
            key: name of the job.
            again: whether a success of before does not count.
            volume: another volume than the layer's.
            timeout: seconds that restic has.
        """
        name = volume or self.volume_name
        run = self._container(verb, args, f"{name}:/data", timeout)
        script = f"{self._create(name)}; {run} && {self._made(name)}"
        return await self._job(key, script, files, again=again, timeout=timeout)

    async def begin(self) -> str:
        """Makes the volume for a first birth; whoever mounts it first fills it. Gives when it was made."""
        machine = await self.machine()
        script = f"{self._create(self.volume_name)}; {self._made(self.volume_name)}"
        result = await machine.transport.run(["sh", "-c", script])
        if not result.ok:
            raise Transient(f"machine {machine.id} does not make the volume", why=result.last_words())
        return str(fields_of(result.out, ["made"])["made"])

    def _create(self, name: str) -> str:
        """Shell: makes volumes that are not there. With Compose's labels podman-compose takes its own for its own."""
        labels = marks.labels(self.ctx, life=str(self.life), layer=self.name)
        project, _, short = name.partition("_")
        named = ("com.docker.compose.project", "io.podman.compose.project") if short else ()
        marked = [*(f"{label}={project}" for label in named), f"com.docker.compose.volume={short}"] if short else []
        compose = [part for label in marked for part in ("--label", label)]
        own = shlex.join(["podman", "volume", "create", *labels, f"{self.name}-castle"])
        data = shlex.join(["podman", "volume", "create", *labels, *compose, name])
        return f"{own} >/dev/null 2>&1; {data} >/dev/null 2>&1"

    @staticmethod
    def _made(name: str) -> str:
        return f"""podman volume inspect -f 'made "{{{{.CreatedAt}}}}"' {shlex.quote(name)}"""

    def _container(self, verb: str, args: Sequence[str], data: str, seconds: float) -> str:
        """Shell: one container of restic. Of a layer there is one at a time: the next one ends what was left."""
        enclosure = self.ctx.world.enclosure
        host = host_of(self.ctx, self.life)
        command = [
            "podman", "run", "--rm", "--replace", "--name", f"{self.name}-restic", "--hostname", host,
            "--network", "host", "--add-host", f"{enclosure.treasury_host}:{enclosure.gateway}",
            "-v", f"{self.folder}:{HERE}:ro", "-v", f"{self.name}-castle:/castle", "-v", data,
            "--tmpfs", "/tmp",  # noqa: S108 - in the container; a full disk can still be told
            self.ctx.world.images.reference(RESTIC), *work(verb, args, seconds),
        ]  # fmt: skip
        return shlex.join(command)

    async def _job(self, key: str, script: str, files: Mapping[str, str], *, again: bool, timeout: float) -> Result:
        """One call: files into memory, then the job, or the one that a former runner began."""
        machine = await self.machine()
        archive = packed(files)

        async def enter(argv: Sequence[str], *, timeout: float) -> Result:
            command = ["sh", "-c", DELIVER, "deliver", self.folder, *argv]
            return await machine.transport.run(command, stdin=archive, timeout=timeout)

        jobs = Jobs(enter, f"machine {machine.id}")
        job = JobKey(self.ctx.run, f"{self.name}-{key}")
        return await jobs.do(job, ["sh", "-c", script], timeout=timeout + GRACE, again=again)
