"""The whole example castle dies and comes back: rows, uploads, pages, name, certificate; and its bad days."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.e2e.days import FAILED, as_soon_as, kill_machines, says
from tests.e2e.whole import FILES, GATEWAY, WholeCastle, standing
from tests.e2e.writers import Writer
from tests.systems import WHOLE

pytestmark = [pytest.mark.machines, pytest.mark.evidence("real", *WHOLE)]

ROW = "A castle that may fall"  # of the table `posts`


@pytest.fixture(scope="module")
def castle() -> Iterator[WholeCastle]:
    with standing() as made:
        made.upload()
        yield made


class Visitor(threading.Thread):
    """Follows the name again and again, and keeps what it was shown at each address."""

    def __init__(self, castle: WholeCastle) -> None:
        super().__init__()
        self.castle = castle
        self.seen: dict[str, set[tuple[int, str]]] = {}
        self.end = threading.Event()

    def run(self) -> None:
        while not self.end.is_set():
            address, status, text = self.castle.get()
            self.seen.setdefault(address, set()).add((status, text))
            time.sleep(0.3)


def everything_is_there(castle: WholeCastle, writer: Writer, life: int) -> None:
    """The judges outside of the castle find each acknowledged row and each upload, and the name leads to the page."""
    assert castle.life() == life
    assert writer.missing(life) == set()
    found = castle.read()
    assert (found["files_back"], found["well"]) == (FILES, True), found
    address, status, text = castle.get()
    assert address == addresses(castle)["edge"]
    assert status == 200
    assert ROW in text
    status_ = castle.data("status")
    assert (status_["state"], status_["life"]) == ("up", life)
    assert {each["state"] for each in status_["services"]} == {"running"}, status_["services"]


def addresses(castle: WholeCastle) -> dict[str, str]:
    """Of the machines that stand."""
    return {each["name"]: each["address"] for each in castle.data("status")["machines"]}


def test_a_rebirth_brings_rows_uploads_pages_name_and_certificate_back(castle: WholeCastle) -> None:
    life, serial, before = castle.life(), castle.serial(), castle.answer()
    assert castle.get()[:2] == (before[0], 200)
    visitor = Visitor(castle)
    with Writer(castle) as writer:
        writer.wait_for(20)
        visitor.start()
        castle.rebirth()
        visitor.end.set()
        visitor.join()
        writer.wait_for(writer.count() + 20)
    everything_is_there(castle, writer, life + 1)
    assert castle.serial() == serial
    assert castle.answer() != before
    maintained = visitor.seen.get(GATEWAY, set())
    assert any(status == 503 and castle.name in text for status, text in maintained), visitor.seen.keys()
    report = castle.data("report")
    assert report["verified"] is True
    assert report["files"]["uploads"]["same"] is True
    assert {layer: loss["seconds"] for layer, loss in report["loss"].items()} == {"database": 0, "uploads": 0}
    assert report["warnings"] == []


def test_a_raise_with_nothing_changed_leaves_every_container_alone(castle: WholeCastle) -> None:
    life = castle.life()
    before, serial = castle.containers(life), castle.serial()
    # Just after a rebirth the maintenance page is still there, and ends by itself.
    assert castle.run("raise").stdout == f"life {life} stands as defined: nothing was changed\n"
    assert castle.containers(life) == before
    assert castle.serial() == serial


def test_a_drill_right_after_a_raise_does_not_find_the_repository_too_old(castle: WholeCastle) -> None:
    """The record had the server's own position as proven; it is archived only half a minute later."""
    life = castle.life()
    with Writer(castle) as writer:
        writer.wait_for(writer.count() + 20)
    castle.kill(421, life)
    castle.run("raise")
    castle.run("drill")
    everything_is_there(castle, writer, life)


def test_a_replica_that_dies_while_backups_are_proven_is_started_again_by_the_resume(castle: WholeCastle) -> None:
    """Whether it was stopped or only cannot be seen, no step can tell: nothing is destroyed, all is undone."""
    life = castle.life()
    with Writer(castle) as writer:
        writer.wait_for(writer.count() + 10)
        with as_soon_as(castle, "database.backup", lambda: castle.kill(421, life)):
            says(castle.rebirth(ok=False), FAILED, "421", "it does not run", "nothing was destroyed", "castle resume")
        writer.wait_for(writer.count() + 10)
        assert castle.life() == life
        # Whose turn it is: every second request came to the dead one first, and a reader was told 502.
        seen = [castle.get()[:2] for _ in range(4)]
        assert seen == [(addresses(castle)["edge"], 200)] * len(seen)
        castle.run("resume")
        writer.wait_for(writer.count() + 10)
    everything_is_there(castle, writer, life + 1)


def test_a_new_machine_that_dies_before_its_services_are_well_is_started_again_by_the_resume(
    castle: WholeCastle,
) -> None:
    life = castle.life()
    with Writer(castle) as writer:
        writer.wait_for(writer.count() + 10)
        with as_soon_as(castle, "blog.up-control", lambda: castle.kill(421, life + 1)):
            says(castle.rebirth(ok=False), FAILED, "421", "it does not run", "castle resume")
        castle.run("resume")
        writer.wait_for(writer.count() + 10)
    everything_is_there(castle, writer, life + 1)


def test_a_git_host_that_is_gone_is_replaced_by_the_copy_in_the_treasury(castle: WholeCastle) -> None:
    life, away = castle.life(), castle.base / "away.git"
    before = {each["commit"] for each in castle.data("status")["services"]}
    castle.repository.rename(away)
    try:
        with Writer(castle) as writer:
            writer.wait_for(writer.count() + 10)
            castle.rebirth()
            writer.wait_for(writer.count() + 10)
        everything_is_there(castle, writer, life + 1)
        texts = [each["text"] for each in castle.data("report")["warnings"]]
    finally:
        away.rename(castle.repository)
    assert {each["commit"] for each in castle.data("status")["services"]} == before
    assert any("copy" in text and "treasury" in text for text in texts), texts


def test_dead_machines_and_volumes_come_back_with_the_loss_told(castle: WholeCastle) -> None:
    life, log = castle.life(), castle.base / "acknowledged"
    with Writer(castle) as writer:
        writer.wait_for(writer.count() + 50)
        kept = writer.acknowledged()
        castle.run("backup")
        writer.wait_for(writer.count() + 50)
        kill_machines(castle)
    begun = time.time()
    castle.rebirth()
    loss: dict[str, Any] = castle.data("report")["loss"]
    assert {layer: each["bound"] for layer, each in loss.items()} == {"database": True, "uploads": True}
    assert 0 < loss["uploads"]["seconds"] < 120
    at = {int(line.split()[0]): float(line.split()[1]) for line in log.read_text().splitlines()}
    lost = writer.missing(life + 1)
    assert lost.isdisjoint(kept)
    assert all(at[row] > begun - loss["database"]["seconds"] for row in lost)
    with Writer(castle) as writer:  # the blog shows the new life's rows
        writer.wait_for(writer.count() + 20)
    found = castle.read()
    assert (found["files_back"], found["well"]) == (FILES, True), found
    address, status, text = castle.get()
    assert (address, status) == (addresses(castle)["edge"], 200)
    assert ROW in text
