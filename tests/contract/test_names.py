"""Drivers of names keep to the suite in `names`: over servers in memory, and over real ones."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from ephemeral_castle.drivers.rfc2136 import Rfc2136Driver
from ephemeral_castle.errors import Denied, Permanent
from ephemeral_castle.model.castle import Verb
from ephemeral_castle.spi.names import NameChange, NameSet, TsigKey
from ephemeral_castle.spi.options import read_options
from ephemeral_castle.spi.secret import Secret
from ephemeral_castle.world.clock import SystemClock
from ephemeral_castle.world.names import TcpNames
from ephemeral_castle.world.simulated import ManualClock, MemoryObjects, SimulatedWorld
from ephemeral_castle.world.simulated_names import MemoryZone
from tests.contract import names
from tests.contract.names import SUITE

KNOT = Path(__file__).parents[2] / "testbed" / "knot.py"
ZONE = "castle.example"


def options(server: str, **more: Any) -> Any:
    written = {"server": server, "zone": ZONE, "key": "dns/tsig", "records": {"blog": "edge"}, **more}
    return read_options(Rfc2136Driver.Options, written)


class MemoryBed:
    """`rfc2136` over a zone in memory."""

    def __init__(self, **more: Any) -> None:
        self.driver = Rfc2136Driver()
        self.options = options("ns1", **more)
        self.secrets: Mapping[str, str] = {"dns/tsig": "hmac-sha256:castle:c2VjcmV0"}
        clock = ManualClock()
        self.world: Any = SimulatedWorld(clock, MemoryObjects(clock))
        self.zone = MemoryZone(ZONE, keys={"castle": "c2VjcmV0"})
        self.world.names.servers["ns1"] = self.zone

    async def put(self, name: str, type_: str, *values: str, ttl: int = 60) -> None:
        self.zone.put(NameSet(name, type_, tuple(sorted(values)), ttl))

    async def get(self, name: str, type_: str) -> tuple[tuple[str, ...], int]:
        answer = await self.world.names.query("ns1", name, type_)
        found = answer.get(name, type_)
        return found.values, found.ttl


@dataclass
class RealWorld:
    """The doors that a driver of names needs, real ones."""

    clock: SystemClock = field(default_factory=SystemClock)

    @property
    def names(self) -> TcpNames:
        return TcpNames(self.clock)


class RealBed:
    """`rfc2136` over a real server."""

    def __init__(self, server: str, key: str, **more: Any) -> None:
        self.driver = Rfc2136Driver()
        self.options = options(server, **more)
        self.key = TsigKey.parse(Secret(key))
        self.secrets: Mapping[str, str] = {"dns/tsig": key}
        self.world = RealWorld()

    async def put(self, name: str, type_: str, *values: str, ttl: int = 60) -> None:
        change = NameChange(ZONE, put=(NameSet(name, type_, values, ttl),))
        await self.world.names.update(self.options.server, change, self.key)

    async def get(self, name: str, type_: str) -> tuple[tuple[str, ...], int]:
        found = (await self.world.names.query(self.options.server, name, type_)).get(name, type_)
        return found.values, found.ttl

    async def clean(self) -> None:
        """Takes away what a check may have left."""
        for name in ("blog", "_castle.blog", "*"):
            for type_ in ("A", "AAAA", "CNAME", "TXT"):
                await self.put(f"{name}.{ZONE}", type_)


def title(check: Any) -> str:
    return str(check.__name__)


@pytest.mark.evidence("simulated", "knot")
@pytest.mark.parametrize("check", SUITE, ids=title)
async def test_over_a_server_in_memory(check: Any) -> None:
    await check(MemoryBed())


def knotted(verb: str, directory: Path) -> str:
    """`testbed/knot.py VERB DIRECTORY`; what it prints."""
    command = [sys.executable, str(KNOT), verb, str(directory)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def knot(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    directory = tmp_path_factory.mktemp("knot")
    yield json.loads(knotted("start", directory))
    knotted("stop", directory)


@pytest.mark.machines
@pytest.mark.evidence("real", "knot")
@pytest.mark.parametrize("check", SUITE, ids=title)
async def test_over_knot(knot: dict[str, Any], check: Any) -> None:
    bed = RealBed(knot["server"], knot["key"])
    await bed.clean()
    await check(bed)


@pytest.mark.machines
@pytest.mark.evidence("real", "knot")
async def test_knot_refuses_what_is_not_signed(knot: dict[str, Any]) -> None:
    change = NameChange(ZONE, put=(NameSet(f"x.{ZONE}", "A", ("192.0.2.1",), 60),))
    with pytest.raises(Denied):
        await TcpNames(SystemClock()).update(knot["server"], change, None)


@pytest.mark.machines
@pytest.mark.evidence("real", "knot")
async def test_knot_tells_a_clock_that_is_off(knot: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    bed = RealBed(knot["server"], knot["key"])
    await bed.clean()
    now = time.time
    monkeypatch.setattr(time, "time", lambda: now() + 3600)
    error = await names.refusal(bed, Verb.RAISE, 1)
    assert "behind this computer's (BADTIME)" in error.why
    assert error.state == "nothing was changed"


@pytest.mark.machines
@pytest.mark.evidence("real", "knot")
async def test_a_knot_that_is_killed_at_the_switch_and_comes_back(tmp_path: Path) -> None:
    """It is killed when the castle serves already, and started again while the switch asks for it."""
    started = json.loads(knotted("start", tmp_path))
    bed = RealBed(started["server"], started["key"])
    await names.run(bed, Verb.RAISE, 1)
    ctx = await names.run(bed, Verb.REBIRTH, 2, until="lower-ttl")
    os.kill(started["pid"], signal.SIGKILL)
    switching = asyncio.create_task(names.step(bed, ctx, names.the(bed, ctx, "switch")))
    await asyncio.sleep(0.5)
    assert not switching.done()
    again = json.loads(await asyncio.to_thread(knotted, "start", tmp_path))
    assert again["server"] == started["server"]
    try:
        await asyncio.wait_for(switching, 20)
        assert await bed.get(names.BLOG, "A") == ((names.NEW,), 60)
    finally:
        knotted("stop", tmp_path)


@pytest.mark.machines
@pytest.mark.evidence("real", "knot")
async def test_a_knot_that_stays_away_leaves_a_castle_that_serves(tmp_path: Path) -> None:
    started = json.loads(knotted("start", tmp_path))
    bed = RealBed(started["server"], started["key"], timeout="1s")
    await names.run(bed, Verb.RAISE, 1)
    ctx = await names.run(bed, Verb.REBIRTH, 2, until="lower-ttl")
    knotted("stop", tmp_path)
    with pytest.raises(Permanent) as caught:
        await names.step(bed, ctx, names.the(bed, ctx, "switch"))
    assert caught.value.state.startswith(f"the castle serves at {names.NEW}")
    knotted("start", tmp_path)
    try:
        assert (await bed.get(names.BLOG, "A"))[0] == (names.OLD,)
        await names.step(bed, ctx, names.the(bed, ctx, "switch"))
        assert (await bed.get(names.BLOG, "A"))[0] == (names.NEW,)
    finally:
        knotted("stop", tmp_path)
