"""Castle's own copy of the repository, lent to machines while its host is silent: they read it, and nobody writes."""

from __future__ import annotations

import socket
import subprocess
import urllib.error
import urllib.request
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from ephemeral_castle.errors import Permanent, Refused
from ephemeral_castle.model.castle import Repository
from ephemeral_castle.spi.source import LENT_PORT, lent_url
from ephemeral_castle.world.clock import SystemClock
from ephemeral_castle.world.exec import LocalExec
from ephemeral_castle.world.git import GitSource
from ephemeral_castle.world.git_copies import GitCopies
from ephemeral_castle.world.git_lending import Lender
from ephemeral_castle.world.pidfile import ProcessMark
from tests.githosts import QUIET, Origin, Place

HOST = "127.0.0.94"


class Here:
    """An enclosure that is this computer."""

    name, gateway = "here", HOST

    def enter(self, argv: Any) -> list[str]:
        return list(argv)


class Bed:
    """A repository that castle knows, and where it is lent."""

    def __init__(self, tmp_path: Path) -> None:
        self.origin, self.place = Origin(tmp_path / "castle.git"), Place(tmp_path)
        self.sha = self.origin.commit({"a": "1"})
        self.pid = tmp_path / "run/git.pid"

    def source(self) -> GitSource:
        """As a new runner makes it."""
        lender = Lender(LocalExec(), SystemClock(), Here(), self.pid.parent)  # type: ignore[arg-type]
        copies = GitCopies(self.place.objects, self.place.keys.encrypt, self.place.keys.decrypt)
        repository = Repository(str(self.origin.directory))
        secrets = self.place.secrets
        return GitSource(repository, secrets, copies, LocalExec(), SystemClock(), self.place.home, lender)

    async def end(self) -> None:
        mark = ProcessMark.read(self.pid)
        if mark is not None:
            await mark.end(SystemClock())


@pytest.fixture
async def bed(tmp_path: Path) -> AsyncIterator[Bed]:
    made = Bed(tmp_path)
    yield made
    await made.end()


def git(*args: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["git", *args], capture_output=True, text=True, env=QUIET, check=False)


async def test_machines_read_what_is_lent_after_its_host_is_gone(bed: Bed, tmp_path: Path) -> None:
    source = bed.source()
    revision = await source.resolve()
    assert revision.name == "refs/heads/main"
    await source.keep(revision.sha)
    bed.place.lose_computer()
    bed.origin.directory.rename(tmp_path / "gone.git")

    source = bed.source()
    again = await source.resolve()
    assert (again.source, again.name) == ("bundle", "")
    url = await source.lend(again.sha, "main")
    assert url == lent_url(HOST) == f"http://{HOST}:{LENT_PORT}/castle.git"
    for protocol in ("0", "2"):
        target = tmp_path / f"clone-{protocol}"
        done = git("-c", f"protocol.version={protocol}", "clone", "-q", "--branch", "main", url, str(target))
        assert done.returncode == 0, done.stderr
        assert git("-C", str(target), "rev-parse", "HEAD").stdout.strip() == bed.sha


async def test_the_same_door_gives_the_next_commit(bed: Bed, tmp_path: Path) -> None:
    source = bed.source()
    await source.resolve()
    await source.lend(bed.sha, "main")
    before = ProcessMark.read(bed.pid)
    newer = bed.origin.commit({"a": "2"})
    await source.resolve()
    await source.lend(newer, "main")
    assert ProcessMark.read(bed.pid) == before
    assert git("ls-remote", lent_url(HOST), "refs/heads/main").stdout.split()[0] == newer


async def test_nobody_writes_and_nothing_else_is_there(bed: Bed, tmp_path: Path) -> None:
    source = bed.source()
    await source.resolve()
    url = await source.lend(bed.sha, "main")
    git("clone", "-q", url, str(tmp_path / "c"))
    git("-C", str(tmp_path / "c"), "commit", "-q", "--allow-empty", "-m", "x")
    assert git("-C", str(tmp_path / "c"), "push", url, "HEAD:main").returncode != 0
    root = url.removesuffix("/castle.git")
    for path in ("/castle.git/HEAD", "/castle.git/objects/info/alternates", "/other.git/info/refs", "/"):
        with pytest.raises(urllib.error.HTTPError, match="404"):
            urllib.request.urlopen(f"{root}{path}", timeout=5)  # noqa: ASYNC210 - another process answers


async def test_a_port_that_is_taken_is_told(bed: Bed, tmp_path: Path) -> None:
    source = bed.source()
    await source.resolve()
    with socket.create_server((HOST, LENT_PORT)), pytest.raises(Permanent, match="cannot be lent"):
        await source.lend(bed.sha, "main")


async def test_without_machines_nothing_is_lent(bed: Bed) -> None:
    source = bed.place.source(Repository(str(bed.origin.directory)))
    await source.resolve()
    with pytest.raises(Refused):
        await source.lend(bed.sha, "main")
