"""A container outside the machines with restic: what is in the repository, reading back, proofs, forgetting."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ephemeral_castle.drivers.restic.access import GRACE, HERE, host_of, packed, script
from ephemeral_castle.drivers.restic.image import RESTIC
from ephemeral_castle.errors import Transient
from ephemeral_castle.spi import marks
from ephemeral_castle.spi.driver import Context
from ephemeral_castle.spi.jobs import JobKey, Jobs
from ephemeral_castle.spi.world import Result

DISK = "/proof"


class Outside:
    """The throw-away container of one layer, in the castle's own podman, on the namespace's network."""

    def __init__(self, ctx: Context) -> None:
        self.ctx = ctx
        self.name = f"{ctx.request.castle.name}-{ctx.layer.id}-outside"
        self.id = ""  # of the container that was seen or made with our mark; secrets go into no other

    def _podman(self, *args: str) -> list[str]:
        return self.ctx.world.enclosure.podman(*args)

    async def podman(self, *args: str, stdin: bytes = b"", timeout: float = 60.0) -> Result:
        """The castle's own podman."""
        env = self.ctx.world.enclosure.podman_env()
        return await self.ctx.world.exec.run(self._podman(*args), stdin=stdin, env=env, timeout=timeout)

    async def running(self) -> bool:
        """Whether the container runs for this run."""
        seen = await self._inspect() or {}
        runs = marks.is_ours(self.ctx, seen) and seen["running"] == "true" and seen["castle.run"] == self.ctx.run
        self.id = seen["id"] if runs else ""
        return runs

    async def _inspect(self) -> dict[str, str] | None:
        """State, id and marks of whatever has the name; None when nothing has it."""
        keys = (marks.MARK, "castle.run")
        labels = "|".join(f'{{{{index .Config.Labels "{key}"}}}}' for key in keys)
        result = await self.podman("inspect", "-f", f"{{{{.State.Running}}}}|{labels}|{{{{.Id}}}}", self.name)
        if not result.ok:
            return None
        return dict(zip(("running", *keys, "id"), result.out.strip().split("|"), strict=True))

    async def start(self, files: Mapping[str, str]) -> None:
        """Starts it anew and hands over what it reads (the reader's keys) into memory.

        Raises:
            Refused: a container that is not ours has its name. Transient: it does not start.
        """
        await self.remove()
        enclosure = self.ctx.world.enclosure
        host = host_of(self.ctx, self.ctx.life)
        result = await self.podman(
            "run", "-d", "--name", self.name, "--hostname", host, *marks.labels(self.ctx, run=self.ctx.run),
            "--network", "host", "--add-host", f"{enclosure.treasury_host}:{enclosure.gateway}",
            "--tmpfs", f"{HERE}:mode=0700", "--tmpfs", "/tmp",  # noqa: S108 - in the container
            self.ctx.world.images.reference(RESTIC), "sleep", "infinity",
        )  # fmt: skip
        if not result.ok:
            seen = await self._inspect()
            if seen is not None and not marks.is_ours(self.ctx, seen):
                raise marks.stranger("container", self.name, self._podman("inspect", self.name))
            left = seen["id"] if seen else marks.holder(result.err)
            if left:
                await self.podman("rm", "-f", "-t", "0", left)
            raise Transient("the container for proofs does not start", why=result.last_words())
        self.id = result.out.strip()
        await self.deliver(files)

    async def deliver(self, files: Mapping[str, str]) -> None:
        """Replaces what it reads."""
        result = await self.podman("exec", "-i", self._target, "tar", "-xo", "-C", HERE, stdin=packed(files))
        if not result.ok:
            raise Transient("the container for proofs does not take its configuration", why=result.last_words())

    async def work(self, verb: str, *args: str, timeout: float = 300.0) -> Result:
        """A short command of the script; restic is ended after `timeout` seconds."""
        command = script(verb, args, timeout)
        return await self.podman("exec", "-i", self._target, *command, timeout=timeout + GRACE)

    async def job(self, name: str, verb: str, *args: str, timeout: float) -> Result:
        """A long command of the script, once per run: see `spi.jobs.Jobs.do`."""

        async def enter(argv: Sequence[str], *, timeout: float) -> Result:
            return await self.podman("exec", "-i", self._target, *argv, timeout=timeout)

        jobs = Jobs(enter, f"container {self.name}")
        command = script(verb, args, timeout)
        return await jobs.do(JobKey(self.ctx.run, f"{self.ctx.layer.id}-{name}"), command, timeout=timeout + GRACE)

    @property
    def _target(self) -> str:
        return self.id or self.name

    async def remove(self) -> None:
        """Removes the container if it is ours; no error when it is gone, or has a namesake."""
        self.id = ""
        ours = ("--filter", f"name=^{self.name}$", "--filter", f"label={marks.MARK}={marks.own(self.ctx)}")
        await self.podman("rm", "-f", "-t", "0", *ours)
