from __future__ import annotations

import asyncio
import contextlib
import errno
import sqlite3
import stat
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from ephemeral_castle.errors import Busy, Conflict, Damaged, NoSuchRun, Permanent
from ephemeral_castle.journal import migrations
from ephemeral_castle.journal.reader import JournalReader
from ephemeral_castle.journal.reserve import SIZE, Reserve
from ephemeral_castle.journal.store import Journal
from ephemeral_castle.model.events import Event, Kind, RunStatus
from ephemeral_castle.model.runview import reduce
from ephemeral_castle.spi.secret import Secret
from tests.unit.journal.fakes import FakeClock, JumpingClock, Time
from tests.unit.model.plans import Story, rebirth

PLAN = rebirth()
APPENDER = Path(__file__).with_name("appender.py")


def event(kind: Kind = Kind.STEP_PROGRESS, step: str = "db.prove", attempt: int = 1, **data: object) -> Event:
    return Event("r1", kind, 1001.5, step, attempt, data)


@contextlib.asynccontextmanager
async def opened(path: Path, *, run: str = "r1") -> AsyncIterator[Journal]:
    journal = await Journal.open(path)
    await journal.create_run(run, PLAN, "castle rebirth", 1000.0)
    await journal.take_over(run)
    try:
        yield journal
    finally:
        with contextlib.suppress(Conflict, Permanent):
            await journal.close()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "journal.sqlite"


async def test_what_was_appended_is_read_back_in_order(path: Path) -> None:
    async with opened(path) as journal:
        stored = await journal.append(event(Kind.STEP_STARTED, effect="once"), durable=True)
        await journal.append(event(text="½ done", done=1.5, total=None))
        last = await journal.append(event(Kind.STEP_FINISHED, state="done", facts={"a": [1]}), durable=True)
        with Journal.read_only(path) as reader:
            found = reader.events("r1")
            assert [each.kind for each in found[1:]] == [Kind.STEP_STARTED, Kind.STEP_PROGRESS, Kind.STEP_FINISHED]
            assert found[1] == stored
            assert found[2].data == {"text": "½ done", "done": 1.5, "total": None}
            assert found[3] == last
            assert reader.events("r1", after_seq=stored.seq) == found[2:]
            assert reader.plan("r1").digest == PLAN.digest
            assert found[0].data == {"digest": PLAN.digest, "verb": "rebirth", "command": "castle rebirth"}


async def test_the_journal_is_for_its_owner_only(path: Path) -> None:
    async with opened(path) as journal:
        await journal.append(event(), durable=True)
        for each in path.parent.iterdir():
            assert stat.S_IMODE(each.stat().st_mode) == 0o600, each
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


async def test_events_in_line_are_written_by_themselves_and_by_flush(path: Path) -> None:
    async with opened(path) as journal:
        for number in range(100):
            journal.note(event(number=number))
        await journal.flush()
        with Journal.read_only(path) as reader:
            assert [each.data["number"] for each in reader.events("r1")[1:]] == list(range(100))
            journal.note(event(number=100))
            async for each in reader.tail("r1", JumpingClock(), after_seq=101):
                assert each.data["number"] == 100, "nobody flushed: it came by itself"
                break


async def test_close_writes_what_is_in_line_and_then_nothing_more(path: Path) -> None:
    async with opened(path) as journal:
        journal.note(event(number=1))
        await journal.close()
        with Journal.read_only(path) as reader:
            assert len(reader.events("r1")) == 2
        with pytest.raises(RuntimeError):
            await journal.append(event(), durable=True)


async def test_an_attempt_finishes_once(path: Path) -> None:
    async with opened(path) as journal:
        done = event(Kind.STEP_FINISHED, state="done")
        await journal.append(done, durable=True)
        with pytest.raises(Conflict):
            await journal.append(done, durable=True)
        await journal.append(event(Kind.STEP_FINISHED, attempt=2, state="done"), durable=True)
        journal.note(done)
        with pytest.raises(Conflict):
            await journal.flush()
        with Journal.read_only(path) as reader:
            assert [each.attempt for each in reader.events("r1")[1:]] == [1, 2]


