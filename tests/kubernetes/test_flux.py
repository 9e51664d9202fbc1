"""The driver `flux` with the real kustomize-controller on a real API server."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ephemeral_castle.drivers.flux import fetching
from ephemeral_castle.errors import Permanent
from ephemeral_castle.model.castle import Verb
from ephemeral_castle.spi.kubernetes import Ref
from ephemeral_castle.world.kubernetes import HttpCluster
from tests.kubernetes.control import Control, running
from tests.kubernetes.fluxes import SPACE, RealBed, config, missing

pytestmark = [
    pytest.mark.kubernetes,
    pytest.mark.evidence("real", "api-server", "kustomize-controller", "git"),
    pytest.mark.evidence("stand-in", "source-controller"),
]
KUSTOMIZE = "kustomize.toolkit.fluxcd.io/v1"


@pytest.fixture
def control(tmp_path: Path) -> Iterator[Control]:
    """A cluster of the test's own: Flux is everywhere in it."""
    with running(tmp_path, missing()) as made:
        yield made


def unit(name: str) -> Ref:
    return Ref(KUSTOMIZE, "Kustomization", name, SPACE)


THREE: dict[str, Any] = {
    "infra": ({}, {"a.yaml": config("infra", life="life ${CASTLE_LIFE}")}),
    "data": ({"dependsOn": [{"name": "infra"}]}, {"a.yaml": config("data")}),
    "apps": (
        {
            "dependsOn": [{"name": "data"}],
            "postBuild": {"substituteFrom": [{"kind": "ConfigMap", "name": "castle-database"}]},
        },
        {"a.yaml": config("apps", host="${CASTLE_DATABASE_HOST}")},
    ),
}
THREE["infra"][0]["postBuild"] = {"substituteFrom": [{"kind": "ConfigMap", "name": "castle-values"}]}


BROKEN = """
apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata: {name: inner, namespace: flux-system}
spec: {interval: 10m, prune: true, pathh: ./x, sourceRef: {kind: GitRepository, name: flux-system}}
"""


async def test_from_nothing_to_every_unit_and_back_to_rest(bed: RealBed, cluster: HttpCluster) -> None:
    sha = bed.push(**THREE)
    await bed.all()
    facts = bed.known["walls.units"]
    assert facts["revision"] == f"main@sha1:{sha}"
    assert {name: each["stage"] for name, each in facts["units"].items()} == {
        f"{SPACE}/{name}": "ready" for name in ("flux-system", "infra", "data", "apps")
    }
    found = await cluster.get(Ref("v1", "ConfigMap", "apps", "default"))
    assert found is not None
    assert found["data"] == {"host": "10.0.0.31"}
    assert bed.known["walls.controllers"]["controllers"]["source-controller"]["title"].startswith("stand-in")
    assert all(each in bed.kubelet.args for each in ("--concurrent=20", "--requeue-dependency=5s"))  # type: ignore[attr-defined]

    # The same once more changes nothing, and a look says so.
    async with asyncio.timeout(20):
        while why := await bed.driver.settled(bed.ctx):
            assert "not fetched yet" in why  # it was let loose a moment ago
            await asyncio.sleep(0.2)
    assert (await bed.driver.look(bed.ctx))["alarms"] == []

    # Flux rests, and undoes nothing.
    bed.old_life = bed.life
    bed.verb(Verb.SEAL)
    await bed.step("rest")
    await cluster.patch(Ref("v1", "ConfigMap", "apps", "default"), {"data": {"host": "fenced"}})
    bed.push(**{**THREE, "more": ({}, {"a.yaml": config("more")})})
    await cluster.patch(unit("apps"), {"metadata": {"annotations": {"reconcile.fluxcd.io/requestedAt": "now"}}})
    await asyncio.sleep(3)
    assert await cluster.get(unit("more")) is None
    kept = await cluster.get(Ref("v1", "ConfigMap", "apps", "default"))
    assert kept is not None
    assert kept["data"] == {"host": "fenced"}

    # The next raise wakes it, with the newest commit.
    bed.verb(Verb.RAISE)
    bed.known.clear()
    await bed.all()
    assert f"{SPACE}/more" in bed.known["walls.units"]["units"]
    again = await cluster.get(Ref("v1", "ConfigMap", "apps", "default"))
    assert again is not None
    assert again["data"] == {"host": "10.0.0.31"}


