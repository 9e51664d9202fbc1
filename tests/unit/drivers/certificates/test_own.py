"""`issuer: own`: made once, carried over, renewed, and never lost to a killed runner."""

from __future__ import annotations

import json
import ssl
import subprocess
import time
from pathlib import Path

import pytest
from cryptography import x509

from ephemeral_castle.drivers.certificates import authority, papers
from ephemeral_castle.errors import Damaged, Refused
from ephemeral_castle.model.castle import Verb
from ephemeral_castle.model.step import Effect, Phase
from ephemeral_castle.spi.secret import Secret
from tests.unit.drivers.certificates.bed import NAME, START, Bed, Context, ready, run, step, steps

DAY = 86400.0


def leaf(bed: Bed) -> x509.Certificate:
    return papers.read_chain(bed.secrets.text("chain"))[0]


async def test_a_first_raise_makes_authority_and_certificate() -> None:
    bed = Bed()
    ctx = await run(bed)
    facts = ready(ctx)
    assert facts["issued"] is True
    assert facts["ca"] == bed.secrets.text("ca")
    assert facts["not_after"] == START + 90 * DAY
    assert papers.names_of(leaf(bed)) == [NAME]
    assert papers.fits(leaf(bed), bed.secrets.text("key"))


async def test_the_authoritys_key_is_kept_before_its_first_use() -> None:
    bed = Bed()
    await run(bed)
    names = [name.rpartition("/")[2] for name in bed.secrets.writes]
    assert names == ["ca-key", "ca", "next", "chain", "key", "issuer"]


async def test_a_rebirth_carries_it_over() -> None:
    bed = Bed()
    await run(bed)
    before = (bed.secrets.text("chain"), bed.secrets.text("ca"))
    for _ in range(6):
        bed.clock.advance(3600)
        ctx = await run(bed, Verb.REBIRTH)
        assert ready(ctx)["issued"] is False
    assert (bed.secrets.text("chain"), bed.secrets.text("ca")) == before


async def test_nothing_of_a_key_is_in_facts_or_words() -> None:
    bed = Bed()
    ctx = await run(bed)
    told = json.dumps(dict(ctx.known)) + " ".join(ctx.said)
    assert "PRIVATE" not in told
    assert "PRIVATE" not in repr(bed.secrets.known)


@pytest.mark.parametrize("dies", range(1, 7))
async def test_a_runner_killed_at_any_write_is_gone_on_with(dies: int) -> None:
    bed = Bed()
    bed.secrets.dies_at = dies
    ctx = Context(bed)
    with pytest.raises(KeyboardInterrupt):
        await run(bed, ctx=ctx)
    key = bed.secrets.known.get("certificate/certificate/ca-key")
    bed.secrets.dies_at = 0
    await run(bed, ctx=ctx)
    assert ready(ctx)["issued"] is True
    assert papers.fits(leaf(bed), bed.secrets.text("key"))
    assert bed.secrets.text("issuer") == "own"
    if key is not None:
        assert bed.secrets.text("ca-key") == key.reveal()


async def test_what_was_complete_before_a_kill_is_taken_over_and_not_issued_again() -> None:
    bed = Bed()
    bed.secrets.dies_at = 5  # chain is written, key is not: they do not fit
    ctx = Context(bed)
    with pytest.raises(KeyboardInterrupt):
        await run(bed, ctx=ctx)
    serial = leaf(bed).serial_number
    bed.secrets.dies_at = 0
    ctx = await run(bed, Verb.REBIRTH)
    assert leaf(bed).serial_number == serial
    assert papers.fits(leaf(bed), bed.secrets.text("key"))


async def test_one_that_is_due_is_renewed_by_the_same_authority() -> None:
    bed = Bed()
    await run(bed)
    ca = bed.secrets.text("ca")
    bed.clock.advance(70 * DAY)
    ctx = await run(bed, Verb.REBIRTH)
    assert ready(ctx)["issued"] is True
    assert ready(ctx)["not_after"] == START + 160 * DAY
    assert bed.secrets.text("ca") == ca


async def test_an_expired_one_is_issued_anew() -> None:
    bed = Bed()
    await run(bed)
    bed.clock.advance(91 * DAY)
    ctx = await run(bed, Verb.REBIRTH, until="look")
    assert "ended" in ctx.known["certificate.look"]["why"]
    ctx = await run(bed, Verb.REBIRTH)
    assert ready(ctx)["issued"] is True


async def test_a_clock_that_is_behind_is_refused_and_nothing_is_issued() -> None:
    bed = Bed()
    await run(bed)
    bed.clock.advance(-3 * DAY)
    with pytest.raises(Refused) as caught:
        await run(bed, Verb.REBIRTH)
    assert "behind" in caught.value.why
    assert caught.value.hints == ("set this computer's clock", "castle resume")


@pytest.mark.parametrize(("apart", "side"), [(3600.0, "behind"), (-3600.0, "ahead of")])
async def test_the_treasurys_clock_is_compared(apart: float, side: str) -> None:
    bed = Bed()
    await bed.objects.put("lease.json", b"{}")
    body, etag, modified = bed.objects.data["lease.json"]
    bed.objects.data["lease.json"] = (body, etag, modified + apart)
    ctx = await run(bed)
    assert any(f"{side} that of the treasury" in text for text in ctx.said)


