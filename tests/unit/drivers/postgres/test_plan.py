"""What a database on Kubernetes asks for in a definition and in a plan."""

from __future__ import annotations

import dataclasses
from types import SimpleNamespace
from typing import Any, cast

import pytest
from pydantic import ValidationError

from ephemeral_castle.drivers.postgres import steps
from ephemeral_castle.drivers.postgres.desk import Desk
from ephemeral_castle.drivers.postgres.part import Part
from ephemeral_castle.drivers.postgres.pgo.place import PgoPlace
from ephemeral_castle.drivers.postgres.prepare import Push, Revive
from ephemeral_castle.errors import Denied, NotFound, Permanent, Refused, Unreachable
from ephemeral_castle.model.castle import Castle, Layer, Role, Site, Treasury, Verb
from ephemeral_castle.model.step import State, Step
from ephemeral_castle.spi.driver import Request
from ephemeral_castle.spi.ways import raised_here
from tests.unit.drivers.postgres.board import (
    CLUSTER,
    DATABASE,
    GROUND,
    ON_CLASS,
    ON_NODE,
    Board,
    context,
    options,
    place,
)
from tests.unit.drivers.postgres.operated import options as operated

OWN = Site("lab", (GROUND, CLUSTER, DATABASE))
FOREIGN = Site("home", (Layer("cluster", Role.FOUNDATIONS, "existing"), DATABASE))


def request(verb: Verb, site: Site = OWN, **more: Any) -> Request:
    castle = Castle("lab", Treasury("bucket", "lab", endpoint="https://s3.example.org"), {site.name: site})
    return Request(verb=verb, castle=castle, site=site, **more)


def plan(verb: Verb, site: Site = OWN, home: dict[str, str] | None = None, **more: Any) -> dict[str, Step]:
    made = steps.plan(DATABASE, options(**(home or ON_NODE)), request(verb, site, **more))
    return {step.action: step for step in made}


