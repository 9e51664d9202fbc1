"""What the verbs need from the composition root, as types. `wiring` is imported only when a verb runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol, cast

if TYPE_CHECKING:
    from pathlib import Path

    from ephemeral_castle.cli.heard import Heard
    from ephemeral_castle.cli.watch import Reader
    from ephemeral_castle.manifests.ports import Chart
    from ephemeral_castle.model.castle import Castle, Verb
    from ephemeral_castle.model.checked import Checked, Explanation
    from ephemeral_castle.model.plan import Plan
    from ephemeral_castle.spi.driver import Check

ProgressLine = Callable[..., None]


class Wiring(Protocol):
    """The functions of `ephemeral_castle.cli.wiring`, the one module that imports worlds and drivers."""

    def load_castle(self, file: str) -> Castle:
        """Reads a definition; DefinitionInvalid when it has errors."""
        ...

    def castle_of_run(self, file: str, run: str | None) -> tuple[Castle, str]:
        """The definition that a run (None: the newest) began with, and a line when today's is another one."""
        ...

    def start_run(self, castle: Castle, request_kwargs: Mapping[str, Any], site: str | None, verb: Verb) -> str:
        """Plans, stores and launches a detached runner; gives the id of the run."""
        ...

    def journal_of(self, castle: Castle) -> Reader:
        """The journal, for reading."""
        ...

    def runner_alive(self, castle: Castle, run: str) -> bool:
        """Whether a process works on this run now."""
        ...

    def resume_run(self, castle: Castle, run: str, note: str = "", *, heal: bool = False) -> str:
        """Launches a runner for a run that was broken off, which says `note` first; gives the id of the run.

        With `heal` it may restart a controller that hangs, whatever the run was begun with.
        """
        ...

    def cancel_run(self, castle: Castle, run: str) -> Mapping[str, Any]:
        """Asks a run to stop; gives what will happen."""
        ...

    def offline_plan(self, castle: Castle, verb: Verb, site: str | None, flags: Mapping[str, Any]) -> Plan:
        """The plan of a verb, without looking at the world."""
        ...

    def effective(self, castle: Castle) -> Mapping[str, Any]:
        """Every setting with its default filled in, nested as in the file."""
        ...

    async def settled(self, castle: Castle, site: str | None) -> Mapping[str, Any]:
        """Whether a raise would change nothing: `life`, and `why` it might ("" when it would not)."""
        ...

    async def survey(self, castle: Castle, site: str | None) -> Mapping[str, Any]:
        """Looks at the world: the mapping that `views.statusview` describes."""
        ...

    async def doctor(self, castle: Castle | None, site: str | None) -> Sequence[Check]:
        """Checks this computer and, with a castle, its treasury and keys."""
        ...

    async def ask(self, castle: Castle, site: str | None, *, tree: bool) -> Heard:
        """Asks everything that the castle stands on; `tree`: whether its repository's files are wanted."""
        ...

    def rendered(self, directory: str, chart: Chart | None) -> str:
        """What kubectl renders of a directory, or helm of a chart below it; raises PortFailed."""
        ...

    def card(self, castle: Castle, site: str | None) -> Mapping[str, Any]:
        """The mapping that `views.card` describes."""
        ...

    async def prefetch(self, castle: Castle, site: str | None, progress: ProgressLine) -> Mapping[str, Any]:
        """Builds what can be built ahead; gives the references."""
        ...

    async def kubeconfig(self, castle: Castle, site: str | None, out: str) -> Mapping[str, Any]:
        """Writes the key of the castle's cluster into a file ("": its own): `file`, `server`, `life`, `context`."""
        ...

    async def adopt(self, answers: Mapping[str, Any], told: Mapping[str, Any]) -> Mapping[str, Any]:
        """Looks at a living cluster and writes a definition of it: the mapping that `views.adoption` describes."""
        ...

    async def rights(self, castle: Castle | None, site: str | None, told: Mapping[str, Any]) -> Mapping[str, Any]:
        """The ClusterRole (`role`) that castle needs; without a castle, of the one that `adopt` would write."""
        ...

    async def take_down(self, castle: Castle, site: str | None, progress: ProgressLine) -> Mapping[str, Any]:
        """Removes the castle from this computer; gives what was removed."""
        ...

    async def secret(
        self, castle: Castle, site: str | None, action: str, name: str, value: str, *, new: bool
    ) -> Mapping[str, Any]:
        """Lists, gets, puts or deletes a secret: `names`, `value` or `done`; `new` makes a missing key file first."""
        ...

    async def init_castle(
        self, answers: Mapping[str, Any], directory: Path, access: tuple[str, str] | None
    ) -> Mapping[str, Any]:
        """Writes a definition and its key file; gives `files` (paths), `timer` (text of a systemd timer), `notes`."""
        ...


def wiring() -> Wiring:
    """The composition root."""
    return cast("Wiring", import_module("ephemeral_castle.cli.wiring"))


class Answered(Protocol):
    """What a check found."""

    checked: Checked


class Checking(Protocol):
    """The functions of `ephemeral_castle.cli.checking.desk`."""

    def check(self, **asked: Any) -> Answered:
        """Looks; the words are those of `cli.checking.asked.Asked`."""
        ...

    def baseline(self, answer: Answered, file: str, reason: str) -> str:
        """The text of a baseline with all that was found; entries that `file` holds already keep their reasons."""
        ...

    def mend(self, answer: Answered, *, apply: bool) -> tuple[str, list[str]]:
        """The diff that mends what needs no judgement, and the files that it changes; written where `apply` is set."""
        ...

    def hosted(self, checked: Checked) -> Checked:
        """The answer for a code host: files are told from the root of their Git working tree."""
        ...

    def explanation(self, rule: str) -> Explanation:
        """What is known of a rule; UsageError where there is none of that id."""
        ...

    def explanations(self) -> Sequence[Explanation]:
        """All rules."""
        ...


def checking() -> Checking:
    """What `check` and `explain` need; the composition root is imported by it only where a castle is looked at."""
    return cast("Checking", import_module("ephemeral_castle.cli.checking.desk"))


class Shelving(Protocol):
    """The functions of `ephemeral_castle.cli.pulling`."""

    def known(self, directory: str) -> Mapping[str, Any]:
        """What the lock of a directory pins: `lock` (path), `sources`, `kinds` with `cached` each."""
        ...

    def drop(self, directory: str, name: str) -> Mapping[str, Any]:
        """Takes a source out of the lock: `lock`, `dropped`."""
        ...

    async def pulled(self, **wanted: Any) -> Mapping[str, Any]:
        """Fetches schemas and pins them; the words are those of `cli.pulling.Wanted`; `lock`, `sources`."""
        ...


def shelving() -> Shelving:
    """What `schemas` needs."""
    return cast("Shelving", import_module("ephemeral_castle.cli.pulling"))
