"""A container outside the machines, of one layer and one run: to look into a repository, read back and prove."""

from __future__ import annotations

import abc
from collections.abc import Mapping, Sequence

from ephemeral_castle.errors import Transient
from ephemeral_castle.spi import marks
from ephemeral_castle.spi.driver import Context
from ephemeral_castle.spi.jobs import JobKey, Jobs
from ephemeral_castle.spi.packing import packed
from ephemeral_castle.spi.world import Process, Recipe, Result


class Outside(abc.ABC):
    """A throw-away container in the castle's own podman, on the namespace's network. A driver says what is its own.

    Attributes:
        HERE: directory in its memory where its configuration lies.
        OWNER: user and group id of its configuration.
        id: of the container that was seen or made with our mark; secrets go into no other.
    """

    HERE = "/run/castle"
    OWNER = 0

    def __init__(self, ctx: Context) -> None:
        self.ctx = ctx
        self.name = f"{ctx.request.castle.name}-{ctx.layer.id}-outside"
        self.id = ""

    @abc.abstractmethod
    def image(self) -> Recipe:
        """What it is made from."""

    def options(self) -> Sequence[str]:
        """What else podman is told when it starts it."""
        return ()

    def _podman(self, *args: str) -> list[str]:
        return self.ctx.world.enclosure.podman(*args)

    async def podman(self, *args: str, stdin: bytes = b"", timeout: float = 60.0) -> Result:
        """The castle's own podman."""
        env = self.ctx.world.enclosure.podman_env()
        return await self.ctx.world.exec.run(self._podman(*args), stdin=stdin, env=env, timeout=timeout)

    async def running(self) -> bool:
        """Whether the container runs with this run's configuration."""
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
        """Starts it anew and hands over its configuration (the reader's keys) into memory.

        Raises:
            Refused: a container that is not ours has its name. Transient: it does not start.
        """
        await self.remove()
        enclosure = self.ctx.world.enclosure
        result = await self.podman(
            "run", "-d", "--name", self.name, *marks.labels(self.ctx, run=self.ctx.run), "--network", "host",
            "--add-host", f"{enclosure.treasury_host}:{enclosure.gateway}", *self.options(),
            "--tmpfs", "/tmp",  # noqa: S108 - in the container
            self.ctx.world.images.reference(self.image()), "sleep", "infinity",
        )  # fmt: skip
        if not result.ok:
            raise await self._failed(result)
        self.id = result.out.strip()
        await self.deliver(files)

    async def _failed(self, result: Result) -> Exception:
        seen = await self._inspect()
        if seen is not None and not marks.is_ours(self.ctx, seen):
            return marks.stranger("container", self.name, self._podman("inspect", self.name))
        left = seen["id"] if seen else marks.holder(result.err)
        if left:
            await self.podman("rm", "-f", "-t", "0", left)
        return Transient("the container for proofs does not start", why=result.last_words())

    async def deliver(self, files: Mapping[str, str]) -> None:
        """Replaces its configuration."""
        result = await self.run("tar", "-xo", "-C", self.HERE, stdin=packed(files, self.OWNER))
        if not result.ok:
            raise Transient("the container for proofs does not take its configuration", why=result.last_words())

    async def run(self, *argv: str, stdin: bytes = b"", timeout: float = 60.0) -> Result:
        """A command in the container."""
        return await self.podman("exec", "-i", self._target, *argv, stdin=stdin, timeout=timeout)

    async def once(self, name: str, argv: Sequence[str], *, timeout: float) -> Result:
        """A long command in the container, once per run: see `spi.jobs.Jobs.do`."""

        async def enter(argv: Sequence[str], *, timeout: float) -> Result:
            return await self.run(*argv, timeout=timeout)

        return await Jobs(enter, f"container {self.name}").do(JobKey(self.ctx.run, name), argv, timeout=timeout)

    async def spawn(self, *argv: str) -> Process:
        """A conversation with a command in the container."""
        env = self.ctx.world.enclosure.podman_env()
        return await self.ctx.world.exec.spawn(self._podman("exec", "-i", self._target, *argv), env=env)

    @property
    def _target(self) -> str:
        return self.id or self.name

    async def remove(self) -> None:
        """Removes the container if it is ours; no error when it is gone, or has a namesake."""
        self.id = ""
        ours = ("--filter", f"name=^{self.name}$", "--filter", f"label={marks.MARK}={marks.own(self.ctx)}")
        await self.podman("rm", "-f", "-t", "0", *ours)