async def test_a_runner_that_was_replaced_writes_nothing_more(path: Path) -> None:
    async with opened(path) as old:
        new = await Journal.open(path)
        assert await new.take_over("r1") == old.epoch + 1
        with pytest.raises(Busy) as caught:
            await old.append(event(text="stale"), durable=True)
        assert "ours is 1" in caught.value.why
        with pytest.raises(Busy):
            await old.append(event(text="stale"))
        await new.append(event(text="fresh"), durable=True)
        await new.close()
        with Journal.read_only(path) as reader:
            assert [each.data["text"] for each in reader.events("r1")[1:]] == ["fresh"]


async def test_a_stale_event_that_nobody_waited_for_is_told_later_and_never_written(path: Path) -> None:
    async with opened(path) as old:
        new = await Journal.open(path)
        await new.take_over("r1")
        await new.close()
        await old.append(event(text="stale"))
        with pytest.raises(Busy):
            await old.flush()
        with Journal.read_only(path) as reader:
            assert len(reader.events("r1")) == 1


async def test_appending_needs_a_take_over_and_a_run(path: Path) -> None:
    journal = await Journal.open(path)
    await journal.create_run("r1", PLAN, "castle rebirth", 1000.0)
    with pytest.raises(Busy):
        await journal.append(event(), durable=True)
    with pytest.raises(NoSuchRun):
        await journal.take_over("r2")
    with pytest.raises(Conflict):
        await journal.create_run("r1", PLAN, "castle rebirth", 1000.0)
    with pytest.raises(NoSuchRun):
        await journal.request_cancel("r2", "anna")
    with contextlib.suppress(Busy):
        await journal.close()


async def test_a_secret_never_becomes_an_event(path: Path) -> None:
    async with opened(path) as journal:
        for data in ({"key": Secret("hunter2")}, {"keys": [Secret("hunter2")]}):
            with pytest.raises(TypeError):
                await journal.append(event(**data), durable=True)
            with pytest.raises(TypeError):
                journal.note(event(**data))
        await journal.flush()
        assert b"hunter2" not in b"".join(each.read_bytes() for each in path.parent.iterdir())


async def test_a_cancelled_caller_leaves_the_journal_whole(path: Path) -> None:
    async with opened(path) as journal:
        waiting = asyncio.create_task(journal.append(event(number=1), durable=True))
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.wait({waiting})
        await journal.append(event(number=2), durable=True)
        with Journal.read_only(path) as reader:
            assert [each.data["number"] for each in reader.events("r1")[1:]] == [1, 2]


async def test_the_status_in_the_run_table_is_what_the_events_say(path: Path) -> None:
    async with opened(path) as journal:
        for status in ("failed", "stopped", "done"):
            story = Story().run_started().say(Kind.RUN_FINISHED, status=status, exit_code=0)
            for each in story.events:
                await journal.append(each, durable=True)
                with Journal.read_only(path) as reader:
                    view = reduce(PLAN, reader.events("r1"))
                    assert reader.run("r1").status is view.status
                    assert reader.run("r1").finished_at == view.finished_at


async def test_runs_newest_first(path: Path) -> None:
    async with opened(path) as journal:
        await journal.create_run("r0", PLAN, "castle rebirth", 900.0)
        await journal.create_run("r2", PLAN, "castle rebirth", 1100.0)
        with Journal.read_only(path) as reader:
            assert [run.id for run in reader.runs()] == ["r2", "r1", "r0"]
            latest = reader.latest()
            assert latest is not None
            assert (latest.id, latest.status, latest.verb, latest.site) == ("r2", RunStatus.RUNNING, "rebirth", "here")
            for look in (reader.plan, reader.run):
                with pytest.raises(NoSuchRun):
                    look("r9")


