"""A container outside the machines with the castle's own pgBackRest: `info`, reading back, proofs."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Mapping, Sequence

from ephemeral_castle.drivers.postgres.image import POSTGRES, UID
from ephemeral_castle.errors import Transient
from ephemeral_castle.spi import marks
from ephemeral_castle.spi.driver import Context
from ephemeral_castle.spi.jobs import JobKey, Jobs
from ephemeral_castle.spi.world import Process, Result


def packed(files: Mapping[str, str]) -> bytes:
    """A tar archive of texts, owner postgres, mode 0600: delivered by standard input, so it never is on a disk."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, text in files.items():
            data = text.encode()
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode, entry.uid, entry.gid = len(data), 0o600, UID, UID
            archive.addfile(entry, io.BytesIO(data))
    return buffer.getvalue()


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
        """Starts it anew and hands over its configuration (reader's credentials) into memory.

        Raises:
            Refused: a container that is not ours has its name. Transient: it does not start.
        """
        await self.remove()
        enclosure = self.ctx.world.enclosure
        result = await self.podman(
            "run", "-d", "--name", self.name, *marks.labels(self.ctx, run=self.ctx.run), "--network", "host",
            "--user", "postgres", "--add-host", f"{enclosure.treasury_host}:{enclosure.gateway}",
            "--tmpfs", "/run/castle:mode=1777", "--tmpfs", "/tmp",  # noqa: S108 - in the container
            self.ctx.world.images.reference(POSTGRES), "sleep", "infinity",
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
        """Replaces its configuration."""
        result = await self.run("tar", "-xo", "-C", "/run/castle", stdin=packed(files))
        if not result.ok:
            raise Transient("the container for proofs does not take its configuration", why=result.last_words())

    async def run(self, *argv: str, stdin: bytes = b"", timeout: float = 60.0) -> Result:
        """A command in the container."""
        return await self.podman("exec", "-i", self._target, *argv, stdin=stdin, timeout=timeout)

    async def job(self, name: str, *argv: str, timeout: float) -> Result:
        """A long command in the container, once per run: see `spi.jobs.Jobs.do`."""

        async def enter(argv: Sequence[str], *, timeout: float) -> Result:
            return await self.run(*argv, timeout=timeout)

        return await Jobs(enter, f"container {self.name}").do(JobKey(self.ctx.run, name), argv, timeout=timeout)

    async def spawn(self, *argv: str) -> Process:
        """A conversation with a command in the container."""
        env = self.ctx.world.enclosure.podman_env()
        return await self.ctx.world.exec.spawn(self._podman("exec", "-i", self._target, *argv), env=env)

    async def pgbackrest(self, *args: str, timeout: float = 120.0) -> Result:
        """PgBackRest with the reader's configuration."""
        return await self.run(
            "pgbackrest", "--config=/run/castle/pgbackrest.conf", "--stanza=castle", *args, timeout=timeout
        )

    @property
    def _target(self) -> str:
        return self.id or self.name

    async def remove(self) -> None:
        """Removes the container if it is ours; no error when it is gone, or has a namesake."""
        self.id = ""
        ours = ("--filter", f"name=^{self.name}$", "--filter", f"label={marks.MARK}={marks.own(self.ctx)}")
        await self.podman("rm", "-f", "-t", "0", *ours)
