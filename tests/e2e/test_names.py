"""A castle whose name lives on a real name server: raised, reborn, wiped; its server dies at the worst moment."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import dns.message
import dns.query
import pytest

from ephemeral_castle.world.keys import KeyFile
from tests.e2e.castles import TestCastle

pytestmark = [pytest.mark.machines, pytest.mark.evidence("real", "podman", "knot", "versitygw")]

KNOT = Path(__file__).parents[2] / "testbed" / "knot.py"
GATEWAY = "10.89.77.1"
LOWERED = 5  # seconds, the default of `lowered_ttl`
NAME, OWNER = "blog.castle.example", "_castle.blog.castle.example"
DEFINITION = """\
castle: {name}
treasury: {treasury}
layers:
  machines: {{role: ground}}
  name: {{role: gates, needs: [machines]}}
sites:
  here:
    layers:
      machines:
        driver: podman
        machines:
          edge: {{id: 432, memory: 128MiB}}
      name: {{driver: rfc2136, server: "{server}", zone: castle.example, key: dns/tsig,
             records: {{blog: edge}}, timeout: 3s,
             maintenance: here}}
"""


class NamedCastle(TestCastle):
    """One machine and its name."""

    def __init__(self, base: Path) -> None:
        self.zone = base / "zone"
        self.server: dict[str, Any] = json.loads(self.knot("start"))
        super().__init__(base)
        keys = base / "castle.key"
        KeyFile.generate(self.name).write(keys)
        keys.write_text(keys.read_text() + f'\n[secrets]\n"dns/tsig" = "{self.server["key"]}"\n')

    def write(self, *, transport: str = "podman", max_age: str = "1ms") -> None:
        text = DEFINITION.format(name=self.name, treasury=self.treasury, server=self.server["server"])
        self.file.write_text(text)

    def knot(self, verb: str) -> str:
        command = [sys.executable, str(KNOT), verb, str(self.zone)]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    def answer(self, name: str = NAME, type_: str = "A") -> list[str]:
        """What the zone says."""
        return [rdata.to_text() for each in self._ask(name, type_).answer for rdata in each]

    def _ask(self, name: str, type_: str) -> dns.message.Message:
        host, _, port = str(self.server["server"]).rpartition(":")
        return dns.query.tcp(dns.message.make_query(name, type_), host, port=int(port), timeout=5)

    def page(self) -> str:
        """What somebody sees who follows the name while the castle is away: as soon as it leads to the gateway."""
        until = time.monotonic() + 60
        while self.answer() != [GATEWAY] and time.monotonic() < until:
            time.sleep(0.01)
        curl = ["curl", "--silent", "--include", "--max-time", "5", f"http://{GATEWAY}/any/page"]
        namespace = next(Path("/run/netns").glob(f"castle-{self.name}*"))
        command = ["nsenter", f"--net={namespace}", *curl]
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout

    def ttl(self) -> int:
        """How long a resolver may keep the address."""
        return next((each.ttl for each in self._ask(NAME, "A").answer), 0)

    def address(self) -> str:
        """Of the machine that stands."""
        return str(self.data("status")["machines"][0]["address"])


@pytest.fixture(scope="module")
def castle() -> Iterator[NamedCastle]:
    made = NamedCastle(Path(tempfile.mkdtemp(prefix="castle-names-", dir="/var/tmp")))
    try:
        made.raise_()
        yield made
    finally:
        made.knot("stop")
        made.down()


def test_the_first_life_is_named(castle: NamedCastle) -> None:
    assert castle.answer() == [castle.address()]
    record = json.loads(castle.run("status", "--json", ok=False).stdout.splitlines()[-1])
    assert castle.answer(OWNER, "TXT") == [f'"castle={record["id"]} life=1"']
    assert record["alarms"] == []


def test_a_rebirth_leads_the_name_to_the_new_life_and_says_how_long_caches_lie(castle: NamedCastle) -> None:
    before = castle.answer()
    with ThreadPoolExecutor(1) as beside:
        page = beside.submit(castle.page)
        said = castle.rebirth().stdout
    shown = page.result(timeout=10)
    assert shown.startswith("HTTP/1.1 503 ")
    assert "Retry-After: 30" in shown
    assert f"<strong>{castle.name}</strong>" in shown
    assert castle.answer() == [castle.address()]
    assert castle.answer() != before
    assert castle.answer(OWNER, "TXT")[0].endswith(' life=2"')
    line = next(line.split() for line in said.splitlines() if line.split()[:1] == ["names"])
    assert line[1:3] == [NAME, castle.address()]
    assert "resolvers may answer the old address until 20" in " ".join(line)
    report = json.loads(castle.run("report", "--json").stdout.splitlines()[-1])
    assert report["names"] == {NAME: castle.address()}
    assert report["stale_until"] > 0


def test_a_silent_server_refuses_a_rebirth_and_destroys_nothing(castle: NamedCastle) -> None:
    life = castle.life()
    castle.knot("stop")
    refused = castle.rebirth(ok=False)
    assert refused.returncode == 9, refused.stdout + refused.stderr
    assert "the name server does not answer" in refused.stdout + refused.stderr
    status = castle.data("status")
    assert (status["state"], status["life"], status["healthy"]) == ("up", life, None)
    castle.knot("start")


def test_a_server_killed_at_the_switch_leaves_a_castle_that_serves_and_a_resume_that_names_it(
    castle: NamedCastle,
) -> None:
    life, before = castle.life(), castle.answer()

    def kill_after_the_cut() -> None:
        while castle.answer() != [GATEWAY]:
            time.sleep(0.005)
        assert castle.ttl() == LOWERED
        castle.knot("stop")

    with ThreadPoolExecutor(1) as beside:
        killed = beside.submit(kill_after_the_cut)
        failed = castle.rebirth(ok=False)
        killed.result(timeout=10)
    said = failed.stdout + failed.stderr
    assert failed.returncode == 4, said
    assert "the names could not be switched to the new life" in said
    assert "the castle serves at" in said
    assert "castle resume" in said
    castle.knot("start")
    assert f"they lead to the maintenance page at {GATEWAY}" in said
    assert castle.answer() == [GATEWAY]
    castle.run("resume")
    assert castle.life() == life + 1
    assert castle.answer() == [castle.address()]
    assert castle.answer() != before


def test_a_wipe_takes_the_name_along(castle: NamedCastle) -> None:
    castle.run("wipe", "--confirm", castle.name)
    assert castle.answer() == []
    assert castle.answer(OWNER, "TXT") == []
    castle.run("raise")
    assert castle.answer() == [castle.address()]