async def test_a_cancel_request_reaches_the_runner_and_ends_with_the_run(path: Path) -> None:
    async with opened(path) as journal:
        person = await Journal.open(path)
        with Journal.read_only(path) as reader:
            assert reader.cancel_requested("r1") == ""
            await person.request_cancel("r1", "anna")
            assert reader.cancel_requested("r1") == "anna"
            await journal.append(event(Kind.RUN_STARTED, "", 0), durable=True)
            assert reader.cancel_requested("r1") == "anna", "asked before the runner was up"
            await journal.append(event(Kind.RUN_FINISHED, "", 0, status="cancelled"), durable=True)
            assert reader.cancel_requested("r1") == ""
            await person.request_cancel("r1", "berta")
            await journal.append(event(Kind.RUN_STARTED, "", 0), durable=True)
            assert reader.cancel_requested("r1") == "", "resumed after it was asked"
        await person.close()


async def test_tail_follows_to_the_end_of_the_last_runner(path: Path) -> None:
    async with opened(path) as journal:
        story = Story().run_started().say(Kind.RUN_FINISHED, status="failed").run_started()
        for each in story.events:
            await journal.append(each, durable=True)
        seen: list[Kind] = []

        async def follow() -> None:
            with Journal.read_only(path) as reader:
                seen.extend([each.kind async for each in reader.tail("r1", JumpingClock())])

        following = asyncio.create_task(follow())
        await journal.append(event(), durable=True)
        await journal.append(event(Kind.RUN_FINISHED, "", 0, status="done"), durable=True)
        await following
        assert seen[1:4] == [Kind.RUN_STARTED, Kind.RUN_FINISHED, Kind.RUN_STARTED]
        assert seen[4:] == [Kind.STEP_PROGRESS, Kind.RUN_FINISHED]


