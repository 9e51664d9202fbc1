"""`castle raise` where nothing changed makes no run; where anything did, it makes one and mends it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.whole import WholeCastle, standing
from tests.systems import WHOLE

pytestmark = [pytest.mark.machines, pytest.mark.evidence("real", *WHOLE)]

SETTLED = "life 1 stands as defined: nothing was changed\n"


@pytest.fixture(scope="module")
def castle() -> Iterator[WholeCastle]:
    with standing() as made:
        yield made


def newest(castle: WholeCastle) -> str:
    """Id of the newest run."""
    return castle.run("runs").stdout.splitlines()[1].split()[0]


def runs_once(castle: WholeCastle) -> None:
    """The next raise is a run, and the one after it has nothing to do."""
    before = newest(castle)
    castle.run("raise")
    made = newest(castle)
    assert made != before
    assert castle.run("raise").stdout == SETTLED
    assert newest(castle) == made


def test_nothing_changed(castle: WholeCastle) -> None:
    before, containers, names = newest(castle), castle.containers(1), castle.names()
    assert castle.run("raise").stdout == SETTLED
    assert castle.data("raise") == {
        "kind": "settled", "castle": castle.name, "site": "here", "life": 1, "changed": False
    }  # fmt: skip
    assert newest(castle) == before
    assert (castle.containers(1), castle.names()) == (containers, names)


def test_a_stopped_service(castle: WholeCastle) -> None:
    castle.podman("exec", f"{castle.name}-1-431", "podman", "kill", "blog_blog_1")
    runs_once(castle)


def test_a_stopped_pooler(castle: WholeCastle) -> None:
    castle.podman("exec", f"{castle.name}-1-432", "podman", "stop", "-t", "0", "database-pooler")
    runs_once(castle)


def test_a_changed_password(castle: WholeCastle) -> None:
    castle.sql("alter role app password 'another'", life=1)
    runs_once(castle)


def test_a_removed_door(castle: WholeCastle) -> None:
    mark = json.loads(next(castle.base.rglob("blog-edge.forward.pid")).read_text())
    os.kill(int(mark["pid"]), signal.SIGKILL)
    runs_once(castle)
    assert castle.data("status")["addresses"]["blog-edge"]


def test_a_changed_definition(castle: WholeCastle) -> None:
    text = castle.file.read_text()
    castle.file.write_text("# a comment means nothing\n" + text)
    assert castle.run("raise").stdout == SETTLED
    castle.file.write_text(text.replace("proof: {max_age: 24h}", "proof: {max_age: 23h}"))
    runs_once(castle)


def test_a_changed_revision(castle: WholeCastle) -> None:
    git = ["git", "--git-dir", str(castle.repository)]
    who = ["-c", "user.name=t", "-c", "user.email=t@t"]
    tree = subprocess.run([*git, "rev-parse", "main^{tree}"], capture_output=True, check=True, text=True).stdout.strip()
    commit = [*git, *who, "commit-tree", tree, "-p", "main", "-m", "the same files"]
    made = subprocess.run(commit, capture_output=True, check=True, text=True).stdout.strip()
    subprocess.run([*git, "update-ref", "refs/heads/main", made], check=True)
    runs_once(castle)


def test_a_host_of_the_repository_that_does_not_answer(castle: WholeCastle) -> None:
    away: Path = castle.repository.with_suffix(".away")
    castle.repository.rename(away)
    before = newest(castle)
    castle.run("raise")
    assert newest(castle) != before
    away.rename(castle.repository)


def test_a_stopped_machine(castle: WholeCastle) -> None:
    castle.kill(421, 1)
    runs_once(castle)
