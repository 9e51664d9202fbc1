"""A composition root without a world: it answers from memory and remembers what it was asked."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import click
import pytest
from click.testing import CliRunner, Result
from tests import stories

from ephemeral_castle.cli.heard import Heard
from ephemeral_castle.cli.main import castle
from ephemeral_castle.journal.reader import RunInfo
from ephemeral_castle.model.castle import Budget, Castle, Layer, Repository, Role, Site, Treasury
from ephemeral_castle.model.events import RunStatus
from ephemeral_castle.spi.driver import Check

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ephemeral_castle.model.castle import Verb
    from ephemeral_castle.model.events import Event
    from ephemeral_castle.model.plan import Plan


class FakeJournal:
    """Gives the events of one story, some at a time when `batches` says so."""

    def __init__(self, story: stories.Story) -> None:
        self.story = story
        self.closed = False
        self.free = 10**9

    def room(self) -> int:
        return self.free

    def runs(self) -> list[RunInfo]:
        words = (self.story.run, "here", "home", "rebirth", "castle rebirth", "d")
        return [RunInfo(*words, RunStatus.DONE, stories.BORN, self.story.events[-1].at)]

    def plan(self, run_id: str) -> Plan:
        return stories.plan()

    def events(self, run_id: str, after_seq: int = 0) -> list[Event]:
        return [event for event in self.story.events if event.seq > after_seq]

    def close(self) -> None:
        self.closed = True


@dataclass
class FakeWiring:
    """`ephemeral_castle.cli.wiring` for tests."""

    story: stories.Story = field(default_factory=stories.good)
    asked: list[tuple[Any, ...]] = field(default_factory=list)
    survey_answer: dict[str, Any] = field(default_factory=lambda: {"castle": "here", "state": "up", "life": 4})
    checks: list[Check] = field(default_factory=lambda: [Check("root", True, "uid 0")])
    heard: Heard = field(default_factory=Heard)
    repository: Repository | None = None
    error: BaseException | None = None
    alive: bool = True
    note: str = ""
    unsettled: str = "nobody looked"
    access: tuple[str, str] | None = None
    opened: list[FakeJournal] = field(default_factory=list)

    def load_castle(self, file: str) -> Castle:
        self.asked.append(("load", file))
        if self.error:
            raise self.error
        layers = (Layer("machines", Role.GROUND, "podman", position=f"{file}:3:5"),)
        treasury = Treasury("castle-here", "here", server="here")
        sites = {"home": Site("home", layers), "away": Site("away", layers)}
        return Castle("here", treasury, sites, Budget(rto=30.0, rpo=60.0), repository=self.repository)

    def castle_of_run(self, file: str, run: str | None) -> tuple[Castle, str]:
        return self.load_castle(file), self.note

    def start_run(self, castle: Castle, request_kwargs: Mapping[str, Any], site: str | None, verb: Verb) -> str:
        self.asked.append(("start", verb.value, dict(request_kwargs), site))
        return self.story.run

    def journal_of(self, castle: Castle) -> FakeJournal:
        self.opened.append(FakeJournal(self.story))
        return self.opened[-1]

    def _forks(self) -> None:
        """A runner is forked off: SQLite in the copy must not find a file open that the caller still uses."""
        assert all(journal.closed for journal in self.opened)

    def runner_alive(self, castle: Castle, run: str) -> bool:
        return self.alive

    def resume_run(self, castle: Castle, run: str, note: str = "", *, heal: bool = False) -> str:
        self._forks()
        self.asked.append(("resume", run, *([note] if note else []), *(["heal"] if heal else [])))
        return run

    def cancel_run(self, castle: Castle, run: str) -> dict[str, Any]:
        self._forks()
        self.asked.append(("cancel", run))
        return {"run": run, "text": "everything is undone; nothing was destroyed"}

    def offline_plan(self, castle: Castle, verb: Verb, site: str | None, flags: Mapping[str, Any]) -> Plan:
        self.asked.append(("plan", verb.value, dict(flags), site))
        return stories.plan(verb)

    def effective(self, castle: Castle) -> dict[str, Any]:
        return {"proof": {"max_age": "24h"}}

    async def settled(self, castle: Castle, site: str | None) -> dict[str, Any]:
        self.asked.append(("settled", site))
        return {"site": site or "home", "life": 4, "why": self.unsettled}

    async def survey(self, castle: Castle, site: str | None) -> dict[str, Any]:
        self.asked.append(("survey", site))
        return self.survey_answer

    async def doctor(self, castle: Castle | None, site: str | None) -> list[Check]:
        self.asked.append(("doctor", castle.name if castle else None))
        return self.checks

    async def ask(self, castle: Castle, site: str | None, *, tree: bool) -> Heard:
        self.asked.append(("ask", site, tree))
        return self.heard

    def card(self, castle: Castle, site: str | None) -> dict[str, Any]:
        return {
            "castle": castle.name,
            "version": "0.1.0",
            "secrets": [{"name": "key file", "where": "/etc/castle/here.key"}],
        }

    async def prefetch(self, castle: Castle, site: str | None, progress: Callable[..., None]) -> dict[str, Any]:
        progress("installing packages", done=1.0, total=2.0)
        return {
            "machine": "localhost/castle-machine:1",
            "postgres": "localhost/castle-postgres:2",
            "store": "/var/cache",
        }

    async def secret(
        self, castle: Castle, site: str | None, action: str, name: str, value: str, *, new: bool
    ) -> dict[str, Any]:
        self.asked.append(("secret", action, name, value, new))
        answers: dict[str, dict[str, Any]] = {
            "list": {"names": ["database/cipher"]},
            "get": {"name": name, "value": "open sesame"},
        }
        return answers.get(action, {"name": name, "done": "stored"})

    async def take_down(self, castle: Castle, site: str | None, progress: Callable[..., None]) -> dict[str, Any]:
        self.asked.append(("down", castle.name))
        return {"removed": ["castle-here-431", "network"]}

    async def init_castle(
        self, answers: Mapping[str, Any], directory: object, access: tuple[str, str] | None
    ) -> dict[str, Any]:
        self.access = access
        self.asked.append(("init", dict(answers), str(directory)))
        return {"files": ["castle.yaml", "here.key"], "timer": "[Timer]\n"}


@pytest.fixture
def wired(monkeypatch: pytest.MonkeyPatch) -> FakeWiring:
    """The fake in the place of the composition root."""
    fake = FakeWiring()
    monkeypatch.setitem(sys.modules, "ephemeral_castle.cli.wiring", fake)
    monkeypatch.delenv("CASTLE_FILE", raising=False)
    return fake


@pytest.fixture
def run(wired: FakeWiring) -> Callable[..., Result]:
    """Runs a command line."""

    def call(*words: str, **kwargs: Any) -> Result:
        return CliRunner().invoke(castle, list(words), prog_name="castle", **kwargs)

    return call


def verbs() -> list[str]:
    return castle.list_commands(click.Context(castle))
