"""Lends castle's own copy of the repository to its machines: they read it at their gateway while its host is silent."""

from __future__ import annotations

import sys
from pathlib import Path

from ephemeral_castle.errors import Permanent
from ephemeral_castle.spi.source import LENT_PORT, lent_url
from ephemeral_castle.spi.world import Clock, Enclosure, Exec
from ephemeral_castle.world.git_cache import GitCache
from ephemeral_castle.world.pidfile import ProcessMark

READY = 5.0  # seconds until it must answer
POLL = 0.01


class Lender:
    """A process in the castle's network namespace; it outlives the runner, and whatever ends the namespace ends it."""

    def __init__(self, exec_: Exec, clock: Clock, enclosure: Enclosure, runtime: Path) -> None:
        self._exec, self._clock, self._enclosure = exec_, clock, enclosure
        self._pid = runtime / "git.pid"

    async def lend(self, cache: GitCache, sha: str, branch: str) -> str:
        """Lends a commit that the cache has, under a branch; gives the address.

        Raises:
            Permanent: the port at the gateway is taken, or git refuses.
        """
        repository = await _prepared(cache, sha, branch)
        mark = ProcessMark.read(self._pid)
        if mark is None or not mark.alive or mark.command != str(repository):
            if mark is not None and mark.alive:
                await mark.end(self._clock)
            await self._start(repository)
        return lent_url(self._enclosure.gateway)

    async def _start(self, repository: Path) -> None:
        self._pid.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        where = f"{self._enclosure.gateway}:{LENT_PORT}"
        command = [sys.executable, "-m", "ephemeral_castle.world.git_door", "--listen", where]
        command += ["--repository", str(repository), "--pid-file", str(self._pid), "--mark", str(repository)]
        result = await self._exec.run(self._enclosure.enter(command), timeout=15.0)
        if not result.ok:
            raise Permanent(
                "castle's copy of the repository cannot be lent to its machines",
                where=f"{where}, in {self._enclosure.name}",
                why=result.last_words(1),
                hints=["castle doctor", "castle resume"],
            )
        deadline = self._clock.monotonic() + READY
        while (mark := ProcessMark.read(self._pid)) is None or not mark.alive:
            if self._clock.monotonic() > deadline:
                raise Permanent("the door to castle's copy of the repository does not open", why="no pid file")
            await self._clock.sleep(POLL)


async def _prepared(cache: GitCache, sha: str, branch: str) -> Path:
    """A repository with that one branch, which borrows its objects from the cache."""
    target = cache.directory.with_name(f"{cache.directory.name}-lent.git")
    if not (target / "HEAD").exists():
        made = await cache.git("init", "--quiet", "--bare", "--template=", str(target))
        if made.code:
            raise Permanent("castle's copy of the repository cannot be lent", where=str(target), why=made.err.strip())
        alternates = target / "objects/info/alternates"
        alternates.parent.mkdir(exist_ok=True)
        alternates.write_text(f"{cache.directory}/objects\n")
    ref = f"refs/heads/{branch}"
    for command in (("update-ref", ref, sha), ("symbolic-ref", "HEAD", ref)):
        done = await cache.git(f"--git-dir={target}", *command)
        if done.code:
            raise Permanent("castle's copy of the repository cannot be lent", where=str(target), why=done.err.strip())
    return target
