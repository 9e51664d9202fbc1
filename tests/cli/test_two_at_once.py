"""Two commands in the same instant, as real processes: one begins, the other leaves nothing behind."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from ephemeral_castle.journal.lock import LocalLock
from ephemeral_castle.journal.reader import JournalReader
from ephemeral_castle.model.events import RunStatus

EXAMPLE = Path(__file__).parents[2] / "examples" / "here" / "castle.yaml"
COMMAND = """
import asyncio, json, pathlib, sys, time
from ephemeral_castle.cli import runner, wiring
from ephemeral_castle.cli.places import places
from ephemeral_castle.errors import CastleError
from ephemeral_castle.journal.store import Journal
from ephemeral_castle.model.castle import Verb
from ephemeral_castle.model.events import Event, Kind

folder, file, resumed = pathlib.Path(sys.argv[1]), sys.argv[2], sys.argv[3]

async def own(castle, run, lock, **told):
    lock.sign(run, time.time())
    journal = await Journal.open(places(castle.name).journal)
    await journal.take_over(run)
    await journal.append(Event(run, Kind.RUN_STARTED, time.time()), durable=True)
    while not (folder / "go").exists():
        await asyncio.sleep(0.01)
    data = {"status": (folder / "go").read_text(), "exit_code": 0}
    await journal.append(Event(run, Kind.RUN_FINISHED, time.time(), data=data), durable=True)
    await journal.close()
    lock.release()

runner.own = own
castle = wiring.load_castle(file)
print("ready", flush=True)
while not (folder / "begin").exists():
    time.sleep(0.001)
try:
    run = wiring.resume_run(castle, resumed) if resumed else wiring.start_run(castle, {}, None, Verb.BACKUP)
    print(json.dumps({"run": run}))
except CastleError as error:
    print(json.dumps(error.as_dict()))
"""


def at_once(folder: Path, count: int, resumed: str = "") -> list[dict[str, Any]]:
    """Starts so many commands, lets all begin at the same moment, and gives what each said."""
    environment = {**os.environ, "CASTLE_STATE": str(folder / "state"), "CASTLE_RUN": str(folder / "run")}
    (folder / "begin").unlink(missing_ok=True)
    words = [sys.executable, "-c", COMMAND, str(folder), str(EXAMPLE), resumed]
    commands = [subprocess.Popen(words, stdout=subprocess.PIPE, text=True, env=environment) for _ in range(count)]
    try:
        for command in commands:
            assert command.stdout is not None
            assert command.stdout.readline() == "ready\n"
        (folder / "begin").touch()
        return [json.loads(command.communicate(timeout=60)[0]) for command in commands]
    finally:
        for command in commands:
            command.kill()
            command.communicate()


def end(folder: Path, status: str) -> None:
    """Lets the runner end, and waits until it has given the lock back."""
    (folder / "going").write_text(status)
    (folder / "going").rename(folder / "go")  # the runner must not read it half written
    lock = LocalLock(folder / "state" / "here" / "runner.lock")
    deadline = time.monotonic() + 30
    while lock.holder() is not None:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    (folder / "go").unlink()


def check(said: list[dict[str, Any]]) -> str:
    """One began, every other names it; gives its id."""
    begun = [each["run"] for each in said if "run" in each]
    assert len(begun) == 1, said
    for each in said:
        if "error" in each:
            assert (each["error"], each["code"]) == ("Busy", 11)
            assert each["message"] == f"run {begun[0]} holds this castle"
            assert each["hints"][-1] == f"castle watch {begun[0]}"
    return str(begun[0])


def test_the_loser_of_two_commands_stayed_running_in_the_list(tmp_path: Path) -> None:
    """Its runner died at the lock with its run stored: `castle runs` said "running" until somebody resumed it."""
    try:
        run = check(at_once(tmp_path, 3))
        with JournalReader(tmp_path / "state" / "here" / "journal.db") as journal:
            assert [(each.id, each.status) for each in journal.runs()] == [(run, RunStatus.RUNNING)]
    finally:
        end(tmp_path, "failed")
    try:
        assert check(at_once(tmp_path, 2, run)) == run
    finally:
        end(tmp_path, "done")
    with JournalReader(tmp_path / "state" / "here" / "journal.db") as journal:
        assert [(each.id, each.status) for each in journal.runs()] == [(run, RunStatus.DONE)]
