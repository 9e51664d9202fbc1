"""Parts of the driver `restic` that bring files home, beside, or into the seal."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from ephemeral_castle.drivers.restic import access, prove, side
from ephemeral_castle.drivers.restic.after import Expire
from ephemeral_castle.drivers.restic.answers import Snapshot
from ephemeral_castle.drivers.restic.home import FOREIGN, Home
from ephemeral_castle.drivers.restic.part import Desk
from ephemeral_castle.drivers.restic.place import Place
from ephemeral_castle.drivers.restic.seal import ReadBack
from ephemeral_castle.drivers.restic.side import Side
from ephemeral_castle.errors import Refused, Transient
from ephemeral_castle.model.castle import Verb
from ephemeral_castle.spi.world import Result
from tests.unit.drivers.restic.bed import ID, TAKEN, Machine, Objects, context

SNAPSHOT = Snapshot("a" * 64, 1000.0, "files", {}, 7, 70, ("/castle/note", "/data"))


@pytest.mark.parametrize("plan", ["begin", "seal"])
def test_files_that_were_sealed_into_an_empty_repository_came_back_as_an_empty_tree(plan: str) -> None:
    """A rebirth with --adopt said `begin`, backed the files up, wiped them, and began once more."""
    facts = {"uploads.survey": {"plan": plan}, "uploads.last": {"snapshot": "a" * 64}}
    home = Home(context(facts=facts), Desk())
    assert (home.plan, home.target) == ("restore", "a" * 64)
    assert Home(context(Verb.RAISE, facts={"uploads.survey": {"plan": "begin"}}), Desk()).plan == "begin"


@pytest.mark.parametrize("found", ["then||", f"then|{ID}|database", f"then|{ID}.drill|uploads"])
async def test_a_copy_beside_deleted_the_files_of_a_volume_that_castle_did_not_make(
    monkeypatch: pytest.MonkeyPatch, found: str
) -> None:
    async def chosen(_: Any) -> Snapshot:
        return SNAPSHOT

    monkeypatch.setattr(side, "chosen", chosen)
    machine = Machine(Result(0, f"{found}\n", ""))
    with pytest.raises(Refused, match="volume `blog_uploads-side` carries our name but not our mark"):
        await Side(context(Verb.RESTORE, machine=machine, side=True), Desk()).act()
    assert [argv[:3] for argv in machine.asked] == [["podman", "volume", "inspect"]]


async def test_forgetting_took_snapshots_that_castle_did_not_make(monkeypatch: pytest.MonkeyPatch) -> None:
    """Grouped by host only, the policy held for every snapshot of an adopted repository."""
    said: list[tuple[str, ...]] = []

    async def files(*_: Any, **__: Any) -> dict[str, str]:
        return {}

    async def job(*args: str, **_: Any) -> Result:
        said.append(args)
        return Result(0, "forgot []\n", "")

    async def deliver(_: Any) -> None:
        return None

    monkeypatch.setattr(access, "files", files)
    part = Expire(context(Verb.BACKUP, expire=True), Desk())
    monkeypatch.setattr(part, "outside", lambda: SimpleNamespace(job=job, deliver=deliver))
    await part.act()
    line = " ".join(said[0])
    for words in ("--host files", "--path /data", "--path /castle/note"):
        assert words in line


async def test_what_a_young_proof_did_not_read_is_read_back_at_the_seal() -> None:
    """Packs that a backup added after the old proof and before this run were in no proof and in no look."""
    last = {"snapshot": "a" * 64, "label": "a" * 8, "taken": TAKEN}
    base = access.repository("uploads")
    key = f"{base}/snapshots/{last['snapshot']}"
    objects = Objects({f"{base}/data/old": 1000.0, f"{base}/data/between": 2000.0, key: 3000.0})
    facts = {
        "uploads.survey": {"proven": "b" * 64, "proven_seen": 1500.0},
        "uploads.backup": {"seen": 2500.0, "seen_after": 2600.0},
        "uploads.proof": {"label": "b" * 8},
    }
    part = ReadBack(context(facts=facts, objects=objects), Desk())
    with pytest.raises(Exception, match="of the repository is damaged"):  # our objects are not named by their digest
        await part._new_objects(last)
    assert f"{base}/data/between" in objects.read
    assert f"{base}/data/old" not in objects.read


async def test_files_in_the_way_of_a_snapshot_left_a_person_without_a_way_on() -> None:
    """The hint was to look at them; looking changes nothing, and every resume was refused again."""
    facts = {"uploads.survey": {"plan": "restore", "snapshot": "a" * 64}}
    error = await Home(context(facts=facts), Desk())._cause(Result(FOREIGN, "", "files lie there"))
    assert any("podman volume rm blog_uploads" in hint for hint in error.hints)
    assert "snapshot" in error.state
    assert error.hints[-1] == "castle resume"


async def test_a_long_restore_was_killed_after_five_minutes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every command of restic had 300 seconds; the first backup of a large tree could never end."""
    asked: list[str] = []

    async def job(key: str, script: str, files: Any, **_: Any) -> Result:
        del key, files
        asked.append(script)
        return Result(0, "", "")

    ctx = context()
    ctx.world.enclosure = SimpleNamespace(treasury_host="treasury", gateway="10.0.0.1")
    ctx.world.images = SimpleNamespace(reference=lambda _: "restic")
    place = Place(ctx, old=True)
    monkeypatch.setattr(place, "_job", job)
    await place.read("backup", "marker", files={}, key="backup")
    await place.write("home", "snapshot", files={}, key="home")
    await place.read("init", files={}, key="init", timeout=300)
    assert "work.sh 14400 backup marker" in asked[0]
    assert "work.sh 14400 home snapshot" in asked[1]
    assert "work.sh 300 init" in asked[2]


async def locks(monkeypatch: pytest.MonkeyPatch, part: prove.TakeBackup, line: str) -> None:
    """Clears what `list locks` says."""

    async def work(*_: Any, **__: Any) -> Result:
        return Result(0, line, "")

    monkeypatch.setattr(part, "outside", lambda: SimpleNamespace(work=work))
    await prove.clear_locks(part)


async def test_a_lock_of_a_castle_of_another_name_was_taken_away(monkeypatch: pytest.MonkeyPatch) -> None:
    objects = Objects({})
    part = prove.TakeBackup(context(objects=objects), Desk())
    with pytest.raises(Transient, match="is locked"):
        await locks(monkeypatch, part, 'x {"hostname": "life1.r0.other"}')
    assert objects.deleted == []
    await locks(monkeypatch, part, 'x {"hostname": "life1.r0.files"}')
    assert objects.deleted == ["restic/uploads/locks/x"]
