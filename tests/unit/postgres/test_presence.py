from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ephemeral_castle.postgres.presence import (
    Listing,
    NoSeal,
    OldTreasure,
    Presence,
    RefuseSeal,
    Seal,
    classify_presence,
    decide_seal,
)

HERE = OldTreasure(
    lived=True,
    same_place=True,
    host_answered=True,
    machines=Listing.PRESENT,
    volume=Listing.PRESENT,
    server_starts=True,
    archive_works=True,
    ours=True,
)
GONE = OldTreasure(lived=True, same_place=True, host_answered=True, machines=Listing.ABSENT, volume=Listing.ABSENT)


CASES = [
    (Presence.NEVER, OldTreasure(lived=False)),
    (Presence.SEALABLE, HERE),
    (Presence.SEALABLE, replace(HERE, machines=Listing.ABSENT)),
    (Presence.SEALABLE, replace(HERE, volume=Listing.ABSENT)),
    (Presence.ABSENT, GONE),
    (Presence.ABSENT, replace(HERE, volume=Listing.ABSENT, server_starts=False)),
    (Presence.UNKNOWN, replace(HERE, volume=Listing.ABSENT, server_starts=None, host_answered=None)),
    (Presence.UNKNOWN, replace(GONE, same_place=False)),
    (Presence.UNKNOWN, replace(GONE, same_place=None)),
    (Presence.UNKNOWN, replace(GONE, host_answered=False)),
    (Presence.UNKNOWN, replace(GONE, volume=Listing.UNKNOWN)),
    (Presence.UNKNOWN, replace(GONE, machines=Listing.UNKNOWN)),
    (Presence.UNKNOWN, replace(HERE, same_place=False)),
    (Presence.UNKNOWN, replace(HERE, ours=None)),
    (Presence.UNKNOWN, replace(HERE, server_starts=None)),
    (Presence.UNSEALABLE, replace(HERE, server_starts=False)),
    (Presence.UNSEALABLE, replace(HERE, archive_works=False)),
    (Presence.UNSEALABLE, replace(HERE, archive_works=None)),
    (Presence.UNSEALABLE, replace(HERE, ours=False)),
    (Presence.UNKNOWN, OldTreasure(lived=True)),
]


@pytest.mark.parametrize(("presence", "old"), CASES)
def test_classification(presence: Presence, old: OldTreasure):
    found, why = classify_presence(old)
    assert found is presence
    assert why


def test_sealable_is_sealed_whatever_was_given_up():
    assert decide_seal(HERE) == Seal("it stands, runs and archives")
    decision = decide_seal(HERE, source_lost=True, abandon_data=True)
    assert isinstance(decision, Seal)
    assert len(decision.notes) == 2


def test_a_first_life_and_a_proven_absence_need_no_seal():
    first, gone = decide_seal(OldTreasure(lived=False)), decide_seal(GONE)
    assert isinstance(first, NoSeal)
    assert not first.loss
    assert isinstance(gone, NoSeal)
    assert gone.loss


def test_unknown_opens_for_source_lost_only():
    unknown = replace(GONE, same_place=False)
    refusal = decide_seal(unknown, abandon_data=True)
    assert isinstance(refusal, RefuseSeal)
    assert "--source-lost" in refusal.hints[-1]
    assert refusal.error("database").exit_code == 9
    given_up = decide_seal(unknown, source_lost=True)
    assert isinstance(given_up, NoSeal)
    assert "--source-lost" in given_up.reason


def test_unsealable_opens_for_abandon_data_only():
    stuck = replace(HERE, archive_works=False, obstacle="the disk is full")
    refusal = decide_seal(stuck, source_lost=True)
    assert isinstance(refusal, RefuseSeal)
    assert refusal.cause == "the disk is full"
    assert "--abandon-data" in refusal.hints[-1]
    given_up = decide_seal(stuck, abandon_data=True)
    assert isinstance(given_up, NoSeal)
    assert given_up.loss


def test_data_of_somebody_else_cannot_be_given_up():
    refusal = decide_seal(replace(HERE, ours=False), source_lost=True, abandon_data=True)
    assert isinstance(refusal, RefuseSeal)
    assert not any("--abandon-data" in hint for hint in refusal.hints)


MAYBE = st.sampled_from([None, True, False])
olds = st.builds(
    OldTreasure,
    lived=st.booleans(),
    same_place=MAYBE,
    host_answered=MAYBE,
    machines=st.sampled_from(Listing),
    volume=st.sampled_from(Listing),
    server_starts=MAYBE,
    archive_works=MAYBE,
    ours=MAYBE,
)


@settings(max_examples=500)
@given(olds, st.booleans(), st.booleans())
def test_total_and_never_absent_without_looking(old: OldTreasure, source_lost: bool, abandon_data: bool):
    presence, why = classify_presence(old)
    assert why
    if presence is Presence.ABSENT:
        assert old.same_place is True
        assert old.host_answered is True
        assert old.volume is Listing.ABSENT
    decision = decide_seal(old, source_lost=source_lost, abandon_data=abandon_data)
    if isinstance(decision, NoSeal) and decision.loss and not (source_lost or abandon_data):
        assert presence is Presence.ABSENT
    if isinstance(decision, Seal):
        assert presence is Presence.SEALABLE


@pytest.mark.parametrize("verb", ["backup", "seal", "restore"])
def test_a_backup_that_cannot_see_was_told_to_destroy(verb: str) -> None:
    """A nightly backup whose treasure could not be seen hinted at `castle rebirth --source-lost`."""
    unseen = decide_seal(replace(GONE, machines=Listing.UNKNOWN), verb=verb)
    assert isinstance(unseen, RefuseSeal)
    assert unseen.hints[-1] == "castle status"


@pytest.mark.parametrize("verb", ["rebirth", "raise"])
def test_the_way_out_names_the_verb_that_was_asked(verb: str) -> None:
    unseen = decide_seal(replace(GONE, machines=Listing.UNKNOWN), verb=verb)
    assert isinstance(unseen, RefuseSeal)
    assert unseen.hints[-1] == f"if it is lost for good: castle {verb} --source-lost"
