"""One test per cell of the table *data here x repository*: something stands here, or cannot be seen."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ephemeral_castle.postgres.causes import Cause
from ephemeral_castle.postgres.decision import decide
from ephemeral_castle.postgres.pgbackrest import StatusCode
from ephemeral_castle.postgres.states import (
    Action,
    ClusterState,
    Code,
    Condition,
    Create,
    EmptyInitdb,
    HalfRestored,
    Intent,
    Lineage,
    RepoState,
    RepoView,
    Restore,
    Resume,
    Unknown,
)
from tests.unit.postgres.decision_worlds import (
    ADOPT,
    BARE,
    GOOD,
    HOME,
    LIVING,
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


def test_an_empty_cluster_of_this_run_beside_a_history_is_moved_aside():
    decision = decide(EmptyInitdb(OTHER, ours=True), HOME, RECORDED)
    assert isinstance(decision, Restore)
    assert decision.move_aside
    assert decision.target == MARK


def test_an_empty_cluster_of_somebody_else_beside_a_history():
    refusal = refused(decide(EmptyInitdb(OTHER, ours=False), HOME, RECORDED), Code.EMPTY_BESIDE_HISTORY)
    assert str(OTHER) in refusal.cause


def test_an_empty_cluster_and_nothing_in_the_repository():
    made = decide(EmptyInitdb(OTHER, ours=True), BARE, None, NEW)
    assert isinstance(made, Create)
    assert not made.initdb
    refused(decide(EmptyInitdb(OTHER, ours=True), BARE, None), Code.NO_BACKUP_FOUND)
    refused(decide(EmptyInitdb(OTHER, ours=True), BARE, RECORDED, NEW), Code.WRONG_PATH)


@pytest.mark.parametrize("ours", [True, False])
def test_an_empty_cluster_and_a_repository_that_cannot_be_read(ours: bool):
    state = repo(unreadable(Cause.DENIED), empty=True, known=False)
    refused(decide(EmptyInitdb(OTHER, ours=ours), state, None, NEW), Code.ACCESS)


def test_an_interrupted_first_birth_goes_on():
    stanza = RepoView(key=1, status=StatusCode.NO_BACKUP, databases=(database(),))
    decision = decide(EmptyInitdb(MINE, ours=True), repo(stanza, known=False), None, NEW)
    assert isinstance(decision, Resume)
    assert decision.action is Action.FIRST_BACKUP
    refused(decide(EmptyInitdb(OTHER, ours=True), repo(stanza, known=False), None, NEW), Code.NEVER_BACKED_UP)
    refused(decide(EmptyInitdb(MINE, ours=False), repo(stanza, known=False), None, NEW), Code.NEVER_BACKED_UP)


def test_an_empty_cluster_that_is_the_recorded_one_is_proven():
    first = replace(RECORDED, timeline=1)
    decision = decide(EmptyInitdb(MINE, ours=False), repo(replace(GOOD, timeline=1)), first)
    assert isinstance(decision, Resume)
    assert decision.action is Action.PROVE


def test_an_interrupted_restore_goes_on_with_the_same_set():
    older = backup("20261101-000000F")
    state = repo(replace(GOOD, backups=(older, backup())))
    decision = decide(HalfRestored(ours=True, label="20261101-000000F"), state, RECORDED)
    assert isinstance(decision, Resume)
    assert decision.action is Action.RESTORE
    assert decision.restore is not None
    assert decision.restore.delta
    assert decision.restore.label == "20261101-000000F"


def test_an_incomplete_directory_of_unknown_origin():
    refused(decide(HalfRestored(ours=False), HOME, RECORDED), Code.HALF_FOREIGN)


def test_an_interrupted_restore_of_another_lineage():
    refused(decide(HalfRestored(ours=True, system_id=OTHER), HOME, RECORDED), Code.FOREIGN_CLUSTER)


def test_an_interrupted_restore_whose_repository_is_gone():
    refused(decide(HalfRestored(ours=True), repo(NOTHING), RECORDED), Code.WRONG_PATH)
    refused(decide(HalfRestored(ours=True), BARE, None, NEW), Code.NO_BACKUP_FOUND)
    refused(decide(HalfRestored(ours=True), repo(unreadable(Cause.BUSY)), RECORDED), Code.ACCESS)


@pytest.mark.parametrize("condition", list(Condition))
def test_the_same_lineage_goes_on_to_its_proof(condition: Condition):
    decision = decide(replace(LIVING, condition=condition), HOME, RECORDED)
    assert isinstance(decision, Resume)
    assert decision.action is Action.PROVE


def test_the_same_lineage_on_an_older_timeline_than_the_archive():
    ahead = repo(replace(GOOD, timeline=4))
    refused(decide(LIVING, ahead, RECORDED), Code.OLD_TWIN)
    own = decide(LIVING, ahead, RECORDED, Intent(own_timelines=frozenset({4})))
    assert isinstance(own, Resume)


def test_the_same_lineage_of_an_older_life():
    refused(decide(replace(LIVING, generation=6), HOME, RECORDED), Code.OLD_TWIN)


def test_the_same_lineage_and_a_new_path():
    state = repo(NOTHING, empty=True, path="/new")
    decision = decide(LIVING, state, RECORDED)
    assert isinstance(decision, Resume)
    assert decision.action is Action.NEW_REPOSITORY
    refused(decide(LIVING, repo(NOTHING, empty=False), RECORDED), Code.WRONG_PATH)
    refused(decide(LIVING, repo(NOTHING, empty=None), RECORDED), Code.REPOSITORY_UNKNOWN)


def test_the_same_lineage_and_a_stanza_without_backup():
    stanza = RepoView(key=1, status=StatusCode.NO_BACKUP, databases=(database(),))
    decision = decide(LIVING, repo(stanza), RECORDED)
    assert isinstance(decision, Resume)
    assert decision.action is Action.FIRST_BACKUP


def test_the_same_lineage_and_an_unreadable_or_damaged_repository():
    refused(decide(LIVING, repo(unreadable(Cause.UNREACHABLE)), RECORDED), Code.ACCESS)
    refused(decide(LIVING, repo(replace(GOOD, key=2), unreadable(Cause.DENIED)), RECORDED), Code.ACCESS)
    refused(decide(LIVING, repo(broken(StatusCode.NO_STANZA_DATA)), RECORDED), Code.DAMAGED)
    refused(decide(LIVING, repo(), RECORDED), Code.REPOSITORY_UNKNOWN)


def test_the_same_lineage_and_a_second_repository_to_be_made_again():
    decision = decide(LIVING, repo(GOOD, broken(StatusCode.NO_STANZA, key=2)), RECORDED)
    assert isinstance(decision, Resume)
    assert "repo2" in decision.notes[0]


def test_a_stanza_that_was_upgraded_to_another_cluster():
    refused(decide(LIVING, repo(TWO), RECORDED), Code.FOREIGN_REPOSITORY)
    refused(decide(LIVING, repo(replace(GOOD, databases=(database(1, OTHER),))), RECORDED), Code.FOREIGN_REPOSITORY)


@pytest.mark.parametrize(
    "state", [HOME, BARE, repo(unreadable(Cause.DENIED)), repo(replace(GOOD, databases=(database(1, OTHER),)))]
)
@pytest.mark.parametrize("intent", [Intent(), NEW, ADOPT, Intent(restore=True)])
def test_another_lineage_is_refused_over_any_repository(state: RepoState, intent: Intent):
    refusal = refused(decide(Lineage(OTHER, 1, Condition.STOPPED), state, RECORDED, intent), Code.FOREIGN_CLUSTER)
    assert str(OTHER) in refusal.cause
    assert str(MINE) in refusal.cause


def test_a_restore_onto_present_data():
    asked = Intent(restore=True)
    refused(decide(LIVING, HOME, RECORDED, asked), Code.RUNNING)
    refused(decide(replace(LIVING, condition=Condition.STOPPED), HOME, RECORDED, asked), Code.PRESENT)


def test_a_cluster_that_no_record_knows():
    stranger = Lineage(OTHER, 1, Condition.RUNNING)
    refused(decide(stranger, BARE, None), Code.NOT_RECORDED)
    refused(decide(stranger, BARE, None, NEW), Code.NOT_RECORDED)
    adopted = decide(stranger, BARE, None, ADOPT)
    assert isinstance(adopted, Resume)
    assert adopted.action is Action.NEW_REPOSITORY
    born = decide(replace(stranger, ours=True), BARE, None, NEW)
    assert isinstance(born, Resume)
    refused(decide(Lineage(MINE, 3, Condition.RUNNING), repo(TWO, known=False), None, ADOPT), Code.SEVERAL_LINEAGES)


@pytest.mark.parametrize("state", [HOME, BARE])
@pytest.mark.parametrize("intent", [Intent(), NEW, ADOPT])
def test_what_cannot_be_seen_is_refused(state: RepoState, intent: Intent):
    cluster: ClusterState = Unknown("the machine does not answer")
    assert refused(decide(cluster, state, None, intent), Code.CLUSTER_UNKNOWN).transient
