"""A castle whose certificate is carried from life to life: by its own CA, then by one that speaks ACME."""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ephemeral_castle.drivers.certificates import papers
from ephemeral_castle.model.events import Kind
from ephemeral_castle.world.keys import KeyFile
from tests.e2e.accidents import BrokenRun, Moment
from tests.e2e.castles import TestCastle
from tests.e2e.test_acme import Grounds

pytestmark = [
    pytest.mark.machines,
    pytest.mark.evidence("real", "podman", "versitygw", "pebble", "knot", "age", "openssl"),
    pytest.mark.evidence("stand-in", "public-ca"),
]

NAME = "blog.castle.example"
DEFINITION = """\
castle: {name}
treasury: {treasury}
layers:
  machines: {{role: ground}}
  certificate: {{role: gates}}
sites:
  here:
    layers:
      machines:
        driver: podman
        machines:
          edge: {{id: 432, memory: 128MiB}}
      certificate: {{driver: certificates, names: [{names}], issuer: {issuer}}}
"""


class CertifiedCastle(TestCastle):
    """One machine and one certificate."""

    def __init__(self, base: Path, grounds: Grounds) -> None:
        self.grounds = grounds
        self.issuer: Any = "own"
        super().__init__(base)
        keys = base / "castle.key"
        KeyFile.generate(self.name).write(keys)
        keys.write_text(keys.read_text() + f'\n[secrets]\n"dns/tsig" = "{grounds.server["key"]}"\n')

    def write(self, *, transport: str = "podman", max_age: str = "1ms") -> None:
        issuer = json.dumps(self.issuer)  # JSON is YAML
        self.file.write_text(
            DEFINITION.format(name=self.name, treasury=self.treasury, issuer=issuer, names=f'"{NAME}"')
        )

    def by_acme(self) -> None:
        """The definition names Pebble from here on."""
        dns = {"server": self.grounds.server["server"], "zone": "castle.example", "key": "dns/tsig"}
        found = self.grounds.found
        for file in ("ca", "root"):
            (self.base / f"{file}.pem").write_text(Path(found[file]).read_text())
        self.issuer = {"directory": found["directory"], "ca": "ca.pem", "root": "root.pem", "dns": dns}
        self.write()

    def secret(self, what: str) -> str:
        return self.run("secret", "get", f"certificate/certificate/{what}").stdout

    def serial(self) -> int:
        return papers.read_chain(self.secret("chain"))[0].serial_number

    def facts(self) -> dict[str, Any]:
        """Of the step `ready` in the newest run."""
        events = [json.loads(line) for line in self.run("logs", "--json").stdout.splitlines()]
        found = [
            each for each in events if each.get("step") == "certificate.ready" and each.get("kind") == "step.finished"
        ]
        facts: dict[str, Any] = found[-1]["data"]["facts"]
        return facts


@pytest.fixture(scope="module")
def grounds(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Grounds]:
    found = Grounds(tmp_path_factory.mktemp("ca"))
    found.begin()
    yield found
    found.close()


@pytest.fixture(scope="module")
def castle(grounds: Grounds) -> Iterator[CertifiedCastle]:
    made = CertifiedCastle(Path(tempfile.mkdtemp(prefix="castle-certificates-", dir="/var/tmp")), grounds)
    try:
        made.raise_()
        yield made
    finally:
        made.down()


def test_one_way(castle: CertifiedCastle, grounds: Grounds) -> None:
    """In one test, since each part stands on the one before."""
    own_is_carried_over(castle)
    acme_takes_over_and_is_carried_over(castle, grounds)
    a_killed_runner_leaves_an_order_that_is_gone_on_with(castle, grounds)
    a_dead_ca_stops_only_who_needs_it(castle, grounds)
    no_private_key_lies_about(castle)


def own_is_carried_over(castle: CertifiedCastle) -> None:
    first, ca = castle.serial(), castle.secret("ca")
    assert castle.facts()["issued"] is True
    status = castle.data("status")
    assert status["certificates"][0]["names"] == [NAME]
    assert status["alarms"] == []
    assert "ends in 90 days" in castle.run("status").stdout
    castle.rebirth()
    assert castle.serial() == first
    assert castle.facts()["issued"] is False
    assert castle.facts()["ca"].strip() == ca.strip()


def acme_takes_over_and_is_carried_over(castle: CertifiedCastle, grounds: Grounds) -> None:
    before = castle.serial()
    castle.by_acme()
    plan = castle.run("plan", "rebirth").stdout
    assert "certificate" in plan
    castle.rebirth()
    assert castle.serial() != before
    assert castle.facts()["issued"] is True
    assert castle.facts()["ca"] == grounds.root()
    serial = castle.serial()
    castle.rebirth()
    assert (castle.serial(), castle.facts()["issued"]) == (serial, False)
    assert grounds.counts() == {"orders": 1, "issued": 1, "refused": 0}


def a_killed_runner_leaves_an_order_that_is_gone_on_with(castle: CertifiedCastle, grounds: Grounds) -> None:
    forget(castle)
    before, life = grounds.counts(), castle.life()
    with BrokenRun(castle) as run:
        # The first word of that step: the order is made, the answer stands in the zone, and the CA looks.
        run.through([Moment("certificate.obtain", Kind.STEP_PROGRESS)])
    assert castle.life() == life + 1
    assert castle.facts()["issued"] is True
    after = grounds.counts()
    assert (after["orders"], after["issued"]) == (before["orders"] + 1, before["issued"] + 1)


def forget(castle: CertifiedCastle) -> None:
    """The vault has no certificate any more."""
    for what in ("chain", "next"):
        castle.run("secret", "delete", f"certificate/certificate/{what}")


def a_dead_ca_stops_only_who_needs_it(castle: CertifiedCastle, grounds: Grounds) -> None:
    grounds.end()
    castle.rebirth()
    life = castle.life()
    forget(castle)
    (alarm,) = castle.data("status")["alarms"]
    assert "there is none yet" in alarm["text"]
    refused = castle.rebirth(ok=False)
    assert refused.returncode == 9, refused.stdout + refused.stderr
    said = refused.stdout + refused.stderr
    assert "a certificate must be issued, and cannot be: the CA does not answer" in said
    assert "nothing was destroyed" in said
    assert castle.life() == life
    grounds.begin()
    castle.by_acme()
    castle.run("raise")
    assert grounds.counts()["issued"] == 1
    assert castle.data("status")["alarms"] == []


def no_private_key_lies_about(castle: CertifiedCastle) -> None:
    """Neither key is in any file of the castle's, the journal among them; the vault is encrypted."""
    keys = [castle.secret(what).splitlines()[1] for what in ("key", "ca-key", "account-key")]
    for key in keys:
        found = subprocess.run(["grep", "-rlF", key, castle.base], capture_output=True, text=True, check=False)
        assert found.stdout == ""
