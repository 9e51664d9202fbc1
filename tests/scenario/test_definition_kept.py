"""A run goes on with the definition that it began with: real journal, real lock, a toy driver."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from pydantic import BaseModel

from ephemeral_castle.cli import catalog, runner, wiring
from ephemeral_castle.cli.places import places
from ephemeral_castle.errors import DefinitionInvalid, Permanent, Refused
from ephemeral_castle.journal.lock import LocalLock
from ephemeral_castle.journal.reader import JournalReader
from ephemeral_castle.model.castle import Castle, Layer, Verb
from ephemeral_castle.model.events import Kind, RunStatus
from ephemeral_castle.model.step import Effect, Observation, Phase, State, Step
from ephemeral_castle.spi.driver import Context, Request
from ephemeral_castle.world.clock import SystemClock
from ephemeral_castle.world.simulated import MemoryObjects, MemorySecrets, SimulatedWorld

TEXT = """\
castle: kept
treasury: {{url: s3://vault, endpoint: "https://s3.example.org"}}
layers: {{banner: {{role: walls}}}}
sites: {{here: {{layers: {{banner: {{driver: toy, word: {word}, script: {script}}}}}}}}}
"""
SAID: list[str] = []
FAULTS: list[Exception] = []


class ToyOptions(BaseModel):
    word: str
    script: str = ""


class Toy:
    """Says the word of its options, once `FAULTS` is empty."""

    name = "toy"
    Options: Any = ToyOptions

    def plan(self, layer: Layer, options: ToyOptions, request: Request, /) -> Sequence[Step]:
        del options, request
        return [Step(f"{layer.id}.say", layer.id, "toy", "say", "say it", Phase.APPLY, Effect.CONVERGE, exact=True)]

    def reads(self, layer: Layer, options: ToyOptions, request: Request, /) -> Mapping[str, str]:
        del request
        return {options.script: f"{layer.id}.say"} if options.script else {}

    async def observe(self, step: Step, ctx: Context, /) -> Observation:
        del step, ctx
        return Observation(State.NOT_REACHED)

    async def act(self, step: Step, ctx: Context, /) -> Observation:
        del step
        if FAULTS:
            raise FAULTS.pop(0)
        SAID.append(f"{ctx.options.word} and heal" if ctx.request.heal else ctx.options.word)
        return Observation(State.REACHED)


class Bench:
    """A directory with a definition, and the verbs that start and resume in this process."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "castle.yaml"
        self.status: RunStatus | None = None

    def write(self, word: str, script: str = "''") -> None:
        self.file.write_text(TEXT.format(word=word, script=script))

    def start(self) -> str:
        castle = wiring.load_castle(str(self.file))
        return wiring.start_run(castle, {"new": True}, None, Verb.RAISE)

    def resume(self, run: str | None = None, *, heal: bool = False) -> str:
        castle, note = wiring.castle_of_run(str(self.file), run)
        with JournalReader(places(castle.name).journal) as journal:
            found = run or journal.runs()[0].id
        wiring.resume_run(castle, found, note, heal=heal)
        return note

    def said(self, run: str) -> list[str]:
        with JournalReader(places("kept").journal) as journal:
            return [str(e.data["text"]) for e in journal.events(run) if e.kind is Kind.DIAGNOSTIC]


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    monkeypatch.setenv("CASTLE_STATE", str(tmp_path / "state"))
    monkeypatch.setenv("CASTLE_RUN", str(tmp_path / "run"))
    monkeypatch.setattr(catalog, "_points", lambda: {"toy": SimpleNamespace(load=lambda: Toy)})
    world = SimulatedWorld(SystemClock(), MemoryObjects(SystemClock()), None)

    async def close() -> None:
        """Nothing is open."""

    async def open_world(castle: Castle, site: object) -> Any:
        del castle, site
        return SimpleNamespace(
            world=world, keys=SimpleNamespace(recipient="age1toy"), secrets=MemorySecrets(), close=close
        )

    monkeypatch.setattr(runner, "open_world", open_world)
    stage = Bench(tmp_path)

    def launch(castle: Castle, run: str, lock: LocalLock, **told: Any) -> None:
        stage.status = asyncio.run(runner.own(castle, run, lock, **told))

    monkeypatch.setattr(wiring, "_launch", launch)
    SAID.clear()
    FAULTS[:] = [Permanent("no paint")]
    return stage


def test_a_resume_took_todays_definition_for_the_stored_plan(bench: Bench) -> None:
    """The plan was the stored one, the options those of today: a step could do what no plan had shown."""
    bench.write("alpha")
    run = bench.start()
    assert bench.status is RunStatus.FAILED
    bench.write("beta")
    note = bench.resume()
    assert (bench.status, SAID) == (RunStatus.DONE, ["alpha"])
    assert note == (
        f"{bench.file} changed since this run began; the run goes on with what it began with; "
        "changes count from the next run"
    )
    assert note in bench.said(run)


def test_a_resume_may_be_told_to_heal_what_its_run_was_not(bench: Bench) -> None:
    """Between two lives there is no other run that could be told."""
    bench.write("alpha")
    bench.start()
    bench.resume(heal=True)
    assert (bench.status, SAID) == (RunStatus.DONE, ["alpha and heal"])


def test_a_resume_after_a_comment_was_written_says_nothing(bench: Bench) -> None:
    bench.write("alpha")
    bench.start()
    bench.file.write_text("# a word to whoever comes after\n" + bench.file.read_text())
    assert bench.resume() == ""
    assert bench.status is RunStatus.DONE


@pytest.mark.parametrize("left", [None, "castle: [broken"])
def test_a_resume_needs_no_definition_file(bench: Bench, left: str | None) -> None:
    """A run between two lives could not go on while the file was away or half edited."""
    bench.write("alpha")
    bench.start()
    if left is None:
        bench.file.unlink()
    else:
        bench.file.write_text(left)
    assert "the run goes on with what it began with" in bench.resume()
    assert (bench.status, SAID) == (RunStatus.DONE, ["alpha"])


def test_a_run_is_found_by_its_id_from_any_directory(bench: Bench, tmp_path: Path) -> None:
    bench.write("alpha")
    run = bench.start()
    (tmp_path / "elsewhere").mkdir()
    bench.file = tmp_path / "elsewhere" / "castle.yaml"
    with pytest.raises(DefinitionInvalid):
        bench.resume()
    bench.resume(run)
    assert (bench.status, SAID) == (RunStatus.DONE, ["alpha"])


def test_a_definition_that_was_renamed_since_still_knows_its_run(bench: Bench) -> None:
    bench.write("alpha")
    run = bench.start()
    bench.file.write_text(bench.file.read_text().replace("castle: kept", "castle: renamed"))
    bench.resume(run)
    assert (bench.status, SAID) == (RunStatus.DONE, ["alpha"])


def test_a_run_of_before_takes_the_definition_as_it_is(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.write("alpha")
    bench.start()
    monkeypatch.setattr(JournalReader, "begun", lambda self, run: None)
    bench.write("beta")
    assert bench.resume() == ""
    assert SAID == ["beta"]


def test_a_needed_file_that_is_not_there_stops_the_run_before_it_begins(bench: Bench) -> None:
    bench.write("alpha", "init.sql")
    with pytest.raises(DefinitionInvalid, match=r"init\.sql: No such file"):
        bench.start()
    assert not places("kept").journal.exists()


@pytest.mark.parametrize("fate", ["changed", "gone"])
def test_a_needed_file_that_changed_is_refused(bench: Bench, fate: str, monkeypatch: pytest.MonkeyPatch) -> None:
    script = bench.file.parent / "init.sql"
    script.write_text("create table a();")
    bench.write("alpha", "init.sql")
    with monkeypatch.context() as patched:  # the runner was killed before its first step
        patched.setattr(wiring, "_launch", lambda castle, run, lock, **told: None)
        run = bench.start()
    if fate == "gone":
        script.unlink()
    else:
        script.write_text("drop table a;")
    with pytest.raises(Refused, match=f"a file that run {run} still needs (is gone|changed) since it began") as refused:
        bench.resume()
    assert refused.value.where == str(script)
    assert refused.value.hints[-1] == f"castle resume {run}"
    script.write_text("create table a();")
    FAULTS.clear()
    bench.resume()
    assert bench.status is RunStatus.DONE


def test_a_file_that_failed_its_step_may_be_mended(bench: Bench) -> None:
    script = bench.file.parent / "init.sql"
    script.write_text("creat table a();")
    bench.write("alpha", "init.sql")
    run = bench.start()
    script.write_text("create table a();")
    bench.resume()
    assert bench.status is RunStatus.DONE
    assert f"{script} changed since the run began; step banner.say, which failed, reads it as it is now" in bench.said(
        run
    )


def test_no_word_of_the_files_content_enters_the_journal(bench: Bench) -> None:
    script = bench.file.parent / "init.sql"
    script.write_text("create role reader password 'c0rrect-horse';")
    bench.write("alpha", "init.sql")
    bench.file.write_text(bench.file.read_text() + "# c0rrect-horse\n")
    bench.start()
    state = places("kept").state
    assert all(b"c0rrect-horse" not in path.read_bytes() for path in state.rglob("*") if path.is_file())


def test_the_verbs_on_a_run_work_without_the_file(bench: Bench) -> None:
    bench.write("alpha")
    run = bench.start()
    bench.file.unlink()
    castle, _ = wiring.castle_of_run(str(bench.file), None)
    assert castle.name == "kept"
    assert dataclasses.replace(castle, path="") == dataclasses.replace(
        wiring.castle_of_run(str(bench.file), run)[0], path=""
    )
