"""Certificates of a real CA (Pebble) with answers on a real name server (Knot), behind the limits of a public CA."""

from __future__ import annotations

import json
import ssl
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ephemeral_castle.drivers.certificates import orders, papers
from ephemeral_castle.errors import Refused
from ephemeral_castle.model.castle import Verb
from ephemeral_castle.spi.names import NameChange, NameSet, TsigKey
from ephemeral_castle.spi.secret import Secret
from ephemeral_castle.world.acme import HttpAcme
from ephemeral_castle.world.clock import SystemClock
from ephemeral_castle.world.names import TcpNames
from ephemeral_castle.world.simulated import MemoryObjects, SimulatedWorld
from tests.unit.drivers.certificates.bed import NAME, Bed, Context, ready, run

pytestmark = [
    pytest.mark.machines,
    pytest.mark.evidence("real", "pebble", "knot"),
    pytest.mark.evidence("stand-in", "public-ca"),
]
ROOT = Path(__file__).parents[2]
DAY = 86400.0
ZONE = "castle.example"
AT = f"_acme-challenge.{NAME}"


def program(script: str, *argv: str) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, ROOT / "testbed" / script, *argv], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout) if done.stdout else {}


class Shifted(SystemClock):
    """The true time, and how far this computer's clock is from it."""

    off = 0.0

    def now(self) -> float:
        return super().now() + self.off


class Grounds:
    """Name server and CA; both may be ended and started again."""

    def __init__(self, directory: Path) -> None:
        self.knot, self.ca = directory / "knot", directory / "ca"
        subprocess.run([ROOT / "scripts" / "pebble"], check=True, capture_output=True, timeout=600)
        self.server = program("knot.py", "start", str(self.knot), "--zone", ZONE)
        self.found: dict[str, Any] = {}

    def begin(self, *, reject: int = 5) -> None:
        argv = ("--dns", self.server["server"], "--reject", str(reject))
        self.found = program("pebble/pebble.py", "start", str(self.ca), *argv)

    def end(self) -> None:
        program("pebble/pebble.py", "stop", str(self.ca))

    def close(self) -> None:
        self.end()
        program("knot.py", "stop", str(self.knot))

    def root(self) -> str:
        return Path(self.found["root"]).read_text()

    def counts(self) -> dict[str, int]:
        context = ssl.create_default_context(cafile=self.found["ca"])
        with urllib.request.urlopen(self.found["limits"], context=context, timeout=5) as answer:
            return {"orders": 0, "issued": 0, "refused": 0, **json.loads(answer.read())}


@pytest.fixture(scope="module")
def standing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Grounds]:
    directory = tmp_path_factory.mktemp("acme")
    found = Grounds(directory)
    yield found
    found.close()


@pytest.fixture
def grounds(standing: Grounds) -> Iterator[Grounds]:
    """A CA that counts from nothing."""
    standing.begin()
    yield standing
    standing.end()


class AcmeBed(Bed):
    """The layer with real doors to CA and name server; the vault is in memory."""

    def __init__(self, grounds: Grounds, **more: Any) -> None:
        dns = {"server": grounds.server["server"], "zone": ZONE, "key": "dns/tsig"}
        self.issuer = {
            "directory": grounds.found["directory"], "ca": grounds.found["ca"], "root": grounds.found["root"],
            "contact": "castle@castle.example", "dns": dns, "timeout": "60s",
        }  # fmt: skip
        super().__init__(issuer=self.issuer, **more)
        self.watch = Shifted()
        self.clock = self.watch  # type: ignore[assignment]
        self.world = SimulatedWorld(self.watch, MemoryObjects(self.watch), names=TcpNames(self.watch),  # type: ignore[arg-type]
                                    acme=HttpAcme(self.watch))  # fmt: skip
        self.secrets.known["dns/tsig"] = Secret(grounds.server["key"])
        self.server = grounds.server["server"]

    async def texts(self) -> tuple[str, ...]:
        """What stands where the CA looks."""
        found: tuple[str, ...] = (await self.world.names.query(self.server, AT, "TXT")).get(AT, "TXT").values
        return found


async def test_a_first_raise_issues_and_rebirths_carry_over(grounds: Grounds) -> None:
    bed = AcmeBed(grounds, names=[NAME, "*.castle.example"])
    ctx = await run(bed)
    facts = ready(ctx)
    assert facts["issued"] is True
    assert facts["ca"] == grounds.root()
    assert 89 * DAY < facts["not_after"] - bed.watch.now() <= 90 * DAY
    chain = papers.read_chain(bed.secrets.text("chain"))
    assert sorted(papers.names_of(chain[0])) == ["*.castle.example", NAME]
    assert papers.fits(chain[0], bed.secrets.text("key"))
    assert await bed.texts() == ()
    for _ in range(7):
        again = await run(bed, Verb.REBIRTH)
        assert ready(again)["issued"] is False
    assert grounds.counts() == {"orders": 1, "issued": 1, "refused": 0}
    assert "PRIVATE" not in json.dumps(dict(ctx.known)) + " ".join(ctx.said)


