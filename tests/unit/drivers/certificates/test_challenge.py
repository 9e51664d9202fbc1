"""Answers in the zone, over servers in memory."""

from __future__ import annotations

from typing import Any

import pytest

from ephemeral_castle.drivers.certificates.challenge import Challenge
from ephemeral_castle.errors import Denied, Permanent, Refused, Transient, Unreachable
from ephemeral_castle.spi.names import NameChange, NameSet
from ephemeral_castle.spi.secret import Secret
from ephemeral_castle.world.simulated_names import MemoryZone
from tests.unit.drivers.certificates.bed import NAME, Bed, Context

AT = f"_acme-challenge.{NAME}"


class DnsBed(Bed):
    def __init__(self, **more: Any) -> None:
        dns = {"server": "ns1", "zone": "castle.example", "key": "dns/tsig", **more}
        super().__init__(issuer={"directory": "https://ca.example/dir", "dns": dns})
        self.zone = MemoryZone("castle.example", keys={"castle": "c2VjcmV0"})
        self.world.names.servers["ns1"] = self.zone
        self.secrets.known["dns/tsig"] = Secret("hmac-sha256:castle:c2VjcmV0")

    def texts(self) -> tuple[str, ...]:
        found = self.zone.sets.get((AT, "TXT"))
        return found.values if found else ()


async def test_a_name_and_its_wildcard_share_one_place_and_nothing_stays() -> None:
    bed = DnsBed()
    async with Challenge(Context(bed), [(NAME, "one"), (NAME, "two")]):
        assert bed.texts() == ('"one"', '"two"')
    assert bed.texts() == ()


async def test_what_others_wrote_stays() -> None:
    bed = DnsBed()
    bed.zone.put(NameSet(AT, "TXT", ('"theirs"',), 60))
    async with Challenge(Context(bed), [(NAME, "ours")]):
        assert bed.texts() == ('"ours"', '"theirs"')
    assert bed.texts() == ('"theirs"',)


async def test_they_are_removed_after_a_failure_too() -> None:
    bed = DnsBed()
    with pytest.raises(Denied):
        async with Challenge(Context(bed), [(NAME, "one")]):
            raise Denied("the CA says no")
    assert bed.texts() == ()


async def test_one_that_cannot_be_removed_is_told_and_hides_no_success() -> None:
    bed = DnsBed()
    ctx = Context(bed)
    async with Challenge(ctx, [(NAME, "one")]):
        bed.zone.down = True
    assert any("could not be removed" in text for text in ctx.said)


async def test_a_secondary_that_lags_is_waited_for_and_named() -> None:
    bed = DnsBed(secondaries=["ns2"])
    bed.world.names.servers["ns2"] = MemoryZone("castle.example")
    with pytest.raises(Permanent) as caught:
        async with Challenge(Context(bed), [(NAME, "one")]):
            raise AssertionError("the CA must not look yet")
    assert caught.value.where == "ns2"
    assert 59 <= bed.clock.monotonic() <= 61
    bed.world.names.servers["ns2"] = bed.zone
    async with Challenge(Context(bed), [(NAME, "one")]):
        assert bed.texts() == ('"one"',)


async def test_an_alias_in_the_way_is_refused() -> None:
    bed = DnsBed()
    bed.zone.put(NameSet(AT, "CNAME", ("x.acme-dns.example.",), 60))
    with pytest.raises(Refused) as caught:
        async with Challenge(Context(bed), [(NAME, "one")]):
            pass
    assert "x.acme-dns.example." in caught.value.why


async def test_somebody_who_writes_at_the_same_time_makes_it_try_again() -> None:
    bed = DnsBed()

    async def somebody(change: NameChange) -> None:
        bed.world.names.before = None
        bed.zone.put(NameSet(AT, "TXT", ('"theirs"',), 60))

    bed.world.names.before = somebody
    with pytest.raises(Transient):
        async with Challenge(Context(bed), [(NAME, "one")]):
            pass
    async with Challenge(Context(bed), [(NAME, "one")]):
        assert bed.texts() == ('"one"', '"theirs"')


@pytest.mark.parametrize("secret", ["nonsense", "hmac-sha256:castle:§"])
async def test_a_key_that_is_none_is_refused_without_its_value(secret: str) -> None:
    bed = DnsBed()
    bed.secrets.known["dns/tsig"] = Secret(secret)
    with pytest.raises(Refused) as caught:
        async with Challenge(Context(bed), [(NAME, "one")]):
            pass
    assert secret not in str(caught.value.as_dict())


async def test_a_silent_name_server_is_unreachable() -> None:
    bed = DnsBed()
    bed.zone.down = True
    with pytest.raises(Unreachable):
        async with Challenge(Context(bed), [(NAME, "one")]):
            pass


async def test_what_was_written_is_removed_when_a_later_name_cannot_be() -> None:
    bed = DnsBed()
    bed.zone.put(NameSet("_acme-challenge.www.castle.example", "CNAME", ("elsewhere.example.",), 60))
    with pytest.raises(Refused):
        async with Challenge(Context(bed), [(NAME, "one"), ("www.castle.example", "two")]):
            pass
    assert bed.texts() == ()


@pytest.mark.parametrize(("type_", "value"), [("CNAME", "edge.castle.example."), ("TXT", '"v=spf1 -all"')])
async def test_a_wildcard_of_the_zone_is_in_nobodys_way(type_: str, value: str) -> None:
    bed = DnsBed()
    bed.zone.put(NameSet("*.blog.castle.example", type_, (value,), 60))
    async with Challenge(Context(bed), [(NAME, "one")]):
        assert bed.texts() == ('"one"',)
    assert bed.texts() == ()