async def test_undo_lets_the_units_go_on(bed: RealBed, cluster: HttpCluster) -> None:
    bed.push(infra=({}, {"a.yaml": config("infra")}), apps=({"suspend": True}, {"a.yaml": config("apps")}))
    await bed.all()
    bed.old_life = bed.life
    bed.verb(Verb.WIPE)
    await bed.step("rest")
    told = await bed.driver.undo(bed.the("rest"), bed.ctx)
    assert "infra" in told
    assert "apps" not in told
    apps, infra = await cluster.get(unit("apps")), await cluster.get(unit("infra"))
    assert apps is not None
    assert infra is not None
    assert (apps["spec"].get("suspend"), infra["spec"].get("suspend")) == (True, False)


@pytest.mark.parametrize(
    ("units", "said"),
    [
        (
            {"infra": ({}, {"a.yaml": BROKEN})},
            "field not declared in schema",
        ),
        ({"infra": ({}, {"kustomization.yaml": "resources: [none.yaml]"})}, "BuildFailed"),
        ({"infra": ({"path": "./none"}, {})}, "path not found"),
        ({"apps": ({"dependsOn": [{"name": "databse"}]}, {"a.yaml": config("a")})}, "databse`, which does not exist"),
        (
            {
                "a": ({"dependsOn": [{"name": "b"}]}, {"a.yaml": config("a")}),
                "b": ({"dependsOn": [{"name": "a"}]}, {"a.yaml": config("b")}),
            },
            "flux-system/a → flux-system/b → flux-system/a",
        ),
    ],
)  # fmt: skip
async def test_what_will_never_be_is_told_early(bed: RealBed, units: dict[str, Any], said: str) -> None:
    bed.push(**{name: (spec, files or {"x": "y"}) for name, (spec, files) in units.items()})
    begun = bed.clock.monotonic()
    with pytest.raises(Permanent) as error:
        await bed.all()
    assert said in error.value.why
    assert bed.clock.monotonic() - begun < 60


# A connection whose handshake the server's death breaks off is left to the garbage collector by anyio.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
async def test_an_api_server_that_dies_under_the_follow_is_waited_for(
    bed: RealBed, control: Control, cluster: HttpCluster
) -> None:
    chain = {
        f"u{n}": ({"dependsOn": [{"name": f"u{n - 1}"}]} if n else {}, {"a.yaml": config(f"u{n}")}) for n in range(5)
    }
    bed.push(**chain)
    await bed.all("units")
    follow = asyncio.create_task(bed.step("units"))
    async with asyncio.timeout(60):
        while not any(line == f"{SPACE}/u1: ready" for line in bed.lines):  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    control.kill_server()
    await asyncio.sleep(1)
    control.start_server()
    await asyncio.wait_for(follow, 180)
    assert bed.known["walls.units"]["units"][f"{SPACE}/u4"]["stage"] == "ready"


async def test_a_git_host_that_refuses_is_told_with_its_words(bed: RealBed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetching, "PATIENCE", 5.0)
    bed.push(infra=({}, {"a.yaml": config("infra")}))
    await bed.all("root")
    bed.host.token = "another"
    for action in ("root", "controllers", "endpoints"):
        await bed.step(action)
    with pytest.raises(Permanent) as error:
        await bed.step("units")
    assert "GitOperationFailed" in error.value.why
    assert error.value.message == "the cluster cannot fetch the repository"
