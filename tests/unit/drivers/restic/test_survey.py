"""What a survey makes of the place where the files stood, and of an old proof."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from ephemeral_castle.drivers.restic import survey
from ephemeral_castle.drivers.restic.after import BackupAfter
from ephemeral_castle.drivers.restic.answers import Snapshot
from ephemeral_castle.drivers.restic.decision import Here, Repo, Repository
from ephemeral_castle.drivers.restic.home import Home
from ephemeral_castle.drivers.restic.part import Desk
from ephemeral_castle.drivers.restic.survey import Survey
from ephemeral_castle.model.castle import Verb
from ephemeral_castle.model.step import State
from ephemeral_castle.spi.world import Result
from tests.unit.drivers.restic.bed import ID, NOW, Machine, context

LISTED = {"machines.revive": {"volumes": ["files-1-431"]}}
STANDING = Result(0, f"then|{ID}\n", "")
SNAPSHOT = Snapshot("a" * 64, 1000.0, "files", {}, 7, 70, ("/castle/note", "/data"))
READY = Repository("s3://vault/files/restic/uploads", Repo.READY, "digest", (SNAPSHOT,))


def looks(monkeypatch: pytest.MonkeyPatch, repository: Repository) -> None:
    """The repository is as told."""

    async def found(_: Any) -> Repository:
        return repository

    monkeypatch.setattr(survey, "repository", found)


@pytest.mark.parametrize("needs", [(), ("database",), ("database", "machines")], ids=str)
async def test_files_of_a_layer_that_does_not_need_the_ground_were_wiped_unsealed(needs: tuple[str, ...]) -> None:
    """The ground was looked for among `needs`: without it nothing was listed, and the files were proven absent."""
    ctx = context(facts=LISTED, needs=needs, machine=Machine(STANDING))
    assert (await Survey(ctx, Desk())._stands()).here is Here.PRESENT


async def test_a_ground_that_listed_nothing_is_no_proof_of_absence() -> None:
    assert (await Survey(context(), Desk())._stands()).here is Here.UNKNOWN
    assert (await Survey(context(facts={"machines.revive": {}}), Desk())._stands()).here is Here.UNKNOWN
    gone = context(facts={"machines.revive": {"volumes": []}})
    assert (await Survey(gone, Desk())._stands()).here is Here.ABSENT


async def test_a_raise_that_adopted_files_and_repository_restored_over_the_files(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """They were to be brought home over themselves, and `files lie where the snapshot belongs` ended each try."""
    looks(monkeypatch, READY)
    facts = dict[str, Any](LISTED)
    ctx = context(Verb.RAISE, facts=facts, machine=Machine(STANDING), adopt=True)
    seen = await Survey(ctx, Desk()).act()
    assert seen is not None
    assert (seen.facts["plan"], seen.facts["made"], seen.facts["identity"]) == ("standing", "then", "digest")
    facts["uploads.survey"] = seen.facts
    home = await Home(ctx, Desk()).observe()
    assert home.state is State.REACHED
    assert home.facts["home:uploads"] | {"repository": "digest", "made": "then"} == home.facts["home:uploads"]
    facts["uploads.home"] = home.facts
    assert BackupAfter(ctx, Desk()).needless() is None


async def test_a_raise_of_a_known_life_takes_no_backup() -> None:
    facts = dict[str, Any](LISTED)
    lineage = {"repository": "digest", "made": "then"}
    ctx = context(Verb.RAISE, facts=facts, machine=Machine(STANDING), lineage=lineage)
    seen = await Survey(ctx, Desk()).act()
    assert seen is not None
    facts["uploads.survey"] = seen.facts
    facts["uploads.home"] = (await Home(ctx, Desk()).observe()).facts
    assert BackupAfter(ctx, Desk()).needless() is not None


async def young(monkeypatch: pytest.MonkeyPatch, proof: dict[str, Any]) -> dict[str, Any]:
    """What a survey says of a proof in the record."""

    async def work(*_: Any, **__: Any) -> Result:
        return Result(0, "", "")

    part = Survey(context(lineage={"repository": "digest", "proof": proof}), Desk())
    monkeypatch.setattr(part, "outside", lambda: SimpleNamespace(work=work))
    return await part._young_proof(READY)


async def test_what_was_added_between_an_old_proof_and_the_run_was_never_read(monkeypatch: pytest.MonkeyPatch) -> None:
    proof = {"snapshot": SNAPSHOT.id, "at": NOW - 60, "label": SNAPSHOT.label}
    assert (await young(monkeypatch, {**proof, "seen": 1001.0}))["proven_seen"] == 1001.0
    assert await young(monkeypatch, proof) == {}  # nobody knows what it read