async def test_polling_looks_ten_times_a_second_and_reads_only_after_a_change(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(path) as journal:
        time = Time()
        reads = 0
        read = JournalReader.events

        def counted(self: JournalReader, run_id: str, after_seq: int = 0) -> list[Event]:
            nonlocal reads
            reads += 1
            return read(self, run_id, after_seq)

        monkeypatch.setattr(JournalReader, "events", counted)
        looks: Counter[str] = Counter()

        async def follow() -> None:
            with Journal.read_only(path) as reader:
                async for batch in reader.polls("r1", FakeClock(time)):
                    looks.update(looks=1, events=len(batch))

        following = asyncio.create_task(follow())
        await time.advance(1.05)
        assert (looks["looks"], reads) == (11, 1)
        await journal.append(event(), durable=True)
        await time.advance(1)
        assert (looks["looks"], reads, looks["events"]) == (21, 2, 2)
        following.cancel()
        await asyncio.wait({following})


async def test_kinds_of_a_newer_castle_are_left_out(path: Path) -> None:
    async with opened(path) as journal:
        await journal.append(event(), durable=True)
        with sqlite3.connect(path) as raw:
            raw.execute("update event set kind = 'step.teleported' where kind = 'step.progress'")
        raw.close()
        with Journal.read_only(path) as reader:
            assert [each.kind for each in reader.events("r1")] == [Kind.RUN_CREATED]


async def test_a_newer_schema_is_refused_by_both_sides(path: Path) -> None:
    async with opened(path):
        pass
    with sqlite3.connect(path) as raw:
        raw.execute(f"pragma user_version = {migrations.VERSION + 1}")
    raw.close()
    with pytest.raises(Permanent, match="newer castle") as caught:
        await Journal.open(path)
    assert str(path) in caught.value.where
    with pytest.raises(Permanent, match="newer castle"):
        Journal.read_only(path)


async def test_an_older_schema_is_brought_up_to_date_with_its_events(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(path) as journal:
        await journal.append(event(), durable=True)
    added = (*migrations.MIGRATIONS, ("alter table run add column note text",))
    monkeypatch.setattr(migrations, "MIGRATIONS", added)
    monkeypatch.setattr(migrations, "VERSION", len(added))
    await (await Journal.open(path)).close()
    with Journal.read_only(path) as reader:
        assert len(reader.events("r1")) == 2
        assert migrations.version_of(reader._connection) == len(added)


def spoil(path: Path, damage: str) -> None:
    body = path.read_bytes()
    path.write_bytes(b"not a database, " * 512 if damage == "text" else body[:4096] + b"\xff" * (len(body) - 4096))


@pytest.mark.parametrize("damage", ["text", "page"])
async def test_a_damaged_file_is_named_with_what_to_do(path: Path, damage: str) -> None:
    async with opened(path) as journal:
        for number in range(400):
            journal.note(event(number=number, text="x" * 100))
    spoil(path, damage)
    with pytest.raises(Damaged) as caught:
        await Journal.open(path)
    assert caught.value.where == str(path)
    assert f"mv {path}*" in caught.value.hints[-1]
    with pytest.raises(Damaged), Journal.read_only(path) as reader:
        reader.events("r1")


def test_no_journal_is_no_run(path: Path) -> None:
    with pytest.raises(NoSuchRun):
        Journal.read_only(path)
    assert not path.exists(), "asking makes nothing"


async def test_a_full_disk_tells_what_to_do_and_loses_nothing_that_was_acknowledged(path: Path) -> None:
    async with opened(path) as journal:
        await journal.append(event(number=0), durable=True)

        def limit(pages: int | None) -> None:
            def work(connection: sqlite3.Connection) -> None:
                full = pages or connection.execute("pragma page_count").fetchone()[0] + 4
                connection.execute(f"pragma max_page_count = {full}")

            journal._writer.submit(work, urgent=True).result()

        limit(None)
        await journal.append(event(number=1), durable=False)
        with pytest.raises(Permanent, match="no room left") as caught:
            await journal.append(event(number=2, text="x" * 100_000), durable=True)
        assert str(path) in caught.value.where
        assert any("df -h" in hint for hint in caught.value.hints)
        assert not Reserve(path).path.exists(), "the room that was kept is there for the last words"
        limit(1_000_000)
        await journal.append(event(number=3), durable=True)
        with Journal.read_only(path) as reader:
            assert [each.data["number"] for each in reader.events("r1")[1:]] == [0, 1, 3]


async def test_room_is_kept_for_the_last_words(path: Path) -> None:
    async with opened(path):
        kept = Reserve(path).path.stat()
        assert kept.st_blocks * 512 >= SIZE
        assert stat.S_IMODE(kept.st_mode) == 0o600
    Reserve(path).give_up()
    async with opened(path, run="r2"):
        assert Reserve(path).path.stat().st_size == SIZE


async def test_a_journal_without_room_for_its_last_words_is_not_opened(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.posix_fallocate", full)
    with pytest.raises(Permanent, match="no room left") as caught:
        await Journal.open(path)
    assert any("df -h" in hint for hint in caught.value.hints)
    assert not Reserve(path).path.exists(), "half a reserve takes room and keeps none"


def test_kill_minus_nine_loses_nothing_that_was_acknowledged(path: Path) -> None:
    async def create() -> None:
        async with opened(path):
            pass

    asyncio.run(create())
    number = 0
    for round_ in range(5):
        child = subprocess.Popen([sys.executable, APPENDER, str(path), str(number)], stdout=subprocess.PIPE, text=True)
        assert child.stdout is not None
        acknowledged = [int(child.stdout.readline()) for _ in range(5 + 7 * round_)]
        child.kill()
        acknowledged += [int(line) for line in child.stdout.read().split()]
        child.wait()
        child.stdout.close()
        with Journal.read_only(path) as reader:
            numbers = [each.data["number"] for each in reader.events("r1")[1:]]
            assert reader._connection.execute("pragma integrity_check").fetchone()[0] == "ok"
        assert numbers == list(range(len(numbers))), "no hole, no double"
        assert acknowledged[-1] < len(numbers)
        number = len(numbers)
