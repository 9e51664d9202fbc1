"""The driver `postgres` keeps to the contract in a cluster, too: where nothing stands, and where its database does."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Callable, Collection, Iterator, Sequence

import pytest

from ephemeral_castle.drivers.postgres import PostgresDriver
from ephemeral_castle.drivers.postgres.options import PostgresOptions
from ephemeral_castle.model.castle import Castle, Layer, Reach, Role, Site, Treasury, Verb
from ephemeral_castle.model.record import Record
from ephemeral_castle.spi import contract
from ephemeral_castle.spi.contract import Subject
from ephemeral_castle.spi.driver import Request
from ephemeral_castle.spi.kubernetes import Manifest
from ephemeral_castle.spi.world import Result
from tests.contract.test_contract import FACTS
from tests.contract.test_contract import reads as reads_on_machines
from tests.unit.drivers.postgres.board import Board, options, place

pytestmark = pytest.mark.evidence("simulated", "kubernetes")

GROUND = Layer("machines", Role.GROUND, "podman")
CLUSTER = Layer("cluster", Role.FOUNDATIONS, "kubeadm", needs=("machines",))
LAYER = Layer("database", Role.TREASURES, "postgres", needs=("cluster",))
OWN = Site("lab", (GROUND, CLUSTER, LAYER), reach={"registry": Reach(5000, "127.0.0.1", 5000)})
STAYS = Site("home", (dataclasses.replace(CLUSTER, needs=()), LAYER), reach=OWN.reach)
CREATED = "c0ffee00-0000-4000-8000-000000000001"
HOME = {"namespace": "data", "node": "data"}


def record(site: Site) -> Record:
    return Record(CREATED, "lab", "age1toy", 1, site=site.name, computer="computer-1", writers={"1": "w"})


def given(verb: Verb) -> Collection[str]:
    """What castle itself, the ground and the cluster contribute."""
    always = {"old-machines", "old-cluster"}
    raised = {"castle.writer", "old-writer-revoked", "announced", "node:data", "cluster-worker"}
    return always | (raised if verb in (Verb.REBIRTH, Verb.RAISE, Verb.DRILL) else set())


def reads(argv: Sequence[str], stdin: bytes) -> bool:
    """Scripts in a pod that only ask."""
    return reads_on_machines(argv, stdin) or argv[:1] == ["perl"]


def standing() -> list[Manifest]:
    """All objects of a database that serves in life 1."""
    board = Board()

    async def make() -> None:
        where = place(board, life=1)
        await where.start({"castle.conf": ""}, ["serve"])
        await where.start_pooler({"pgbouncer.ini": ""})

    asyncio.run(make())
    return list(board.store.values())


def subject(site: Site, objects: Sequence[Manifest]) -> Subject:
    castle = Castle("lab", Treasury("bucket", "lab", endpoint="https://s3.example.org"), {site.name: site})
    made: PostgresOptions = options(**HOME)
    # Where nothing stands, nothing was brought home: a database that was is started again to be looked at.
    left_out = ("uploads.",) if objects else ("uploads.", "database.home")
    return Subject(
        make=PostgresDriver,
        layer=LAYER,
        options=made,
        castle=castle,
        site=site,
        record=record(site),
        given=given,
        reads=reads,
        facts={step: facts for step, facts in FACTS.items() if not step.startswith(left_out)},
        answer=lambda argv, stdin: Result(125, "", "Error: no such container"),
        objects=objects,
    )


def title(check: Callable[..., object]) -> str:
    return check.__name__


@pytest.mark.parametrize("check", contract.CHECKS, ids=title)
@pytest.mark.parametrize("objects", [[], standing()], ids=["nothing", "standing"])
def test_on_a_cluster_of_castles_own(objects: list[Manifest], check: Callable[[Subject], None]) -> None:
    check(subject(OWN, objects))


@pytest.mark.parametrize("check", [contract.plan_is_pure, contract.needs_can_be_met, contract.effects_are_told])
@pytest.mark.parametrize("verb", [Verb.REBIRTH, Verb.WIPE])
def test_in_a_cluster_that_stays(verb: Verb, check: Callable[[Subject], None]) -> None:
    class Only(Subject):
        """A drill is refused there."""

        def requests(self) -> Iterator[Request]:
            return (request for request in super().requests() if request.verb is verb)

    whole = subject(STAYS, [])
    check(Only(**{field.name: getattr(whole, field.name) for field in dataclasses.fields(whole)}))
