"""A raise that would change nothing makes no run; where anything might be changed, or cannot be told, it makes one."""

from __future__ import annotations

import asyncio
import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
from tests.cli.conftest import FakeWiring

from ephemeral_castle.cli.settled import Unsettled, raised_by, same
from ephemeral_castle.journal.store import Journal
from ephemeral_castle.model.begun import Begun, NeededFile
from ephemeral_castle.model.castle import Castle, Treasury, Verb
from ephemeral_castle.model.events import Event, Kind
from ephemeral_castle.model.plan import Plan
from ephemeral_castle.model.step import Effect, Phase, Step

STEP = Step("m.destroy", "m", "podman", "destroy", "destroy", Phase.DESTROY, Effect.IRREVERSIBLE)
CASTLE = Castle("c", Treasury("s3://c/c", "c", "c"), {}, path="/etc/castle.yaml")
TODAY = Begun(CASTLE, {"/etc/ca.pem": NeededFile("11", "certificate.look")}, "0.1.0")
OTHER = dataclasses.replace(TODAY, castle=dataclasses.replace(CASTLE, proof_max_age=1.0))


async def journal(path: Path, *runs: tuple[Verb, str, Begun | None]) -> None:
    """Runs of life 2, oldest first: r0, r1, ..."""
    made = await Journal.open(path)
    for at, (verb, status, begun) in enumerate(runs):
        run = f"r{at}"
        plan = Plan("c", "here", verb, (STEP,), {"m.destroy": ()}, {"m": "ground"}, {})
        await made.create_run(run, plan, "castle", float(at), begun)
        await made.take_over(run)
        await made.append(Event(run, Kind.RUN_STARTED, at, data={"old_life": 1, "life": 2}))
        if status != "running":
            await made.append(Event(run, Kind.RUN_FINISHED, at, data={"status": status}), durable=True)
    await made.close()


def judged(path: Path, *runs: tuple[Verb, str, Begun | None], site: str = "here") -> str:
    """Id of the run that raised what stands, or why nobody can say so."""
    asyncio.run(journal(path / "journal.db", *runs))
    try:
        found = raised_by(path / "journal.db", TODAY, site)
    except Unsettled as why:
        return str(why)
    assert found.life == 2
    assert not found.view.passed_no_return
    return found.run


@pytest.mark.parametrize(
    ("runs", "said"),
    [
        ([(Verb.RAISE, "done", TODAY)], "r0"),
        ([(Verb.REBIRTH, "done", TODAY), (Verb.BACKUP, "done", TODAY)], "r0"),
        ([(Verb.RAISE, "done", OTHER), (Verb.REBIRTH, "done", TODAY)], "r1"),
        ([(Verb.RAISE, "failed", TODAY), (Verb.RAISE, "done", TODAY)], "r1"),  # what it left, the next one mended
        ([(Verb.RAISE, "done", TODAY), (Verb.REBIRTH, "refused", TODAY)], "r0"),  # it took back what it had done
        ([(Verb.RAISE, "done", OTHER)], "another definition"),
        ([(Verb.RAISE, "done", None)], "another definition"),
        ([(Verb.RAISE, "done", TODAY), (Verb.BACKUP, "done", OTHER)], "another definition"),  # it may have revived
        ([(Verb.RAISE, "done", TODAY), (Verb.REBIRTH, "failed", TODAY)], "not finished"),
        ([(Verb.RAISE, "done", TODAY), (Verb.RAISE, "running", TODAY)], "not finished"),
        ([(Verb.RAISE, "done", TODAY), (Verb.REBIRTH, "stopped", TODAY)], "not finished"),
        ([(Verb.RAISE, "done", TODAY), (Verb.RESTORE, "done", TODAY)], "(restore) came after"),
        ([(Verb.RAISE, "done", TODAY), (Verb.WIPE, "done", TODAY)], "(wipe) came after"),
        ([(Verb.RAISE, "done", TODAY), (Verb.SEAL, "done", TODAY)], "(seal) came after"),
        ([(Verb.BACKUP, "done", TODAY)], "no run on this computer"),
        ([], "no run on this computer"),
    ],
)
def test_the_run_that_raised_what_stands(tmp_path: Path, runs: Any, said: str) -> None:
    assert said in judged(tmp_path, *runs)


def test_another_site_is_raised(tmp_path: Path) -> None:
    assert "another site" in judged(tmp_path, (Verb.RAISE, "done", TODAY), site="home")


@pytest.mark.parametrize(
    "today",
    [
        OTHER,
        dataclasses.replace(TODAY, version="0.2.0"),
        dataclasses.replace(TODAY, files={"/etc/ca.pem": NeededFile("22", "certificate.look")}),
        dataclasses.replace(TODAY, files={**TODAY.files, "/etc/new.pem": NeededFile("33", "certificate.look")}),
    ],
)
def test_a_changed_definition_file_or_castle_is_raised(today: Begun) -> None:
    assert not same(TODAY, today)


def test_a_file_that_only_the_birth_read_does_not_matter() -> None:
    born = dataclasses.replace(TODAY, files={**TODAY.files, "/etc/init.sql": NeededFile("44", "database.home")})
    assert same(Begun.from_json(json.loads(json.dumps(born.to_json()))), TODAY)


def test_what_stands_as_defined_is_said_and_no_run_is_made(run: Any, wired: FakeWiring) -> None:
    wired.unsettled = ""
    result = run("raise")
    assert (result.exit_code, result.stdout) == (0, "life 4 stands as defined: nothing was changed\n")
    line = json.loads(run("raise", "--json").stdout)
    assert (line["kind"], line["life"], line["changed"]) == ("settled", 4, False)
    assert run("raise", "--progress", "none").stdout == ""
    assert [asked for asked in wired.asked if asked[0] == "start"] == []


@pytest.mark.parametrize("word", [["--cold"], ["--new"], ["--adopt"], ["--replan"], ["--set", "X"], ["--detach"]])
def test_a_word_always_makes_a_run(run: Any, wired: FakeWiring, word: list[str]) -> None:
    wired.unsettled = ""
    run("raise", *word)
    assert [asked[0] for asked in wired.asked if asked[0] != "load"] == ["start"]


def test_where_it_cannot_be_told_a_run_is_made(run: Any, wired: FakeWiring) -> None:
    run("raise")
    assert [asked[0] for asked in wired.asked if asked[0] != "load"] == ["settled", "start"]