async def test_a_lease_that_is_just_written_says_nothing_about_clocks() -> None:
    bed = Bed()
    await bed.objects.put("lease.json", b"{}")
    bed.clock.advance(40)
    ctx = await run(bed)
    assert not any("clock" in text for text in ctx.said)


async def test_a_damaged_vault_is_no_reason_to_make_another_authority() -> None:
    bed = Bed()
    await run(bed)
    await bed.secrets.put("certificate/certificate/ca", Secret("not a certificate"))
    bed.clock.advance(91 * DAY)
    with pytest.raises(Damaged):
        await run(bed)
    assert bed.secrets.text("ca") == "not a certificate"


async def test_another_authoritys_key_is_noticed() -> None:
    bed = Bed()
    await run(bed)
    await bed.secrets.put("certificate/certificate/ca-key", Secret(papers.new_key()))
    bed.clock.advance(91 * DAY)
    with pytest.raises(Damaged) as caught:
        await run(bed)
    assert "another one" in caught.value.why


async def test_a_name_outside_of_its_domains_makes_it_anew_with_the_same_key_and_says_so() -> None:
    bed = Bed()
    await run(bed)
    key = bed.secrets.text("ca-key")
    bed.change(names=[NAME, "shop.example.org"])
    ctx = await run(bed)
    assert bed.secrets.text("ca-key") == key
    assert papers.names_of(leaf(bed)) == [NAME, "shop.example.org"]
    assert any("CA is made anew" in text and "shop.example.org" in text for text in ctx.said)


async def test_a_name_inside_of_its_domains_leaves_it() -> None:
    bed = Bed(domains=["castle.example"])
    await run(bed)
    ca = bed.secrets.text("ca")
    bed.change(domains=["castle.example"], names=[NAME, "*.castle.example"])
    await run(bed)
    assert bed.secrets.text("ca") == ca


async def test_status_tells_days_and_alarms_late() -> None:
    bed = Bed()
    await run(bed)
    seen = await bed.driver.look(Context(bed))
    assert seen["alarms"] == []
    assert seen["certificates"][0]["left"] == 90 * DAY
    bed.clock.advance(84 * DAY)
    (alarm,) = (await bed.driver.look(Context(bed)))["alarms"]
    assert (alarm["severity"], alarm["mend"]) == ("warning", "castle raise")
    bed.clock.advance(10 * DAY)
    (alarm,) = (await bed.driver.look(Context(bed)))["alarms"]
    assert alarm["severity"] == "error"
    bed.clock.advance(9.5 * 365 * DAY)
    assert any("own CA ends" in each["text"] for each in (await bed.driver.look(Context(bed)))["alarms"])


async def test_the_plan_of_an_own_authority_asks_nobody() -> None:
    bed = Bed()
    for verb in Verb:
        found = steps(bed, Context(bed, verb))
        assert list(found) == (["look", "ready"] if verb in (Verb.REBIRTH, Verb.RAISE, Verb.DRILL) else [])
    found = steps(bed, Context(bed))
    assert (found["look"].phase, found["look"].effect) == (Phase.PREPARE, Effect.READ)
    assert (found["ready"].phase, found["ready"].provides) == (Phase.APPLY, ("certificate:certificate",))
    assert await step(bed, Context(bed), found["look"])


def openssl(directory: Path, *argv: str) -> tuple[int, str]:
    done = subprocess.run(["openssl", "verify", *argv], cwd=directory, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


async def test_openssl_and_python_accept_it_for_its_names_and_no_others(tmp_path: Path) -> None:
    """By the stock program: chain, purpose, name constraints, strictly."""
    bed = Bed(names=[NAME, "*.castle.example"])
    bed.clock.advance(time.time() - START)
    await run(bed)
    ca, ca_key = bed.secrets.text("ca"), bed.secrets.text("ca-key")
    (tmp_path / "ca.pem").write_text(ca)
    (tmp_path / "chain.pem").write_text(bed.secrets.text("chain"))
    strict = ("-x509_strict", "-purpose", "sslserver", "-CAfile", "ca.pem", "chain.pem")
    for name, good in ((NAME, True), ("x.castle.example", True), ("castle.example.org", False)):
        code, said = openssl(tmp_path, "-verify_hostname", name, *strict)
        assert (code == 0) is good, said
    stolen = authority.make_leaf(ca, ca_key, papers.new_key(), ["bank.example.org"], bed.clock.now())
    (tmp_path / "stolen.pem").write_text(stolen)
    code, said = openssl(tmp_path, "-CAfile", "ca.pem", "stolen.pem")
    assert code
    assert "permitted subtree violation" in said
    ssl.create_default_context(cadata=ca)


async def test_a_drill_issues_nothing() -> None:
    bed = Bed()
    with pytest.raises(Refused) as caught:
        await run(bed, Verb.DRILL)
    assert "no certificate" in caught.value.message
    assert bed.secrets.writes == []
    await run(bed)
    writes = list(bed.secrets.writes)
    bed.clock.advance(91 * DAY)
    ctx = await run(bed, Verb.DRILL)
    assert ready(ctx)["ca"] == bed.secrets.text("ca")
    assert any("would first have to have a certificate issued" in text for text in ctx.said)
    assert bed.secrets.writes == writes
