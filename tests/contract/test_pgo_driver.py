"""The driver `pgo` keeps to the contract: where nothing stands, and where its database does."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any

import pytest

from ephemeral_castle.drivers.postgres.pgo import PgoDriver
from ephemeral_castle.drivers.postgres.pgo.options import PgoOptions
from ephemeral_castle.model.castle import Castle, Layer, Role, Site, Treasury, Verb
from ephemeral_castle.model.record import Record
from ephemeral_castle.spi import contract
from ephemeral_castle.spi.contract import Subject
from ephemeral_castle.spi.driver import Request
from ephemeral_castle.spi.kubernetes import Manifest
from ephemeral_castle.spi.world import Result
from tests.contract.test_contract import FACTS
from tests.contract.test_contract import reads as reads_on_machines
from tests.unit.drivers.postgres.operated import CREATED, OPTIONS, serving

pytestmark = pytest.mark.evidence("simulated", "pgo")

GROUND = Layer("machines", Role.GROUND, "podman")
CLUSTER = Layer("cluster", Role.FOUNDATIONS, "kubeadm", needs=("machines",))
LAYER = Layer("database", Role.TREASURES, "pgo", needs=("cluster",))
SECRET = {"kind": "Secret", "api": "v1", "id": "u", "name": "db-s3", "namespace": "data"}
OWN = Site("lab", (GROUND, CLUSTER, LAYER))
STAYS = Site("home", (dataclasses.replace(CLUSTER, needs=()), LAYER))


class Living(Subject):
    """All verbs but one: a living database is not restored by this driver."""

    verbs: Collection[Verb] = frozenset(Verb) - {Verb.RESTORE}

    def requests(self) -> Iterator[Request]:
        return (request for request in super().requests() if request.verb in self.verbs)


class Staying(Living):
    """In a cluster that castle does not raise, a drill has no room."""

    verbs = (Verb.REBIRTH, Verb.WIPE, Verb.RAISE, Verb.BACKUP)


def given(verb: Verb) -> Collection[str]:
    """What castle itself, the ground and the cluster contribute."""
    always = {"old-machines", "old-cluster"}
    raised = {"castle.writer", "old-writer-revoked", "announced", "cluster-worker"}
    return always | (raised if verb in (Verb.REBIRTH, Verb.RAISE, Verb.DRILL) else set())


def reads(argv: Sequence[str], stdin: bytes) -> bool:
    """Scripts in a pod that only ask."""
    return reads_on_machines(argv, stdin) or "psql" in " ".join(argv)


def subject(site: Site, objects: Sequence[Manifest], kind: type[Subject] = Living) -> Subject:
    left_out = ("uploads.",) if objects else ("uploads.", "database.home")
    return kind(
        make=PgoDriver,
        layer=LAYER,
        options=PgoOptions.model_validate(OPTIONS),
        castle=Castle("lab", Treasury("bucket", "lab", endpoint="https://s3.example.org"), {site.name: site}),
        site=site,
        record=Record(CREATED, "lab", "age1toy", 1, site=site.name, computer="computer-1", writers={"1": "w"}),
        given=given,
        reads=reads,
        facts={
            "database.inventory": {"inventory": [SECRET]},
            **{step: facts for step, facts in FACTS.items() if not step.startswith(left_out)},
        },
        answer=lambda argv, stdin: Result(125, "", "Error: no such container"),
        objects=objects,
    )


def title(check: Callable[..., object]) -> str:
    return check.__name__


@pytest.mark.parametrize("check", contract.CHECKS, ids=title)
@pytest.mark.parametrize("objects", [[], serving(life=1)], ids=["nothing", "standing"])
def test_on_a_cluster_of_castles_own(objects: list[Manifest], check: Callable[[Subject], Any]) -> None:
    check(subject(OWN, objects))


@pytest.mark.parametrize("check", contract.CHECKS, ids=title)
def test_in_a_cluster_that_stays(check: Callable[[Subject], Any]) -> None:
    check(subject(STAYS, serving(life=1), Staying))
