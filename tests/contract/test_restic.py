"""The driver of files keeps to the contract; a castle of machines and files only has a plan for every verb."""

from __future__ import annotations

from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

import pytest

from ephemeral_castle.cli import wiring
from ephemeral_castle.engine import planner
from ephemeral_castle.engine.own import OwnDriver
from ephemeral_castle.model.castle import Castle, Verb
from ephemeral_castle.model.plan import Plan
from ephemeral_castle.model.record import Record
from ephemeral_castle.model.step import PHASES, Effect, Phase
from ephemeral_castle.spi import contract
from ephemeral_castle.spi.contract import Subject
from ephemeral_castle.spi.driver import Request
from ephemeral_castle.spi.world import Result
from tests.contract.files import FACTS, reads

pytestmark = pytest.mark.evidence("simulated", "restic")

DEFINITION = """\
castle: files
treasury: {url: s3://files, server: here}
layers:
  machines: {role: ground}
  uploads: {role: treasures, needs: [machines]}
sites:
  here:
    layers:
      machines: {driver: podman, machines: {data: {id: 431}, edge: {id: 432}}}
      uploads: {driver: restic, machine: data, volume: blog_uploads}
"""
VERBS = [verb for verb in Verb if verb is not Verb.DRILL]  # drills have tests of their own


@pytest.fixture(scope="module")
def castle(tmp_path_factory: pytest.TempPathFactory) -> Castle:
    file: Path = tmp_path_factory.mktemp("files") / "castle.yaml"
    file.write_text(DEFINITION)
    return wiring.load_castle(str(file))


def plan_of(castle: Castle, verb: Verb, **flags: Any) -> Plan:
    request = Request(verb=verb, castle=castle, site=castle.site(), **flags)
    drivers, options = wiring.drivers_of(request.site)
    return planner.build(request, drivers, options, OwnDriver())


def subject(castle: Castle) -> Subject:
    site = castle.site()
    layer = next(layer for layer in site.layers if layer.id == "uploads")
    _, options = wiring.drivers_of(site)

    def tokens(verb: Verb) -> Collection[str]:
        like = Verb.RAISE if verb is Verb.DRILL else verb  # of others it needs what a raise needs
        return {token for step in plan_of(castle, like).steps for token in (step.id, *step.provides)}

    return Subject(
        make=lambda: wiring.drivers_of(site)[0]["restic"],
        layer=layer,
        options=options[layer.id],
        castle=castle,
        site=site,
        record=Record("c0ffee00-0000-4000-8000-000000000001", "files", "age1toy", 1, site="here",
                      computer="computer-1", writers={"1": "w"}, lineage={"uploads": {"repository": "i"}}),
        given=tokens,
        reads=reads,
        facts=FACTS,
        answer=lambda argv, stdin: Result(125, "", "Error: no such volume"),
    )  # fmt: skip


@pytest.mark.parametrize("check", contract.CHECKS, ids=lambda check: check.__name__)
def test_the_driver_of_files_keeps_to_it(castle: Castle, check: Callable[[Subject], None]) -> None:
    check(subject(castle))


@pytest.mark.parametrize("flags", [{}, {"cold": True}, {"prove": True, "expire": True}, {"side": True}], ids=str)
@pytest.mark.parametrize("verb", VERBS)
def test_a_castle_without_a_database_has_a_plan(castle: Castle, verb: Verb, flags: dict[str, Any]) -> None:
    assert plan_of(castle, verb, **flags).steps


def after(plan: Plan, step: str) -> set[str]:
    """All steps that wait for a step, directly or not."""
    found = {step}
    for each in plan.steps:
        if found & set(plan.edges[each.id]):
            found.add(each.id)
    return found


def test_nothing_is_destroyed_before_the_files_are_proven_sealed_and_seen_quiet(castle: Castle) -> None:
    plan = plan_of(castle, Verb.REBIRTH)
    for step in ("uploads.proof", "uploads.last", "uploads.readback", "uploads.quiet"):
        assert "machines.destroy" in after(plan, step)
    assert "castle.record-seal" in after(plan, "uploads.quiet")


def test_a_restore_in_place_replaces_only_what_was_kept_and_seen_quiet(castle: Castle) -> None:
    """Writers were not stopped: what they wrote after the snapshot of the present was deleted."""
    plan = plan_of(castle, Verb.RESTORE)
    assert plan.edges["uploads.calm"] == ("uploads.before",)
    assert "uploads.calm" in plan.edges["uploads.rewind"]


def test_the_new_life_enters_the_record_when_its_machines_and_files_stand(castle: Castle) -> None:
    """Without a probe the life was recorded before its machines were made, and without its treasure's lineage."""
    for verb in (Verb.RAISE, Verb.REBIRTH):
        plan = plan_of(castle, verb)
        for step in ("machines.create-data", "machines.create-edge", "uploads.home"):
            assert "castle.record-life" in after(plan, step)


def test_the_new_life_writes_only_when_the_old_one_cannot(castle: Castle) -> None:
    plan = plan_of(castle, Verb.REBIRTH)
    assert "uploads.backup-after" in after(plan, "castle.revoke")


def test_what_cannot_be_taken_back_is_never_ahead_of_the_barrier(castle: Castle) -> None:
    barrier = PHASES.index(Phase.DESTROY)
    for verb in VERBS:
        for step in plan_of(castle, verb).steps:
            early = PHASES.index(step.phase) < barrier and step.action != "expire"
            assert not (early and step.effect is Effect.IRREVERSIBLE), step.id


@pytest.mark.parametrize("needs", ["", ", needs: []"], ids=["none", "empty"])
def test_files_that_need_no_layer_are_looked_for_when_the_ground_has_listed_what_stands(
    tmp_path: Path, needs: str
) -> None:
    """The list was asked for under the name of a needed layer, and without one the files were taken for absent."""
    file = tmp_path / "castle.yaml"
    file.write_text(DEFINITION.replace(", needs: [machines]", needs))
    plan = plan_of(wiring.load_castle(str(file)), Verb.REBIRTH)
    assert "uploads.survey" in after(plan, "machines.revive")
    assert "machines.destroy" in after(plan, "uploads.quiet")
