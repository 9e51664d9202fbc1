"""The vault in the treasury: one encrypted object, changed by compare-and-swap."""

import asyncio

import pytest

from ephemeral_castle.errors import Conflict, Damaged, Unreachable
from ephemeral_castle.spi.secret import Secret
from ephemeral_castle.world.keys import KeyFile
from ephemeral_castle.world.simulated import ManualClock, MemoryObjects
from ephemeral_castle.world.vault import KEY, TreasuryVault

KEYS = KeyFile.generate("here")


@pytest.fixture
def objects() -> MemoryObjects:
    return MemoryObjects()


@pytest.fixture
def vault(objects) -> TreasuryVault:
    return TreasuryVault(objects, KEYS)


async def test_nothing_is_there_at_first(vault, objects):
    assert await vault.get("app") is None
    assert await vault.names() == []
    await vault.delete("app")
    assert objects.data == {}


async def test_what_is_put_is_read_elsewhere_and_never_in_clear(vault, objects):
    await vault.put("app", Secret("s3cret-value"))
    await vault.put("owner", Secret("other-value"))
    elsewhere = TreasuryVault(objects, KEYS)
    assert await elsewhere.get("app") == Secret("s3cret-value")
    assert await elsewhere.names() == ["app", "owner"]
    assert list(objects.data) == [KEY]
    assert b"s3cret-value" not in objects.data[KEY][0]
    assert b"app" not in objects.data[KEY][0]
    await elsewhere.delete("app")
    assert await vault.get("app") is None
    assert await vault.get("owner") == Secret("other-value")


async def test_an_empty_secret_is_refused(vault, objects):
    with pytest.raises(ValueError, match="empty"):
        await vault.put("app", Secret(""))
    assert objects.data == {}


async def test_a_look_reads_the_vault_once_however_many_ask_at_once(vault, objects):
    await vault.put("app", Secret("one"))
    objects.calls.clear()
    steady = TreasuryVault(objects, KEYS, steady=True)
    assert await asyncio.gather(*(steady.get(name) for name in ("app", "none", "app"))) == [
        Secret("one"), None, Secret("one")
    ]  # fmt: skip
    assert objects.calls == [("get", KEY)]


async def test_reading_again_costs_one_head_until_it_changes(vault, objects):
    await vault.put("app", Secret("one"))
    objects.calls.clear()
    for _ in range(3):
        assert await vault.get("app") == Secret("one")
    assert objects.calls == [("head", KEY)] * 3
    await TreasuryVault(objects, KEYS).put("app", Secret("two"))
    assert await vault.get("app") == Secret("two")


async def test_writers_at_once_lose_nothing(objects):
    objects.latency = 0.001

    async def put(number: int) -> None:
        await TreasuryVault(objects, KEYS).put(f"name-{number}", Secret(f"value-{number}"))

    async def yielding(name: str, key: str) -> None:
        await asyncio.sleep(0)

    objects.before = yielding
    await asyncio.gather(*(put(number) for number in range(8)))
    vault = TreasuryVault(objects, KEYS)
    assert [await vault.get(f"name-{n}") for n in range(8)] == [Secret(f"value-{n}") for n in range(8)]


async def test_a_put_returns_only_after_reading_it_back(vault, objects):
    await vault.put("app", Secret("one"))
    objects.calls.clear()
    await vault.put("app", Secret("two"))
    assert [name for name, _ in objects.calls] == ["get", "swap", "get"]

    async def swallow(name: str, _: str) -> None:
        if name == "swap":
            objects.data[KEY] = before

    before = objects.data[KEY]
    objects.after = swallow  # a server that acknowledges and forgets
    with pytest.raises(Conflict):
        await vault.put("app", Secret("three"))


async def test_an_unreachable_treasury_is_not_an_empty_vault(vault, objects):
    await vault.put("app", Secret("one"))

    async def gone(name: str, _: str) -> None:
        raise Unreachable("nothing answers")

    objects.before = gone
    for attempt in (vault.get("app"), vault.put("app", Secret("two")), vault.names()):
        with pytest.raises(Unreachable):
            await attempt


async def test_a_vault_of_another_identity_is_named_and_not_overwritten(objects):
    await TreasuryVault(objects, KeyFile.generate("here")).put("app", Secret("one"))
    before = objects.data[KEY]
    vault = TreasuryVault(objects, KEYS)
    for attempt in (vault.get("app"), vault.put("app", Secret("two")), vault.delete("app")):
        with pytest.raises(Damaged, match=KEY):
            await attempt
    assert objects.data[KEY] == before


@pytest.mark.parametrize("content", [b"not json", b"{}", b"[]", b'{"secrets": 7}', b'{"secrets": {"app": 7}}'])
async def test_a_vault_with_other_content_is_damaged_and_shows_none_of_it(objects, content):
    await objects.put(KEY, KEYS.encrypt(content))
    with pytest.raises(Damaged) as caught:
        await TreasuryVault(objects, KEYS).get("app")
    assert caught.value.__cause__ is None
    assert content.decode() not in caught.value.message + caught.value.why
    assert caught.value.__context__ is None


class TestMemoryObjects:
    """The stand-in itself, since other tests believe it."""

    async def test_conditions(self, objects):
        first = await objects.create("k", b"one")
        with pytest.raises(Conflict):
            await objects.create("k", b"two")
        second = await objects.swap("k", b"two", first)
        with pytest.raises(Conflict):
            await objects.swap("k", b"three", first)
        with pytest.raises(Conflict):
            await objects.swap("none", b"three", first)
        assert await objects.get("k") == (b"two", second)
        # Equal bodies have equal ETags, as in S3: a stale condition holds again.
        await objects.put("k", b"one")
        assert await objects.swap("k", b"four", first)
        await objects.delete("k")
        await objects.delete("k")
        assert await objects.get("k") is None
        assert await objects.head("k") is None

    async def test_listing_in_key_order_under_a_prefix(self, objects):
        for key in ("b/2", "a", "b/1", "c"):
            await objects.put(key, b"x")
        assert [stat.key async for stat in objects.list("b/")] == ["b/1", "b/2"]
        assert [stat.key async for stat in objects.list("")] == ["a", "b/1", "b/2", "c"]

    async def test_latency_and_an_answer_that_gets_lost(self):
        clock = ManualClock()
        objects = MemoryObjects(clock, latency=0.5)

        async def lost(name: str, _: str) -> None:
            raise Unreachable(f"no answer to {name}")

        objects.after = lost
        with pytest.raises(Unreachable):
            await objects.create("k", b"one")
        assert objects.data["k"][0] == b"one"
        assert objects.data["k"][2] == clock.now()
        assert clock.monotonic() == 0.5
