from __future__ import annotations

import asyncio
import dataclasses
import json

import pytest

from ephemeral_castle.errors import Conflict, Damaged, NotFound, Refused, Unreachable
from ephemeral_castle.journal.record import KEY, RecordStore
from ephemeral_castle.model.record import Record
from tests.unit.journal.fakes import FakeClock, FakeObjects, Fault, Time

OURS = Record("id-1", "here", "age1ours")


def grown(record: Record) -> Record:
    return dataclasses.replace(record, life=record.life + 1)


@pytest.fixture
def objects() -> FakeObjects:
    return FakeObjects(FakeClock(Time()))


@pytest.fixture
def store(objects: FakeObjects) -> RecordStore:
    return RecordStore(objects, "age1ours")


async def test_created_loaded_changed(store: RecordStore, objects: FakeObjects) -> None:
    assert await store.load() is None
    created = await store.create(OURS)
    loaded = await store.load()
    assert loaded == (created, objects.stored[KEY][1])
    changed = await store.update(grown)
    assert changed.life == 1
    assert changed.nonce != created.nonce != ""
    again = await store.load()
    assert again is not None
    assert again[0] == changed


async def test_there_is_one_record(store: RecordStore) -> None:
    await store.create(OURS)
    with pytest.raises(Conflict, match="has a record already"):
        await store.create(dataclasses.replace(OURS, id="id-2"))


async def test_no_record_cannot_be_changed(store: RecordStore) -> None:
    with pytest.raises(NotFound):
        await store.update(grown)


async def test_the_prefix_of_another_castle_is_refused(objects: FakeObjects) -> None:
    await RecordStore(objects, "age1theirs").create(Record("id-9", "theirs", "age1theirs"))
    store = RecordStore(objects, "age1ours")
    before = dict(objects.stored)
    with pytest.raises(Refused, match="another castle") as caught:
        await store.load()
    assert "theirs" in caught.value.why
    with pytest.raises(Refused):
        await store.update(grown)
    with pytest.raises(Refused):
        await store.create(OURS)
    assert objects.stored == before


async def test_a_change_may_not_give_the_record_to_another_castle(store: RecordStore) -> None:
    await store.create(OURS)
    with pytest.raises(Refused):
        await store.update(lambda record: dataclasses.replace(record, recipient="age1theirs"))


async def test_two_that_change_at_once_both_succeed_one_after_the_other() -> None:
    time = Time()
    objects = FakeObjects(FakeClock(time), before=1.0, after=1.0)
    store = RecordStore(objects, "age1ours")
    creating = asyncio.create_task(store.create(OURS))
    await time.advance(10)
    await creating
    changing = [asyncio.create_task(store.update(grown)) for _ in range(5)]
    await time.advance(200)
    assert sorted(task.result().life for task in changing) == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("life", [0, 1])
async def test_a_lost_answer_is_settled_by_reading_back(store: RecordStore, objects: FakeObjects, life: int) -> None:
    if life:
        await store.create(OURS)
    objects.faults.append(Fault(answered=False))
    record = await (store.update(grown) if life else store.create(OURS))
    assert record.life == life
    assert len(objects.writes) == life + 1


async def test_a_write_that_never_arrived_is_an_error(store: RecordStore, objects: FakeObjects) -> None:
    await store.create(OURS)
    objects.faults.append(Fault(arrives=False))
    with pytest.raises(Unreachable):
        await store.update(grown)
    loaded = await store.load()
    assert loaded is not None
    assert loaded[0].life == 0


async def test_equal_contents_are_different_versions(store: RecordStore, objects: FakeObjects) -> None:
    await store.create(OURS)
    etags = {objects.stored[KEY][1]}
    for _ in range(10):
        await store.update(lambda record: record)
        etags.add(objects.stored[KEY][1])
    assert len(etags) == 11


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"id": 1'])
async def test_a_record_that_cannot_be_read_is_left_alone(
    store: RecordStore, objects: FakeObjects, body: bytes
) -> None:
    await objects.put(KEY, body)
    for work in (store.load(), store.update(grown)):
        with pytest.raises(Damaged):
            await work
    assert objects.stored[KEY][0] == body


async def test_a_record_of_a_newer_castle_is_read(store: RecordStore, objects: FakeObjects) -> None:
    await objects.put(KEY, json.dumps({**OURS.to_json(), "v": 2, "colour": "grey"}).encode())
    loaded = await store.load()
    assert loaded is not None
    assert loaded[0] == OURS


async def test_others_that_are_always_faster_end_in_a_conflict(store: RecordStore, objects: FakeObjects) -> None:
    await store.create(OURS)

    async def spoil(key: str, body: bytes, etag: str) -> str:
        raise Conflict("412")

    objects.swap = spoil  # type: ignore[method-assign]
    with pytest.raises(Conflict, match="could not be changed"):
        await store.update(grown)