async def test_without_the_treasury_the_sixth_rebirth_is_refused_before_anything_is_destroyed(
    grounds: Grounds,
) -> None:
    """What carrying over is for: a CA gives five certificates a week for the same names."""
    for _ in range(5):
        await run(AcmeBed(grounds), Verb.REBIRTH)  # a vault of its own each time
    bed = AcmeBed(grounds)
    with pytest.raises(Refused) as caught:
        await run(bed, Verb.REBIRTH)
    error = caught.value
    assert "issues no more certificates" in error.message
    assert "too many certificates (5)" in error.why
    assert error.state == "nothing was destroyed"
    assert any("it issues again from" in hint for hint in error.hints)
    assert grounds.counts() == {"orders": 5, "issued": 5, "refused": 1}


async def writes_of(grounds: Grounds) -> list[str]:
    """What a first issue writes into the vault, in order."""
    bed = AcmeBed(grounds)
    await run(bed)
    return bed.secrets.writes


async def test_a_runner_killed_at_any_write_goes_on_with_the_same_order(grounds: Grounds) -> None:
    written = [name.rpartition("/")[2] for name in await writes_of(grounds)]
    assert written == ["account-key", "next", "next", "next", "chain", "key", "issuer"]
    grounds.end()
    grounds.begin()
    # Killed ahead of the third write, the order is made and its URL nowhere: another one is made, and that one is not
    # finished. From the fourth on it is known; there it is issued already, and was not fetched.
    for dies in range(1, 8):
        bed = AcmeBed(grounds, names=[f"killed-{dies}.castle.example"])
        bed.secrets.dies_at = dies
        ctx = Context(bed)
        before = grounds.counts()
        with pytest.raises(KeyboardInterrupt):
            await run(bed, ctx=ctx)
        bed.secrets.dies_at = 0
        bed.world.acme = HttpAcme(bed.watch)
        await run(bed, ctx=ctx)
        assert ready(ctx)["issued"] is True
        after = grounds.counts()
        assert after["issued"] == before["issued"] + 1
        assert after["orders"] == before["orders"] + (2 if dies == 3 else 1)
        assert papers.fits(papers.read_chain(bed.secrets.text("chain"))[0], bed.secrets.text("key"))


async def test_a_runner_killed_between_order_and_finalize_goes_on_with_the_same_order(grounds: Grounds) -> None:
    bed = AcmeBed(grounds)
    ctx = Context(bed, Verb.REBIRTH)
    finalize = bed.world.acme.finalize

    async def dies(*_: Any) -> None:
        raise KeyboardInterrupt

    bed.world.acme.finalize = dies
    with pytest.raises(KeyboardInterrupt):
        await run(bed, ctx=ctx)
    assert any(text.startswith("intent: order a certificate") for text in ctx.said)
    bed.world.acme.finalize = finalize
    await run(bed, ctx=ctx)
    assert any("was begun and is ready" in text for text in ctx.said)
    assert grounds.counts() == {"orders": 1, "issued": 1, "refused": 0}
    assert await bed.texts() == ()


async def test_nonces_that_are_refused_are_no_failure(grounds: Grounds) -> None:
    grounds.end()
    grounds.begin(reject=40)
    await run(AcmeBed(grounds))
    assert grounds.counts()["issued"] == 1


async def test_a_wrong_key_of_the_zone_is_refused_in_plain_words(grounds: Grounds) -> None:
    bed = AcmeBed(grounds)
    algorithm, name, _ = grounds.server["key"].split(":")
    for wrong, word in ((f"{algorithm}:{name}:d3Jvbmc=", "BADSIG"), (f"{algorithm}:nobody:d3Jvbmc=", "BADKEY")):
        bed.secrets.known["dns/tsig"] = Secret(wrong)
        with pytest.raises(Refused) as caught:
            await run(bed, Verb.REBIRTH)
        assert word in caught.value.why
        assert "d3Jvbmc" not in str(caught.value.as_dict())
    assert grounds.counts()["issued"] == 0
    bed.secrets.known["dns/tsig"] = Secret(grounds.server["key"])
    await run(bed, Verb.REBIRTH)
    assert grounds.counts() == {"orders": 1, "issued": 1, "refused": 0}  # the order was gone on with


async def test_a_ca_that_is_dead_stops_only_a_rebirth_that_needs_it(grounds: Grounds) -> None:
    bed = AcmeBed(grounds)
    await run(bed)
    grounds.end()
    ctx = await run(bed, Verb.REBIRTH)
    assert ready(ctx)["issued"] is False
    other = AcmeBed(grounds)
    with pytest.raises(Refused) as caught:
        await run(other, Verb.REBIRTH)
    assert "does not answer" in caught.value.message
    assert caught.value.hints[-1] == "castle resume"
    assert other.secrets.writes == []


