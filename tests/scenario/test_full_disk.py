"""The disk under the journal is full at some event: the run ends with a word, and nothing is lost by it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ephemeral_castle.journal.faults import no_room
from ephemeral_castle.model.events import Kind, RunStatus
from tests.scenario.infra import Power
from tests.scenario.stage import Memory, Stage

if TYPE_CHECKING:
    from pathlib import Path

    from ephemeral_castle.model.events import Event


class Full(Memory):
    """Takes one event less, as a journal does that gives its reserve up. `at`: number of the event that is refused."""

    def __init__(self, stage: Stage, at: int, path: Path) -> None:
        super().__init__(stage)
        self.disk = stage.journal.disk
        self.at, self.path = at, path
        self.refused: Event | None = None

    def _write(self, event: Event, *, durable: bool) -> Event:
        if self.refused is None and len(self.disk) + 1 >= self.at:
            self.refused = event
            raise no_room(self.path, "database or disk is full")
        return super()._write(event, durable=durable)


def _events() -> int:
    power = Power()
    Stage().play(power)
    return power.events


EVENTS = _events()


def test_a_runner_that_meets_a_full_disk_ends_with_a_word(tmp_path: Path) -> None:
    """It died in silence: `castle status` told of a run that was broken off, and nobody knew why."""
    for number in range(3, EVENTS + 1):
        stage = Stage()
        stage.journal = Full(stage, number, tmp_path / "journal.db")
        stage.play()
        assert stage.result in (RunStatus.FAILED, RunStatus.DONE), number
        if stage.result is RunStatus.DONE:  # the word that was refused is one that nobody waited for
            continue
        assert stage.error()["message"] == "no room left for the journal", number
        assert any("make room" in hint for hint in stage.error()["hints"])
        if not stage.view.passed_no_return:
            stage.assert_as_before()
        stage.play()
        stage.assert_reborn()


def test_a_deletion_that_could_not_be_announced_left_clients_locked_out(tmp_path: Path) -> None:
    """The live state believed what the journal had refused: the fence stayed, behind a run that destroyed nothing."""
    stage = met(tmp_path, "machines.destroy", Kind.STEP_INTENT)
    assert stage.result is RunStatus.FAILED
    assert not stage.view.passed_no_return
    stage.assert_as_before()


def test_a_proof_whose_end_could_not_be_written_opened_the_database(tmp_path: Path) -> None:
    """The resume then compared what clients had written meanwhile with the seal, and could never end."""
    stage = met(tmp_path, "database.data-proof", Kind.STEP_FINISHED)
    assert stage.result is RunStatus.FAILED
    assert stage.view.steps["database.lift"].begun_at is None
    stage.play()
    stage.assert_reborn()


def met(path: Path, step: str, kind: Kind) -> Stage:
    """A run that meets a full disk at the first event of that kind of a step."""
    known = Stage()
    known.play()
    stage = Stage()
    at = next(event.seq for event in known.events if (event.step, event.kind) == (step, kind))
    stage.journal = Full(stage, at, path / "journal.db")
    stage.play()
    refused = stage.journal.refused
    assert refused is not None
    assert (refused.step, refused.kind) == (step, kind)
    return stage
