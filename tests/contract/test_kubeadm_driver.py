"""Driver `kubeadm` keeps to the contract: where nothing stands, and where its cluster does."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

import pytest

from ephemeral_castle.drivers.kubeadm import KubeadmDriver, coredns
from ephemeral_castle.drivers.kubeadm.endpoint import configuration, digest
from ephemeral_castle.model.castle import Verb
from ephemeral_castle.spi import contract
from ephemeral_castle.spi.contract import Subject
from ephemeral_castle.spi.kubernetes import Manifest
from ephemeral_castle.spi.world import Result
from tests.unit.drivers.kubeadm import bed

pytestmark = pytest.mark.evidence("simulated", "kubeadm")

COREFILE = coredns.corefile((), {"rehearsal": "10.0.0.1"})
LOOKS = ('echo "digest', "/dev/tcp", "max_user_instances", "podman ps", "cat /etc/")


def given(verb: Verb) -> Collection[str]:
    """What castle itself and the ground contribute."""
    made = {"machine:control", "machine:data", "machine:edge"}
    return {"old-machines"} | (made if verb in (Verb.REBIRTH, Verb.RAISE, Verb.DRILL) else set())


def reads(argv: Sequence[str], _stdin: bytes) -> bool:
    """Listings, and scripts that only ask."""
    return any(look in " ".join(argv) for look in LOOKS)


def subject(*, stands: bool) -> Subject:
    servers = [("control", "10.0.0.31")]
    endpoint = bed.podman_ps(2, digest(configuration("10.0.0.1", servers)))
    nothing = lambda argv, stdin: Result(125, "", "Error: no such container")  # noqa: E731
    objects: list[Manifest] = bed.standing(COREFILE) if stands else []
    return Subject(
        make=KubeadmDriver,
        layer=bed.LAYER,
        options=bed.options(),
        castle=bed.CASTLE,
        site=bed.SITE,
        record=bed.RECORD,
        given=given,
        reads=reads,
        facts={"machines.revive": {"containers": ["c-1-421"]}},
        answer=bed.answers({"any": ""}, endpoint) if stands else nothing,
        objects=objects,
    )


@pytest.mark.parametrize("check", contract.CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("stands", [False, True], ids=["nothing", "standing"])
def test_it_keeps_to_the_contract(stands: bool, check: Callable[[Subject], None]) -> None:
    check(subject(stands=stands))