@pytest.mark.parametrize(
    ("home", "said"),
    [
        ({"namespace": "data"}, "needs one kind of volume"),
        ({**ON_NODE, **ON_CLASS}, "needs one kind of volume"),
        ({**ON_NODE, "machine": "data"}, "exclude each other"),
        ({"machine": "data"}, "`pooler` is missing"),
        ({"machine": "data", "pooler": "edge", "storage_class": "fast"}, "belongs to a database on Kubernetes"),
        ({"size": "1GiB"}, "belongs to a database on Kubernetes"),
        ({"users": {}}, "users"),
    ],
)
def test_half_a_home_is_refused_in_words(home: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        options(**home)


def test_a_database_needs_a_home() -> None:
    with pytest.raises(ValidationError, match="a database needs a home"):
        options(port=5432)


def test_it_waits_for_its_node_and_for_its_image() -> None:
    found = plan(Verb.REBIRTH)
    assert {"node:data", "database.push", "database.survey"} <= set(found["home"].needs)
    assert {"node:data", "database.push"} <= set(found["pooler"].needs)
    assert "old-cluster?" in found["revive"].needs
    assert "cluster-worker" in plan(Verb.REBIRTH, home=ON_CLASS)["home"].needs
    assert not {"inventory", "destroy"} & set(found)  # it ends with its machines


def test_a_raise_looked_at_the_database_before_its_cluster_was_awake() -> None:
    """After a reboot the survey ran beside the cluster's wake, and gave up before that was done."""
    assert "old-cluster?" in plan(Verb.RAISE)["survey"].needs
    on_machines = steps.plan(DATABASE, options(machine="data", pooler="edge"), request(Verb.RAISE))
    assert not [step for step in on_machines if "old-cluster?" in step.needs]


def test_a_backup_wants_no_registry() -> None:
    assert "push" not in plan(Verb.BACKUP)
    assert "push" in plan(Verb.SEAL)


def test_a_drill_on_a_cluster_of_its_own_is_planned() -> None:
    assert plan(Verb.DRILL)["home"].needs == ("node:data", "database.push", "database.survey")


def test_in_a_cluster_that_stays_its_objects_are_listed_and_deleted() -> None:
    found = plan(Verb.REBIRTH, FOREIGN, ON_CLASS)
    assert found["destroy"].needs == ("database.inventory",)
    assert "cluster-worker?" in found["home"].needs
    assert "destroy" not in plan(Verb.SEAL, FOREIGN, ON_CLASS)


def test_a_drill_does_not_stand_in_the_living_ones_place() -> None:
    with pytest.raises(Refused, match="beside the living one"):
        plan(Verb.DRILL, FOREIGN, ON_CLASS)


def test_a_site_without_a_cluster_carries_no_pod() -> None:
    with pytest.raises(Permanent, match="has no cluster"):
        plan(Verb.RAISE, Site("here", (GROUND, DATABASE)))


def test_a_cluster_that_stands_on_machines_of_the_site_is_castles_own() -> None:
    assert raised_here(request(Verb.RAISE))
    assert not raised_here(request(Verb.RAISE, FOREIGN))
    beside = Site("mixed", (GROUND, dataclasses.replace(CLUSTER, needs=()), DATABASE))
    assert not raised_here(request(Verb.RAISE, beside))


def test_the_registry_is_found_by_its_name_or_its_address() -> None:
    assert Push(context(Board()), Desk()).registry == "127.0.0.1:5005"
    named = Push(context(Board(), options=options(**ON_NODE, registry="registry.example.org")), Desk())
    assert named.registry == "registry.example.org"
    with pytest.raises(Permanent, match="cannot pull the image"):
        _ = Push(context(Board(), options=options(**ON_NODE, registry="elsewhere")), Desk()).registry


async def test_what_no_ground_carries_is_listed_in_the_cluster() -> None:
    board = Board()
    ctx = context(board)
    ctx.request = SimpleNamespace(verb=Verb.RAISE, castle=ctx.request.castle, site=FOREIGN)
    assert await Part(ctx, Desk()).listed() is False
    await place(board).start({}, ["serve"])
    assert await Part(ctx, Desk()).listed() is True
    ctx.request.site = OWN
    assert await Part(ctx, Desk()).listed() is None  # the ground has not listed anything


class Dead(Revive):
    """A database that does not come up."""

    async def _wake(self) -> None:
        raise Unreachable("nothing answers", why="the API server is dead")


@pytest.mark.parametrize(("given", "attempt", "gives_up"), [(True, 3, True), (True, 1, False), (False, 3, False)])
async def test_a_database_that_does_not_come_up_can_be_given_up(given: bool, attempt: int, gives_up: bool) -> None:
    """`--abandon-data` was offered by a look that such a database never let the run get to."""
    ctx = cast("Any", context(Board(), attempt=attempt))
    ctx.request.abandon_data = given
    if not gives_up:
        with pytest.raises(Unreachable):
            await Dead(ctx, Desk()).act()
        return
    seen = await Dead(ctx, Desk()).act()
    assert seen is not None
    assert (seen.state, seen.facts["presence"]) == (State.REACHED, "present")
    assert "the API server is dead" in seen.detail


@pytest.mark.parametrize(("length", "fits"), [(52, True), (53, False)])
def test_an_id_that_its_pods_could_not_bear_is_refused_before_anything_is_destroyed(length: int, fits: bool) -> None:
    """A StatefulSet of 53 characters is taken, and its pods never come: their label would have 64."""
    layer = dataclasses.replace(DATABASE, id="d" * length)
    asked = request(Verb.REBIRTH, dataclasses.replace(OWN, layers=(*OWN.layers[:-1], layer)))
    if fits:
        assert steps.plan(layer, options(**ON_NODE), asked)
    else:
        with pytest.raises(Permanent, match="is too long for a database on Kubernetes"):
            steps.plan(layer, options(**ON_NODE), asked)


@pytest.mark.parametrize("error", [Unreachable("dead"), Permanent("no layer has a cluster"), Denied("forbidden")])
@pytest.mark.parametrize("asked", ["cluster", "list"])
async def test_a_cluster_that_cannot_be_asked_ended_the_run_without_a_way_out(asked: str, error: Exception) -> None:
    """Only one error of many got as far as `--abandon-data`, and no refusal offered it."""
    board = Board()

    async def broken(*_: Any, **__: Any) -> Any:
        raise error

    ctx = cast("Any", context(board, attempt=4, request=request(Verb.REBIRTH, FOREIGN)))
    setattr(ctx if asked == "cluster" else board, asked, broken)
    assert (await Revive(ctx, Desk()).observe()).state is State.NOT_REACHED
    with pytest.raises(Refused, match="cannot be brought to answer") as caught:
        await Dead(ctx, Desk()).act()
    assert "castle rebirth --abandon-data" in caught.value.hints[-1]
    ctx.attempt = 1
    with pytest.raises(Unreachable):
        await Dead(ctx, Desk()).act()


@pytest.mark.parametrize("error", [Permanent("no layer has a cluster"), Denied("forbidden"), NotFound("no key")])
async def test_whatever_hides_a_cluster_is_no_word_on_its_database(error: Exception) -> None:
    async def broken(**_: Any) -> Any:
        raise error

    with pytest.raises(Unreachable, match="cannot be asked"):
        await place(None, cluster=broken).own()
    with pytest.raises(Unreachable, match="cannot be asked"):
        await PgoPlace(context(None, cluster=broken, options=operated())).own()
