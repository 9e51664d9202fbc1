"""`--set` and `--layer` in a castle with several treasures."""

from __future__ import annotations

import dataclasses
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest

from ephemeral_castle.cli.chosen import chosen
from ephemeral_castle.engine import planner
from ephemeral_castle.engine.own import OwnDriver
from ephemeral_castle.errors import UsageError
from ephemeral_castle.model.castle import Castle, Layer, Role, Site, Treasury, Verb
from ephemeral_castle.model.step import Effect, Phase, Step
from ephemeral_castle.spi.driver import Request

if TYPE_CHECKING:
    from tests.cli.conftest import FakeWiring

MACHINES = Layer("machines", Role.GROUND, "ground")
DATABASE = Layer("database", Role.TREASURES, "treasure", needs=("machines",))
FILES = Layer("files", Role.TREASURES, "treasure", needs=("machines",))
ONE = Site("here", (MACHINES, DATABASE))
TWO = Site("here", (MACHINES, DATABASE, FILES))
LABEL, SNAPSHOT = "20261122-032815F", "4f3a2b1c"


def words(*labels: str, only: tuple[str, ...] = ()) -> dict[str, Any]:
    return {"set_label": labels, "only": only}


def test_one_label_went_to_database_and_files_alike() -> None:
    """`castle raise --set LABEL` asked restic for a pgBackRest label, and PostgreSQL for a snapshot."""
    with pytest.raises(UsageError, match="does not say which treasure") as refused:
        chosen(words(LABEL), TWO, Verb.RAISE)
    assert refused.value.exit_code == 2
    assert list(refused.value.hints) == [f"`--set database={LABEL}`", f"`--set files={LABEL}`"]
    found = chosen(words(f"database={LABEL}", f"files={SNAPSHOT}"), TWO, Verb.RAISE)
    assert found == {"set_labels": {"database": LABEL, "files": SNAPSHOT}}
    request = Request(Verb.RAISE, cast("Castle", None), TWO, **found)
    assert [request.label_of(name) for name in ("database", "files", "walls")] == [LABEL, SNAPSHOT, ""]


def test_a_label_alone_is_that_of_the_only_treasure() -> None:
    assert chosen(words(LABEL), ONE, Verb.RAISE) == {"set_labels": {"database": LABEL}}


def test_a_run_that_was_stored_with_one_label_is_still_read() -> None:
    request = Request(Verb.RAISE, cast("Castle", None), TWO, set_label=LABEL)
    assert request.label_of("database") == request.label_of("files") == LABEL
    again = {name: value for name, value in request.flags().items() if name not in ("set_labels", "only")}
    assert Request(Verb.RAISE, cast("Castle", None), TWO, **again) == request


@pytest.mark.parametrize(
    ("said", "only", "what"),
    [
        (("databse=X",), (), "no treasure `databse`"),
        (("machines=X",), (), "no treasure `machines`"),
        (("database=",), (), "names no backup"),
        (("=X",), (), "names no backup"),
        (("database=X", "database=Y"), (), "two backups of `database`"),
        (("X", "database=Y"), ("database",), "two backups of `database`"),
        (("files=X",), ("database",), "--layer leaves out"),
        ((), ("fils",), "no treasure `fils`"),
    ],
)
def test_words_that_mean_nothing_are_refused(said: tuple[str, ...], only: tuple[str, ...], what: str) -> None:
    with pytest.raises(UsageError, match=what) as refused:
        chosen(words(*said, only=only), TWO, Verb.RESTORE)
    assert refused.value.hints


def test_a_restore_of_one_treasure_replaced_the_other_too() -> None:
    """`castle restore --set` for the database took the files back as well: to their newest snapshot."""
    found = chosen(words(f"database={LABEL}"), TWO, Verb.RESTORE)
    assert found == {"set_labels": {"database": LABEL}, "only": ["database"]}
    assert steps(**found) == {"machines", "database"}
    assert chosen(words(SNAPSHOT, only=("files",)), TWO, Verb.RESTORE)["set_labels"] == {"files": SNAPSHOT}
    assert steps(**chosen(words(only=("files",)), TWO, Verb.RESTORE)) == {"machines", "files"}
    assert steps() == {"machines", "database", "files"}


def steps(**fields: Any) -> set[str]:
    """The layers that have steps in the plan of a restore."""

    def plan(layer: Layer, options: Any, request: Request) -> list[Step]:
        return [Step(f"{layer.id}.do", layer.id, layer.driver, "do", "do it", Phase.RESTORE, Effect.CONVERGE)]

    castle = Castle("tazlab", Treasury("vault", "tazlab"), {"here": TWO})
    driver = cast("Any", SimpleNamespace(plan=plan))
    drivers = dict.fromkeys(("ground", "treasure"), driver)
    options = dict.fromkeys(layer.id for layer in TWO.layers)
    built = planner.build(Request(Verb.RESTORE, castle, TWO, **fields), drivers, options, OwnDriver())
    return {step.layer for step in built.steps} - {"castle"}


@pytest.mark.parametrize("verb", ["raise", "rebirth", "restore", "plan"])
def test_nothing_begins_where_a_label_could_be_of_two_treasures(
    run: Any, wired: FakeWiring, monkeypatch: pytest.MonkeyPatch, verb: str
) -> None:
    plain = wired.load_castle("castle.yaml")
    castle = dataclasses.replace(plain, sites={"home": dataclasses.replace(TWO, name="home")})
    monkeypatch.setattr(wired, "load_castle", lambda _: castle)
    wired.asked.clear()
    result = run(verb, "--set", LABEL)
    assert result.exit_code == 2
    assert f"`--set database={LABEL}`" in result.stderr
    assert wired.asked == []
