"""A run whose runner was killed, cancelled: the runner that is started for it must know that it is to take back."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from tests.unit.model.plans import rebirth

from ephemeral_castle.cli import wiring
from ephemeral_castle.cli.places import places
from ephemeral_castle.errors import UsageError
from ephemeral_castle.journal.reader import JournalReader
from ephemeral_castle.journal.store import Journal
from ephemeral_castle.model.events import Event, Kind

EXAMPLE = Path(__file__).parents[2] / "examples" / "here" / "castle.yaml"


async def killed(path: Path) -> None:
    """A journal whose only run was started and never ended."""
    journal = await Journal.open(path)
    await journal.create_run("r1", rebirth(), "castle rebirth", 1000.0)
    await journal.take_over("r1")
    await journal.append(Event("r1", Kind.RUN_STARTED, 1001.0, data={"pid": 1}), durable=True)
    await journal.close()


async def cancelled(path: Path) -> None:
    """A journal whose only run was cancelled, and took back what it had begun."""
    await killed(path)
    journal = await Journal.open(path)
    await journal.take_over("r1")
    end = {"status": "cancelled", "exit_code": 4, "error": None}
    await journal.append(Event("r1", Kind.RUN_FINISHED, 1002.0, data=end), durable=True)
    await journal.close()


async def restarted(path: Path) -> None:
    """What the runner that `castle cancel` starts writes first."""
    journal = await Journal.open(path)
    await journal.take_over("r1")
    await journal.append(Event("r1", Kind.RUN_STARTED, 1003.0, data={"pid": 2}), durable=True)
    await journal.close()


def test_a_cancel_of_a_killed_run_was_void_once_its_new_runner_began(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CASTLE_STATE", str(tmp_path / "state"))
    monkeypatch.setenv("CASTLE_RUN", str(tmp_path / "run"))
    castle = wiring.load_castle(str(EXAMPLE))
    journal = places(castle.name).journal
    asyncio.run(killed(journal))
    launched: list[tuple[str, str]] = []
    monkeypatch.setattr(wiring, "_launch", lambda castle, run, lock, cancel_by="": launched.append((run, cancel_by)))
    assert wiring.cancel_run(castle, "r1")["passed_no_return"] is False
    asyncio.run(restarted(journal))
    with JournalReader(journal) as reader:
        assert reader.cancel_requested("r1") == "", "the request precedes the runner: it would resume the whole run"
    assert launched == [("r1", wiring._who())], "so the runner is told directly"


def test_a_resume_of_a_rebirth_that_was_cancelled_destroyed_the_castle(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`castle resume`, without a name typed, went on with what `castle cancel` had stopped minutes or weeks before."""
    monkeypatch.setenv("CASTLE_STATE", str(tmp_path / "state"))
    monkeypatch.setenv("CASTLE_RUN", str(tmp_path / "run"))
    castle = wiring.load_castle(str(EXAMPLE))
    asyncio.run(cancelled(places(castle.name).journal))
    monkeypatch.setattr(wiring, "_launch", lambda *_, **__: pytest.fail("it goes on"))
    with pytest.raises(UsageError, match="was cancelled") as refused:
        wiring.resume_run(castle, "r1")
    assert refused.value.hints == ("castle rebirth, to begin anew",)
