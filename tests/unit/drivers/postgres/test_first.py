"""The first process of the image, as a machine's container and as the two containers of a pod run it."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ephemeral_castle.drivers.postgres import image

STUBS = {
    "initdb": 'mkdir -p "$2" && touch "$2/PG_VERSION" "$2/postgresql.conf" && mkdir -p "$2/global" '
    '&& touch "$2/global/pg_control" && echo initdb >> "$SAID"',
    # A shell that another one started with `&` cannot catch SIGINT.
    "postgres": """exec perl -e '$SIG{INT} = sub { exit 0 }; system "echo postgres >> $ENV{SAID}"; sleep 1 while 1'""",
    "pg_controldata": "echo Database cluster state: shut down",
    "psql": "exit 1",
    "pgbackrest": 'echo "pgbackrest $*" >> "$SAID"; case "$*" in *restore*) [ ! -e "$BROKEN" ] || { echo "$*" no >&2; '
    'exit 75; }; mkdir -p "$PG/data/global"; touch "$PG/data/postgresql.conf" "$PG/data/global/pg_control";; esac',
}


class Volume:
    """A volume, and containers over it, with stand-ins for the programs."""

    def __init__(self, base: Path) -> None:
        self.base = base
        self.processes: list[subprocess.Popen[str]] = []
        self.pg, self.run = base / "pg", base / "run"
        self.said, self.broken, self.words = base / "said", base / "broken", base / "termination-log"
        bin_ = base / "bin"
        for folder in (self.pg, self.run, bin_):
            folder.mkdir()
        (self.run / "castle.conf").write_text("port = 5432\n")
        (self.run / "heartbeat").write_text("60")
        for name, text in STUBS.items():
            (bin_ / name).write_text(f"#!/bin/sh\n{text}\n")
            (bin_ / name).chmod(0o755)
        self.env = {
            "PATH": f"{bin_}:{os.environ['PATH']}", "SAID": str(self.said), "BROKEN": str(self.broken),
            "PG": str(self.pg), "CASTLE_POD": "pod-1",
        }  # fmt: skip
        self.first, self.stop = self._moved(image.FIRST, bin_), self._moved(image.STOP, bin_)

    def _moved(self, text: str, bin_: Path) -> str:
        text = text.replace(image.BIN, str(bin_)).replace("/run/castle", str(self.run))
        text = text.replace("/dev/termination-log", str(self.words)).replace(image.STOPPING, f"{self.base}/stopping")
        return re.sub(r"(?<![\w.$])/pg(?=[/ )\n])", str(self.pg), text)

    def start(self, *order: str, pod: str = "pod-1") -> subprocess.Popen[str]:
        """The process of one container."""
        command = ["sh", "-c", self.first, "castle-postgres", *order]
        env = {**self.env, "CASTLE_POD": pod}
        process = subprocess.Popen(command, env=env, text=True, start_new_session=True)
        self.processes.append(process)
        return process

    def serve(self, *order: str) -> subprocess.Popen[str]:
        """A container whose server runs."""
        process = self.start(*order)
        until(lambda: "postgres" in self.log())
        time.sleep(0.2)  # the shell sets its trap right after it has started the server
        return process

    def only(self, *order: str, pod: str = "pod-1") -> int:
        """An init container, to its end."""
        return self.start("only", *order, pod=pod).wait(10)

    def log(self) -> list[str]:
        """What the programs were asked for."""
        return self.said.read_text().splitlines() if self.said.exists() else []


@pytest.fixture
def volume(tmp_path: Path) -> Iterator[Volume]:
    made = Volume(tmp_path)
    yield made
    for process in made.processes:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(5)


def until(done: Callable[[], bool]) -> None:
    for _ in range(250):
        if done():
            return
        time.sleep(0.02)
    raise AssertionError("it does not come")


def test_on_a_machine_one_container_does_all(volume: Volume) -> None:
    process = volume.serve("birth")
    process.send_signal(signal.SIGTERM)
    assert process.wait(5) == 0
    assert "shut down" in (volume.pg / "control").read_text()
    assert volume.log() == ["initdb", "postgres"]
    assert not (volume.pg / "pod").exists()


def test_an_order_alone_prepares_and_ends(volume: Volume) -> None:
    assert volume.only("birth") == 0
    assert volume.log() == ["initdb"]
    assert (volume.pg / "data/castle.conf").read_text() == "port = 5432\n"
    assert "include_if_exists" in (volume.pg / "data/postgresql.conf").read_text()
    assert not (volume.pg / "ready").exists()


def test_a_container_that_stays_ends_its_server_on_order_and_waits(volume: Volume) -> None:
    volume.only("birth")
    process = volume.serve("stay")
    stop = volume.stop.replace("kill -TERM 1", f"kill -TERM {process.pid}")
    for _ in (1, 2):  # a runner that lost the answer asks again
        said = subprocess.run(["sh", "-c", stop], capture_output=True, text=True, check=True, timeout=20)
        assert "shut down" in said.stdout
    assert process.poll() is None
    process.send_signal(signal.SIGTERM)
    assert process.wait(5) == 0


def test_a_server_that_fell_over_is_left_to_the_kubelet(volume: Volume) -> None:
    volume.only("birth")
    process = volume.serve("stay")
    process.send_signal(signal.SIGTERM)  # without an order to stay
    assert process.wait(5) == 0


def test_a_kubelet_that_starts_it_again_wakes_nothing_behind_a_fence(volume: Volume) -> None:
    """Heartbeat and vacuum woke with the container, and wrote behind the cut."""
    volume.only("birth")
    (volume.pg / "fenced").touch()
    (volume.pg / "data/castle.conf").write_text("autovacuum = off\n")
    volume.serve("stay")
    assert volume.only("birth") == 0  # after a reboot the init container, too
    assert (volume.pg / "fenced").exists()
    assert (volume.pg / "data/castle.conf").read_text() == "autovacuum = off\n"
    assert volume.only("serve", pod="pod-2") == 0  # castle's own start wakes both
    assert not (volume.pg / "fenced").exists()
    assert (volume.pg / "data/castle.conf").read_text() == "port = 5432\n"


def test_an_order_that_failed_is_not_tried_again_in_its_pod(volume: Volume) -> None:
    """The second try failed by another error, "path is not empty", and hid the first."""
    volume.broken.touch()
    for _ in (1, 2):
        volume.words.unlink(missing_ok=True)
        assert volume.only("restore", "--repo=1") == 1
        free, failed, *log = volume.words.read_text().splitlines()
        assert int(free) > 0
        assert failed == "restore 75"
        assert log
    assert len(volume.log()) == 1
    volume.broken.unlink()
    assert volume.only("restore", "--repo=1", "--delta", pod="pod-2") == 0


def test_a_restore_that_was_broken_off_goes_on(volume: Volume) -> None:
    (volume.pg / "restoring").touch()
    assert volume.only("restore", "--repo=1") == 0
    assert volume.log() == ["pgbackrest --stanza=castle restore --repo=1 --delta"]
    assert not (volume.pg / "restoring").exists()


def test_a_restored_volume_is_not_restored_again(volume: Volume) -> None:
    assert volume.only("restore", "--repo=1") == 0
    assert (volume.pg / "fenced").exists()
    assert volume.only("restore", "--repo=1", pod="pod-2") == 0
    assert len(volume.log()) == 1


def test_the_local_repository_learns_of_a_restored_cluster_beside_its_server(volume: Volume) -> None:
    volume.only("restore", "--repo=1")
    assert (volume.pg / "unknown").exists()
    volume.serve("stay")
    until(lambda: not (volume.pg / "unknown").exists())
    assert "pgbackrest --stanza=castle --no-online stanza-create" in volume.log()


def test_the_configuration_can_be_written_to_whatever_its_secret_may(volume: Volume) -> None:
    """A Secret's file is read only, and so were its copies: the one in a backup could not be replaced."""
    (volume.run / "castle.conf").chmod(0o440)
    assert volume.only("birth") == 0
    there = volume.pg / "data/castle.conf"
    assert there.stat().st_mode & 0o777 == 0o600
    there.chmod(0o440)
    assert volume.only("serve", pod="pod-2") == 0
    assert there.stat().st_mode & 0o777 == 0o600


def test_an_empty_volume_is_not_served(volume: Volume) -> None:
    """A volume that was lost came back empty, and a new database was begun in it beside the old one's backups."""
    assert volume.only("serve") == 1
    assert "no database on the volume" in volume.words.read_text()
    assert volume.log() == []
