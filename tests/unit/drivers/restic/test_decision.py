"""The table of files: every input has one answer, and none of them is an empty tree beside history."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ephemeral_castle.drivers.restic.answers import Snapshot
from ephemeral_castle.drivers.restic.decision import Go, Here, Intent, Place, Plan, Recorded, Repo, Repository, decide
from ephemeral_castle.drivers.restic.refusals import Refuse
from ephemeral_castle.errors import CastleError, Unreachable

PATH = "s3://b/here/restic/uploads"
OLD = Snapshot("a" * 64, 1000.0, "here", {}, 7, 70, ("/castle/note", "/data"))
NEW = Snapshot("b" * 64, 2000.0, "here", {}, 7, 70, ("/castle/note", "/data"))
KNOWN = Recorded("digest", PATH, known_at=2000.0)
SEALED = Recorded("digest", PATH, sealed=OLD.id, known_at=1000.0)
NOTHING_ASKED = Intent()


def repo(kind: Repo, identity: str = "digest") -> Repository:
    snapshots = (OLD, NEW) if kind is Repo.READY else ()
    return Repository(PATH, kind, "" if kind in (Repo.NOTHING, Repo.ODD) else identity, snapshots, "because")


def ask(here: Here, kind: Repo, recorded: Recorded | None = None, identity: str = "digest", **words: Any) -> str:
    """The plan, or the code of the refusal."""
    found = decide(Place(here, "looked"), repo(kind, identity), recorded, Intent(**words))
    return found.plan.value if isinstance(found, Go) else found.code


@pytest.mark.parametrize(
    ("here", "kind", "recorded", "words", "answer"),
    [
        (Here.ABSENT, Repo.NOTHING, None, {}, "no-repository"),
        (Here.ABSENT, Repo.NOTHING, None, {"new": True}, "create"),
        (Here.ABSENT, Repo.NOTHING, KNOWN, {"new": True}, "wrong-path"),
        (Here.ABSENT, Repo.ODD, None, {"new": True}, "odd"),
        (Here.ABSENT, Repo.EMPTY, None, {"new": True}, "create"),
        (Here.ABSENT, Repo.EMPTY, None, {}, "no-repository"),
        (Here.ABSENT, Repo.EMPTY, KNOWN, {}, "behind"),
        (Here.ABSENT, Repo.READY, None, {}, "not-recorded"),
        (Here.ABSENT, Repo.READY, None, {"new": True}, "not-recorded"),
        (Here.ABSENT, Repo.READY, None, {"adopt": True}, "restore"),
        (Here.ABSENT, Repo.READY, KNOWN, {}, "restore"),
        (Here.ABSENT, Repo.READY, KNOWN, {"new": True}, "new-but-exists"),
        (Here.ABSENT, Repo.READY, KNOWN, {"label": "cc"}, "no-such-snapshot"),
        (Here.PRESENT, Repo.READY, KNOWN, {}, "seal"),
        (Here.PRESENT, Repo.READY, None, {}, "not-recorded"),
        (Here.PRESENT, Repo.READY, None, {"adopt": True}, "seal"),
        (Here.PRESENT, Repo.NOTHING, None, {}, "no-repository"),
        (Here.PRESENT, Repo.NOTHING, None, {"new": True}, "begin"),
        (Here.PRESENT, Repo.NOTHING, KNOWN, {}, "wrong-path"),
        (Here.PRESENT, Repo.NOTHING, KNOWN, {"new": True, "adopt": True}, "wrong-path"),
        (Here.UNKNOWN, Repo.READY, KNOWN, {}, "place-unknown"),
        (Here.UNKNOWN, Repo.READY, KNOWN, {"source_lost": True}, "restore"),
        (Here.OTHER, Repo.READY, KNOWN, {}, "another-volume"),
        (Here.OTHER, Repo.READY, KNOWN, {"abandon_data": True}, "restore"),
        (Here.OTHER, Repo.READY, KNOWN, {"adopt": True}, "seal"),
        (Here.PRESENT, Repo.CLOSED, KNOWN, {}, "closed"),
        (Here.PRESENT, Repo.DAMAGED, KNOWN, {}, "damaged"),
        (Here.PRESENT, Repo.LOCKED, KNOWN, {}, "locked"),
        (Here.PRESENT, Repo.UNKNOWN, KNOWN, {}, "unknown"),
    ],
)
def test_the_table(here: Here, kind: Repo, recorded: Recorded | None, words: dict[str, Any], answer: str) -> None:
    assert ask(here, kind, recorded, **words) == answer


def test_files_join_a_life_that_stands_by_adoption_and_a_new_life_begins_by_new_only() -> None:
    """A database that stands refuses --new, so a layer that is added later could never have begun."""
    for here, plan in ((Here.PRESENT, Plan.BEGIN), (Here.ABSENT, Plan.CREATE)):
        for life in (True, False):
            found = decide(Place(here, "looked", life=life), repo(Repo.NOTHING), None, Intent(adopt=True))
            assert (isinstance(found, Go) and found.plan is plan) if life else isinstance(found, Refuse)


def test_another_repository_under_the_path_is_refused_whatever_was_said() -> None:
    for here, words in itertools.product(Here, ({}, {"new": True}, {"adopt": True}, {"abandon_data": True})):
        assert ask(here, Repo.READY, KNOWN, "other", source_lost=True, **words) in ("foreign", "another-volume")


def test_a_sealed_life_comes_back_from_its_seal_and_not_from_something_newer() -> None:
    found = decide(Place(Here.ABSENT), repo(Repo.READY), SEALED, NOTHING_ASKED)
    assert isinstance(found, Go)
    assert (found.snapshot, found.sealed, found.loss) == (OLD, True, False)


def test_a_seal_that_is_not_in_the_repository_is_refused() -> None:
    gone = Recorded("digest", PATH, sealed="c" * 64)
    assert decide(Place(Here.ABSENT), repo(Repo.READY), gone, NOTHING_ASKED).code == "behind"  # type: ignore[union-attr]


def test_an_unplanned_death_takes_the_newest_and_says_that_something_may_be_lost() -> None:
    found = decide(Place(Here.ABSENT), repo(Repo.READY), KNOWN, NOTHING_ASKED)
    assert isinstance(found, Go)
    assert (found.snapshot, found.loss) == (NEW, True)


def test_a_repository_that_was_rolled_back_is_refused() -> None:
    later = Recorded("digest", PATH, known_at=3000.0)
    assert decide(Place(Here.ABSENT), repo(Repo.READY), later, NOTHING_ASKED).code == "behind"  # type: ignore[union-attr]


def test_a_snapshot_picked_by_a_person_comes_home_from_a_repository_that_is_behind() -> None:
    later = Recorded("digest", PATH, known_at=3000.0)
    found = decide(Place(Here.ABSENT), repo(Repo.READY), later, Intent(label="aaaa"))
    assert isinstance(found, Go)
    assert found.snapshot == OLD


def test_a_snapshot_of_another_path_is_refused_and_no_empty_tree_comes_home() -> None:
    odd = Repository(PATH, Repo.READY, "digest", (Snapshot("d" * 64, 1.0, "laptop", paths=("/srv/uploads",)),))
    found = decide(Place(Here.ABSENT), odd, None, Intent(adopt=True))
    assert isinstance(found, Refuse)
    assert found.code == "other-path"


places = st.builds(Place, st.sampled_from(Here), st.just("looked"), st.booleans())
repositories = st.builds(repo, st.sampled_from(Repo), st.sampled_from(["digest", "other"]))
records = st.none() | st.builds(
    Recorded,
    st.sampled_from(["digest", "other"]),
    st.sampled_from([PATH, "s3://b/elsewhere"]),
    st.sampled_from(["", OLD.id, "c" * 64]),
    st.sampled_from([0.0, 1000.0, 3000.0]),
)
intents = st.builds(
    Intent, st.booleans(), st.booleans(), st.booleans(), st.booleans(), st.sampled_from(["", "aa", "f"])
)


@given(places, repositories, records, intents)
def test_every_input_has_an_answer_and_nothing_is_begun_without_four_negatives(
    place: Place, found: Repository, recorded: Recorded | None, intent: Intent
) -> None:
    decision = decide(place, found, recorded, intent)
    assert isinstance(decision, Go | Refuse)
    if isinstance(decision, Refuse):
        error = decision.error("here")
        assert isinstance(error, CastleError)
        assert isinstance(error, Unreachable) == (found.kind in (Repo.UNKNOWN, Repo.LOCKED))
        assert error.hints
        assert error.state
        return
    assert found.kind in (Repo.NOTHING, Repo.EMPTY, Repo.READY)
    if found.kind is Repo.NOTHING:
        assert decision.plan in (Plan.CREATE, Plan.BEGIN)
        assert intent.new or (intent.adopt and place.life)
        assert recorded is None
    if decision.plan is Plan.RESTORE:
        assert decision.snapshot in found.snapshots
        assert place.here is not Here.PRESENT
    if recorded is not None:
        assert found.identity == recorded.identity
    if place.here is Here.UNKNOWN:
        assert intent.source_lost
    if decision.plan is Plan.CREATE:
        assert not found.snapshots
