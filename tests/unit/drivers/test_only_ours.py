"""Only ours: what carries our name but not our mark is neither started, adopted nor removed."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any, cast

import pytest

from ephemeral_castle.drivers.podman.driver import PodmanDriver
from ephemeral_castle.drivers.podman.fleet import Fleet
from ephemeral_castle.drivers.podman.options import PodmanOptions
from ephemeral_castle.drivers.postgres.outside import Outside
from ephemeral_castle.errors import Refused, Transient
from ephemeral_castle.model.castle import Verb
from ephemeral_castle.model.step import State
from ephemeral_castle.spi.world import Result
from tests.unit.world.scripted import ScriptedExec

ID = "c0ffee00-0000-4000-8000-000000000001"
OPTIONS = PodmanOptions.model_validate({"machines": {"data": {"id": 431, "memory": "1GiB"}}})
NAME = "here-2-431"
OURS = {"castle.id": ID, "castle.life": "2", "castle.machine": "data"}
HOLDER = "ca3e9e8be4e6"
TAKEN = f'the container name "here-2-431" is already in use by {HOLDER}. You have to remove that container'


class Podman:
    """A podman with some containers and volumes: name -> labels; `fails`: what `run` says."""

    def __init__(
        self,
        containers: dict[str, dict[str, str]] | None = None,
        volumes: dict[str, dict[str, str]] | None = None,
        fails: str = "",
    ) -> None:
        self.containers, self.volumes, self.fails = containers or {}, volumes or {}, fails
        self.exec = ScriptedExec(self.answer)

    def answer(self, argv: list[str]) -> Result:
        match argv[1:]:
            case ["ps", *_]:
                found = [{"Id": f"id-{n}", "Names": [n], "Labels": m} for n, m in self.containers.items()]
                return Result(0, json.dumps(found), "")
            case ["volume", "ls", *_]:
                return Result(0, json.dumps([{"Name": n, "Labels": m} for n, m in self.volumes.items()]), "")
            case ["volume", "create", *_, name] if name in self.volumes:
                return Result(125, "", f"Error: volume with name {name} already exists: volume already exists")
            case ["run", *_] if self.fails:
                return Result(125, "", self.fails)
            case ["inspect", *_, name]:
                labels = self.containers.get(name)
                return Result(125, "", "no such container") if labels is None else self.inspected(name, labels)
            case _:
                return Result(0, "id-new\n", "")

    @staticmethod
    def inspected(name: str, labels: dict[str, str]) -> Result:
        return Result(0, f"true|{labels.get('castle.id', '')}|{labels.get('castle.run', '')}|id-{name}\n", "")

    def done(self, word: str) -> list[list[str]]:
        """The calls of one verb."""
        return [call[1:] for call in self.exec.calls if call[1] == word]

    def context(self, **more: Any) -> Any:
        """A context on it."""
        enclosure = SimpleNamespace(
            podman=lambda *args: ["podman", *args], podman_env=dict, network="net", gateway="10.0.0.1",
            treasury_host="treasury.castle", image_store="/images",
        )  # fmt: skip
        images = SimpleNamespace(reference=lambda recipe: f"localhost/{recipe.name}")

        async def intent(what: str, **data: Any) -> None:
            del what, data

        world = SimpleNamespace(
            exec=self.exec, enclosure=enclosure, images=images, computer={"memory_total": 1 << 40},
            clock=SimpleNamespace(),
        )  # fmt: skip
        return SimpleNamespace(
            world=world, options=OPTIONS, record=SimpleNamespace(id=ID, inventory={}), run="r1", life=2, old_life=1,
            passed_no_return=False, layer=SimpleNamespace(id="machines", driver="podman"), intent=intent,
            request=SimpleNamespace(
                verb=Verb.REBIRTH, castle=SimpleNamespace(name="here"), site=SimpleNamespace(subnet="10.0.0.0/24")
            ),
            **more,
        )  # fmt: skip


def step(action: str) -> Any:
    return SimpleNamespace(id=f"machines.{action}", action=action, params={"machine": "data"})


async def made(podman: Podman) -> str:
    fleet = Fleet(podman.context())
    return await fleet.create(fleet.planned("data", 2))


async def test_a_volume_of_our_name_without_our_mark_is_not_adopted() -> None:
    """Whatever lay in it would have become the disk of the new machine."""
    podman = Podman(volumes={NAME: {}})
    with pytest.raises(Refused, match=f"volume `{NAME}` carries our name but not our mark"):
        await made(podman)
    assert podman.done("run") == []


async def test_a_volume_of_another_life_is_not_adopted() -> None:
    with pytest.raises(Refused):
        await made(Podman(volumes={NAME: {**OURS, "castle.life": "1"}}))


async def test_our_own_volume_is_taken_by_a_resume() -> None:
    assert await made(Podman(volumes={NAME: OURS})) == "id-new"


async def test_a_failed_creation_does_not_remove_a_stranger_of_that_name() -> None:
    podman = Podman(containers={NAME: {}}, fails=TAKEN)
    with pytest.raises(Refused, match=f"container `{NAME}` carries our name but not our mark"):
        await made(podman)
    assert podman.done("rm") == podman.done("start") == []


async def test_what_a_failed_creation_left_is_removed_by_its_id() -> None:
    podman = Podman(containers={NAME: OURS}, fails="no space left on device")
    with pytest.raises(Transient, match="machine 431 does not start"):
        await made(podman)
    assert podman.done("rm") == [["rm", "-f", "-t", "0", f"id-{NAME}"]]


async def test_a_machine_that_an_earlier_try_made_is_started_not_made_again() -> None:
    podman = Podman(containers={NAME: OURS}, fails=TAKEN)
    assert await made(podman) == f"id-{NAME}"
    assert podman.done("start") == [["start", f"id-{NAME}"]]
    assert podman.done("rm") == []


async def test_what_podman_half_removed_does_not_keep_its_name_for_ever() -> None:
    """It has a name, no record and so no marks: neither a filter nor a list finds it, and no try could succeed."""
    podman = Podman(fails=TAKEN)
    with pytest.raises(Transient):
        await made(podman)
    with pytest.raises(Transient):
        await Outside(podman.context()).start({})
    assert podman.done("rm")[0] == podman.done("rm")[-1] == ["rm", "-f", "-t", "0", HOLDER]


async def test_a_strange_volume_is_seen_before_anything_is_destroyed() -> None:
    ctx = Podman(volumes={NAME: {}}).context()
    seen = await PodmanDriver().observe(step("check"), ctx)
    assert seen.state is State.FOREIGN
    assert NAME in seen.detail


@pytest.mark.parametrize("kind", ["containers", "volumes"])
async def test_a_stranger_in_place_of_a_standing_machine_is_not_revived(kind: str) -> None:
    """A stopped container of our name was started, whoever had made it."""
    marked = {**OURS, "castle.life": "1"}
    there: dict[str, Any] = {"containers": {"here-1-431": marked}, "volumes": {"here-1-431": marked}}
    ctx = Podman(**{**there, kind: {"here-1-431": {}}}).context()
    assert (await PodmanDriver().observe(step("revive"), ctx)).state is State.FOREIGN


async def test_a_volume_made_anew_under_a_destroyed_name_is_left_alone() -> None:
    """Volumes are known by name only: after a resume the stranger's would have gone with the rest of the inventory."""
    mine = {**OURS, "castle.life": "1"}
    inventory = [
        {"kind": "container", "id": "id-here-1-431", "name": "here-1-431", "life": 1},
        {"kind": "volume", "id": "here-1-431", "name": "here-1-431", "life": 1},
    ]
    podman = Podman(containers={"here-1-431": mine}, volumes={"here-1-431": {}})
    ctx = podman.context(facts=lambda _: {"inventory": inventory})
    driver = PodmanDriver()
    assert (await driver.observe(step("destroy"), ctx)).state is State.NOT_REACHED
    await driver.act(step("destroy"), ctx)
    assert podman.done("rm") == [["rm", "-f", "-t", "0", "id-here-1-431"]]
    assert [call for call in podman.done("volume") if call[1] == "rm"] == []


async def test_the_container_for_proofs_is_removed_by_mark_and_name() -> None:
    podman = Podman()
    await Outside(podman.context()).remove()
    removal = ["rm", "-f", "-t", "0", "--filter", "name=^here-machines-outside$", "--filter", f"label=castle.id={ID}"]
    assert podman.done("rm") == [removal]


async def test_a_stranger_named_like_the_container_for_proofs_is_named_and_gets_no_secret() -> None:
    name = "here-machines-outside"
    podman = Podman(containers={name: {"castle.run": "r1"}}, fails=TAKEN)
    outside = Outside(podman.context())
    assert not await outside.running()
    with pytest.raises(Refused, match=f"container `{name}` carries our name but not our mark"):
        await outside.start({"pgbackrest.conf": "secret"})
    assert podman.done("exec") == []


async def test_the_container_for_proofs_is_entered_by_its_id() -> None:
    podman = Podman()
    outside = Outside(cast("Any", podman.context()))
    await outside.start({})
    assert [call[:3] for call in podman.done("exec")] == [["exec", "-i", "id-new"]]