async def test_one_that_is_due_is_renewed_once_the_castle_serves(grounds: Grounds) -> None:
    bed = AcmeBed(grounds)
    await run(bed)
    old = bed.secrets.text("chain")
    bed.watch.off = 75 * DAY  # the CA's clock stands still: what it issues now ends in 15 days as well
    await run(bed, Verb.REBIRTH, until="ready")
    assert bed.secrets.text("chain") == old
    assert grounds.counts()["orders"] == 1
    ctx = await run(bed, Verb.REBIRTH)
    assert grounds.counts()["orders"] == 2
    assert bed.secrets.text("chain") == old
    assert any("given it by the next `castle raise`" in text for text in ctx.said)
    assert any("clock" in text and "ahead of" in text for text in ctx.said)


async def test_a_renewal_that_fails_is_told_and_fails_no_run(grounds: Grounds, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(orders, "PATIENCE", 2.0)
    bed = AcmeBed(grounds)
    await run(bed)
    bed.watch.off = 75 * DAY
    grounds.end()
    ctx = await run(bed, Verb.REBIRTH)
    assert any("was not renewed" in text and text.startswith("warning") for text in ctx.said)
    assert ctx.known["certificate.renew"]["renewed"] is False
    bed.watch.off = 88 * DAY
    (alarm,) = (await bed.driver.look(Context(bed)))["alarms"]
    assert alarm["severity"] == "warning"


async def test_an_expired_one_is_issued_anew_before_anything_is_destroyed(grounds: Grounds) -> None:
    bed = AcmeBed(grounds)
    await run(bed)
    bed.watch.off = 91 * DAY
    ctx = await run(bed, Verb.REBIRTH, until="look")
    assert "ended" in ctx.known["certificate.look"]["why"]
    grounds.end()
    with pytest.raises(Refused) as caught:
        await run(bed, Verb.REBIRTH)
    assert "The one that is carried will not do: it ended" in caught.value.why


async def test_answers_of_others_in_the_zone_stay(grounds: Grounds) -> None:
    bed = AcmeBed(grounds)
    key = TsigKey.parse(bed.secrets.known["dns/tsig"])
    other = NameSet(AT, "TXT", ('"somebody-elses"',), 60)
    await bed.world.names.update(bed.server, NameChange(ZONE, put=(other,)), key)
    await run(bed)
    assert await bed.texts() == ('"somebody-elses"',)
    await bed.world.names.update(bed.server, NameChange(ZONE, put=(NameSet(AT, "TXT"),)), key)


async def test_a_wildcard_of_the_zone_is_in_nobodys_way(grounds: Grounds) -> None:
    bed = AcmeBed(grounds)
    key, wild = TsigKey.parse(bed.secrets.known["dns/tsig"]), f"*.{ZONE}"
    alias = NameSet(wild, "CNAME", (f"edge.{ZONE}.",), 60)
    await bed.world.names.update(bed.server, NameChange(ZONE, put=(alias,)), key)
    try:
        await run(bed)
    finally:
        await bed.world.names.update(bed.server, NameChange(ZONE, put=(NameSet(wild, "CNAME"),)), key)
    assert grounds.counts()["issued"] == 1


async def test_a_name_that_the_ca_does_not_take_is_refused_with_its_words(grounds: Grounds) -> None:
    bed = AcmeBed(grounds, names=["x.blocked.castle.example"])
    with pytest.raises(Refused) as caught:
        await run(bed, Verb.REBIRTH)
    assert "blocked.castle.example" in caught.value.why
    assert "rejectedIdentifier" in caught.value.why


async def test_a_ca_that_is_not_trusted_is_told_apart_from_silence(grounds: Grounds) -> None:
    bed = AcmeBed(grounds)
    bed.change(issuer={**bed.issuer, "ca": ""})
    with pytest.raises(Refused) as caught:
        await run(bed, Verb.REBIRTH)
    assert "is not trusted" in caught.value.message
    assert any("`ca`" in hint for hint in caught.value.hints)


async def test_a_ca_that_forgot_everything_gets_a_new_order(grounds: Grounds) -> None:
    """Pebble started again knows neither account nor order."""
    bed = AcmeBed(grounds)
    bed.secrets.dies_at = 4
    ctx = Context(bed)
    with pytest.raises(KeyboardInterrupt):
        await run(bed, ctx=ctx)
    bed.secrets.dies_at = 0
    grounds.end()
    grounds.begin()
    await run(bed, ctx=ctx)
    assert grounds.counts() == {"orders": 1, "issued": 1, "refused": 0}


async def test_from_the_own_authority_to_a_public_one_and_back(grounds: Grounds) -> None:
    bed = AcmeBed(grounds)
    bed.change(issuer="own")
    await run(bed)
    bed.change(issuer=bed.issuer)
    ctx = await run(bed, Verb.REBIRTH)
    assert ready(ctx)["issued"] is True
    assert bed.secrets.text("issuer") == bed.issuer["directory"]
    bed.change(issuer="own")
    await run(bed, Verb.REBIRTH)
    assert bed.secrets.text("issuer") == "own"
