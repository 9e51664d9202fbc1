"""One test per cell of the table *data here x repository*: no data directory stands here."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ephemeral_castle.errors import Refused, Unreachable
from ephemeral_castle.postgres.causes import Cause
from ephemeral_castle.postgres.decision import decide
from ephemeral_castle.postgres.lsn import Lsn
from ephemeral_castle.postgres.pgbackrest import StatusCode
from ephemeral_castle.postgres.states import (
    Absent,
    Code,
    Create,
    Intent,
    Recorded,
    RepoState,
    RepoView,
    Restore,
)
from tests.unit.postgres.decision_worlds import (
    ADOPT,
    BARE,
    GOOD,
    HOME,
    LABEL,
    MARK,
    MINE,
    NEW,
    NOTHING,
    OTHER,
    RECORDED,
    TWO,
    backup,
    broken,
    database,
    refused,
    repo,
    unreadable,
)


def test_absent_and_nothing_anywhere_is_created_only_by_an_explicit_word():
    made = decide(Absent(), BARE, None, NEW)
    assert isinstance(made, Create)
    assert made.initdb
    refusal = refused(decide(Absent(), BARE, None), Code.NO_BACKUP_FOUND)
    assert "/castle" in refusal.message
    assert "castle raise --new" in refusal.hints[-1]


def test_absent_and_code_one_over_a_non_empty_prefix():
    refused(decide(Absent(), repo(NOTHING, empty=False, known=False), None, NEW), Code.WRONG_PATH)


def test_absent_and_code_one_with_a_lineage_object():
    refused(decide(Absent(), repo(NOTHING, empty=True, known=True), None, NEW), Code.WRONG_PATH)


def test_absent_and_code_one_although_recorded_names_the_generation_and_the_old_path():
    state = repo(NOTHING, empty=True, known=True, path="/castel")
    refusal = refused(decide(Absent(), state, RECORDED, NEW), Code.WRONG_PATH)
    assert "generation 7" in refusal.cause
    assert "/castle" in refusal.cause
    assert "/castel" in refusal.message


@pytest.mark.parametrize("state", [repo(NOTHING, empty=None, known=False), repo(NOTHING, empty=True, known=None)])
def test_absent_and_code_one_but_the_treasury_was_not_seen(state: RepoState):
    assert refused(decide(Absent(), state, None, NEW), Code.REPOSITORY_UNKNOWN).transient


def test_absent_and_a_stanza_without_backup():
    refused(decide(Absent(), repo(broken(StatusCode.NO_BACKUP)), RECORDED), Code.NEVER_BACKED_UP)
    refused(decide(Absent(), repo(broken(StatusCode.NO_BACKUP)), None, NEW), Code.NEVER_BACKED_UP)


def test_absent_and_the_recorded_history_is_restored_to_the_mark():
    decision = decide(Absent(), HOME, RECORDED)
    assert isinstance(decision, Restore)
    assert (decision.repo, decision.label, decision.target) == (1, LABEL, MARK)
    assert (decision.timeline, decision.marker) == (3, "nonce-b")
    assert not decision.delta
    assert not decision.move_aside


def test_absent_and_new_beside_a_history():
    refused(decide(Absent(), HOME, RECORDED, NEW), Code.NEW_BUT_EXISTS)


def test_absent_and_several_lineages_lists_each_with_its_newest_backup():
    refusal = refused(decide(Absent(), repo(TWO), RECORDED), Code.SEVERAL_LINEAGES)
    assert str(MINE) in refusal.cause
    assert str(OTHER) in refusal.cause
    assert LABEL in refusal.cause
    assert "20270101-000000F" in refusal.cause
    assert "--set" in refusal.hints[-1]


def test_a_person_may_pick_a_set_of_the_recorded_lineage_only():
    picked = decide(Absent(), repo(TWO), RECORDED, Intent(set_label=LABEL))
    assert isinstance(picked, Restore)
    assert picked.label == LABEL
    refused(decide(Absent(), repo(TWO), RECORDED, Intent(set_label="20270101-000000F")), Code.SET_UNUSABLE)


def test_absent_and_another_system_id():
    foreign = replace(GOOD, databases=(database(1, OTHER),))
    refusal = refused(decide(Absent(), repo(foreign), RECORDED), Code.FOREIGN_REPOSITORY)
    assert str(MINE) in refusal.cause
    assert str(OTHER) in refusal.cause


def test_absent_and_a_repository_behind_the_record():
    rolled_back = replace(GOOD, chain_end=Lsn.parse("0/9000000"))
    refusal = refused(decide(Absent(), repo(rolled_back), RECORDED), Code.BEHIND)
    assert "0/9000000" in refusal.cause
    accepting = Intent(accept_loss_after=Lsn.parse("0/8000000"))
    refused(decide(Absent(), repo(rolled_back), RECORDED, accepting), Code.BEHIND)


def test_absent_and_a_hole_before_the_mark():
    hole = replace(GOOD, chain_end=Lsn.parse("0/9000000"), beyond=("00000003000000000000000A",))
    refusal = refused(decide(Absent(), repo(hole), RECORDED), Code.HOLE)
    assert "--accept-loss-after 0/9000000" in refusal.hints[-1]


def test_absent_and_a_history_that_was_not_listed():
    blind = replace(GOOD, chain_end=None)
    refused(decide(Absent(), repo(blind), RECORDED), Code.REPOSITORY_UNKNOWN)


def test_absent_and_an_archive_without_the_beginning():
    """Listed and empty is an answer, not a reason to ask again."""
    gone = replace(GOOD, chain_end=None, missing="000000030000000000000008")
    refusal = refused(decide(Absent(), repo(gone), RECORDED), Code.HOLE)
    assert "000000030000000000000008" in refusal.cause
    assert not refusal.transient


def test_absent_and_a_higher_timeline():
    ahead = replace(GOOD, timeline=4)
    refused(decide(Absent(), repo(ahead), RECORDED), Code.BORN_ELSEWHERE)
    resumed = decide(Absent(), repo(ahead), RECORDED, Intent(own_timelines=frozenset({4})))
    assert isinstance(resumed, Restore)
    assert resumed.timeline == 4


def test_absent_and_a_wrong_pass_names_the_secret():
    refusal = refused(decide(Absent(), repo(unreadable(Cause.WRONG_PASS)), RECORDED), Code.WRONG_PASS)
    assert "database.pass" in refusal.hints[0]
    assert not refusal.transient


@pytest.mark.parametrize("cause", [Cause.DENIED, Cause.NOT_FOUND, Cause.TLS, Cause.CLOCK, Cause.OTHER])
@pytest.mark.parametrize("recorded", [None, RECORDED])
def test_absent_and_no_access_is_refused_at_once(cause: Cause, recorded: Recorded | None):
    state = repo(unreadable(cause), empty=True, known=False)
    assert not refused(decide(Absent(), state, recorded, NEW), Code.ACCESS).transient


@pytest.mark.parametrize("cause", [Cause.UNREACHABLE, Cause.BUSY])
def test_absent_and_no_answer_may_be_asked_again(cause: Cause):
    refusal = refused(decide(Absent(), repo(unreadable(cause)), RECORDED), Code.ACCESS)
    assert refusal.transient
    assert isinstance(refusal.error("database"), Unreachable)


@pytest.mark.parametrize("view", [broken(StatusCode.NO_STANZA_DATA), unreadable(Cause.DAMAGED)])
def test_absent_and_damage(view: RepoView):
    refusal = refused(decide(Absent(), repo(view), RECORDED), Code.DAMAGED)
    assert ".copy" in refusal.hints[0]
    assert isinstance(refusal.error(), Refused)
    assert refusal.error().exit_code == 9


def test_absent_and_repositories_differ_takes_the_one_that_has_the_mark_and_reports_the_other():
    behind = replace(GOOD, chain_end=Lsn.parse("0/8500000"))
    second = replace(GOOD, key=2)
    decision = decide(Absent(), repo(behind, second), RECORDED)
    assert isinstance(decision, Restore)
    assert decision.repo == 2
    assert "repo1" in decision.notes[0]
    foreign = replace(GOOD, databases=(database(1, OTHER),))
    decision = decide(Absent(), repo(foreign, second), RECORDED)
    assert isinstance(decision, Restore)
    assert decision.repo == 2


def test_absent_and_the_second_repository_died_with_its_machine():
    decision = decide(Absent(), repo(GOOD, broken(StatusCode.NO_STANZA, key=2)), RECORDED)
    assert isinstance(decision, Restore)
    assert decision.repo == 1
    assert "repo2" in decision.notes[0]


def test_absent_and_one_repository_unreadable():
    state = repo(unreadable(Cause.UNREACHABLE), replace(GOOD, key=2))
    sealed = decide(Absent(), state, RECORDED)
    assert isinstance(sealed, Restore)
    assert sealed.repo == 2
    # Unsealed, the history in the one that cannot be seen may reach further.
    refused(decide(Absent(), state, replace(RECORDED, sealed=False)), Code.ACCESS)


@pytest.mark.parametrize("status", [StatusCode.MIXED, StatusCode.DATABASE_MISMATCH, StatusCode.BACKUP_NOT_FOUND])
def test_absent_and_codes_that_one_repository_alone_never_has(status: StatusCode):
    refused(decide(Absent(), repo(broken(status)), RECORDED), Code.DAMAGED)


def test_absent_and_info_was_not_asked():
    refused(decide(Absent(), repo(empty=True, known=False), None, NEW), Code.REPOSITORY_UNKNOWN)


def test_absent_and_an_empty_stanza_outweighs_a_missing_one():
    state = repo(NOTHING, broken(StatusCode.NO_BACKUP, key=2), empty=True, known=False)
    refused(decide(Absent(), state, None, NEW), Code.NEVER_BACKED_UP)


def test_absent_and_a_repository_that_no_record_knows():
    state = repo(GOOD, known=False)
    refused(decide(Absent(), state, None), Code.NOT_RECORDED)
    adopted = decide(Absent(), state, None, ADOPT)
    assert isinstance(adopted, Restore)
    assert (adopted.label, adopted.target, adopted.timeline, adopted.marker) == (LABEL, GOOD.chain_end, 3, "")
    refused(decide(Absent(), repo(GOOD, known=True), None, ADOPT), Code.NOT_RECORDED)
    refused(decide(Absent(), repo(GOOD, known=None), None, ADOPT), Code.REPOSITORY_UNKNOWN)


def test_adopting_without_a_known_timeline_takes_the_backups():
    adopted = decide(Absent(), repo(replace(GOOD, timeline=None), known=False), None, ADOPT)
    assert isinstance(adopted, Restore)
    assert adopted.timeline == 3


def test_absent_and_the_definition_moved_the_repository():
    state = replace(HOME, path="/elsewhere")
    refused(decide(Absent(), state, RECORDED), Code.WRONG_PATH)
    assert isinstance(decide(Absent(), state, RECORDED, ADOPT), Restore)


@pytest.mark.parametrize(
    ("view", "intent"),
    [
        (replace(GOOD, backups=()), Intent()),
        (replace(GOOD, backups=(backup("20260101-000000F"),)), Intent()),
        (replace(GOOD, backups=(backup(error=True),)), Intent()),
        (replace(GOOD, backups=(backup(lsn_stop="0/9000200"),)), Intent()),
        (GOOD, Intent(set_label="20000101-000000F")),
    ],
)
def test_absent_and_the_proven_backup_cannot_be_used(view: RepoView, intent: Intent):
    refused(decide(Absent(), repo(view), RECORDED, intent), Code.SET_UNUSABLE)


DEAD = replace(RECORDED, sealed=False)


def test_a_dead_castle_comes_back_to_the_end_of_the_unbroken_chain():
    decision = decide(Absent(), HOME, DEAD)
    assert isinstance(decision, Restore)
    assert decision.target == GOOD.chain_end


def test_a_dead_castle_with_a_hole_needs_an_explicit_word():
    hole = replace(GOOD, beyond=("00000003000000000000000B",))
    refused(decide(Absent(), repo(hole), DEAD), Code.HOLE)
    refused(decide(Absent(), repo(hole), DEAD, Intent(accept_loss_after=Lsn.parse("0/A000001"))), Code.HOLE)
    accepted = decide(Absent(), repo(hole), DEAD, Intent(accept_loss_after=Lsn.parse("0/A000000")))
    assert isinstance(accepted, Restore)
    assert accepted.target == GOOD.chain_end


def test_a_sealed_castle_does_not_care_about_a_hole_behind_its_mark():
    hole = replace(GOOD, beyond=("00000003000000000000000B",))
    decision = decide(Absent(), repo(hole), RECORDED)
    assert isinstance(decision, Restore)
    assert decision.target == MARK


def test_a_running_server_is_not_adopted_and_the_refusal_says_how_it_can_be():
    refusal = refused(decide(Absent(), BARE, None, ADOPT), Code.NO_BACKUP_FOUND)
    assert "a server that runs elsewhere is not copied" in refusal.cause
    assert refusal.hints[-1] == "castle raise --adopt"
    assert BARE.path in refusal.hints[0]
