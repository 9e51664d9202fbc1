"""What must hold for every input of the decision."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import find, given, settings
from hypothesis import strategies as st

from ephemeral_castle.postgres.causes import Cause
from ephemeral_castle.postgres.decision import decide
from ephemeral_castle.postgres.lsn import Lsn
from ephemeral_castle.postgres.pgbackrest import Backup, Database, StatusCode
from ephemeral_castle.postgres.states import (
    Absent,
    ClusterState,
    Condition,
    Create,
    Decision,
    EmptyInitdb,
    HalfRestored,
    Intent,
    Lineage,
    Recorded,
    Refuse,
    RepoState,
    RepoView,
    Restore,
    Resume,
    Unknown,
)

IDS = st.sampled_from([71, 72])
LSNS = st.sampled_from([Lsn(n * 2**24) for n in range(1, 6)])
LABELS = st.sampled_from(["A", "B"])
TIMELINES = st.integers(1, 4)

clusters = st.one_of(
    st.just(Absent()),
    st.just(Unknown("no answer")),
    st.builds(EmptyInitdb, IDS, st.booleans()),
    st.builds(HalfRestored, st.booleans(), st.just("") | LABELS, st.none() | IDS),
    st.builds(Lineage, IDS, TIMELINES, st.sampled_from(Condition), st.none() | TIMELINES, st.booleans()),
)
databases = st.builds(Database, st.integers(1, 2), st.just(1), IDS, st.just("15"))
backups = st.builds(
    Backup,
    label=LABELS,
    type=st.just("full"),
    prior=st.none(),
    reference=st.just(()),
    error=st.sampled_from([None, False, True]),
    start=st.just(1),
    stop=st.integers(1, 9),
    archive_start=st.none(),
    archive_stop=st.sampled_from([None, "x", "000000030000000000000008"]),
    lsn_start=st.none(),
    lsn_stop=st.none() | LSNS,
    database_id=st.integers(1, 2),
    repo_key=st.just(1),
    size=st.just(1),
    repo_size=st.none(),
)
view_fields: dict[str, st.SearchStrategy[Any]] = {
    "status": st.sampled_from(StatusCode),
    "cause": st.sampled_from(Cause),
    "explanation": st.sampled_from(["", "said"]),
    "databases": st.lists(databases, max_size=2).map(tuple),
    "backups": st.lists(backups, max_size=2).map(tuple),
    "chain_end": st.none() | LSNS,
    "beyond": st.sampled_from([(), ("000000010000000000000009",)]),
    "timeline": st.none() | TIMELINES,
}
repo_fields: dict[str, st.SearchStrategy[Any]] = {
    "path": st.sampled_from(["/castle", "/other"]),
    "prefix_empty": st.sampled_from([None, True, False]),
    "lineage_object": st.sampled_from([None, True, False]),
}
recorded_fields: dict[str, st.SearchStrategy[Any]] = {
    "system_id": IDS,
    "timeline": TIMELINES,
    "generation": TIMELINES,
    "label": LABELS,
    "mark": LSNS,
    "sealed": st.booleans(),
}
intent_fields: dict[str, st.SearchStrategy[Any]] = {
    "new": st.booleans(),
    "adopt": st.booleans(),
    "restore": st.booleans(),
    "set_label": st.just("") | LABELS,
    "accept_loss_after": st.none() | LSNS,
    "own_timelines": st.frozensets(TIMELINES),
}

SET = Backup("A", "full", None, (), False, 1, 2, None, None, None, Lsn(2**24), 1, 1, 1, None)
FULL = RepoView(1, StatusCode.OK, databases=(Database(1, 1, 71, "15"),), backups=(SET,), chain_end=Lsn(5 * 2**24))
NONE = RepoView(1, StatusCode.NO_STANZA)
HOME = RepoState("castle", "/castle", (FULL,), prefix_empty=False, lineage_object=True)
BARE = RepoState("castle", "/castle", (NONE,), prefix_empty=True, lineage_object=False)
RECORDED = Recorded(71, 2, "castle", "/castle", 2, "A", "nonce", Lsn(3 * 2**24), sealed=True)

World = tuple[ClusterState, RepoState, Recorded | None, Intent]
PLAUSIBLE: list[World] = [
    (Absent(), HOME, RECORDED, Intent()),
    (Absent(), BARE, None, Intent(new=True)),
    (Absent(), replace(HOME, lineage_object=False), None, Intent(adopt=True)),
    (EmptyInitdb(72, ours=True), HOME, RECORDED, Intent()),
    (HalfRestored(ours=True, label="A"), HOME, RECORDED, Intent()),
    (Lineage(71, 2, Condition.RUNNING), HOME, RECORDED, Intent()),
]


@st.composite
def worlds(draw: st.DrawFn) -> World:
    """A plausible world with a few faults: pure noise would never get past the first refusal."""
    cluster, repo, recorded, intent = draw(st.sampled_from(PLAUSIBLE))
    for _ in range(draw(st.integers(0, 5))):
        part = draw(st.sampled_from(["cluster", "view", "second", "repo", "recorded", "intent"]))
        if part == "cluster":
            cluster = draw(clusters)
        elif part == "view" and repo.views:
            field = draw(st.sampled_from(sorted(view_fields)))
            changed: dict[str, Any] = {field: draw(view_fields[field])}
            repo = replace(repo, views=(replace(repo.views[0], **changed), *repo.views[1:]))
        elif part == "second":
            more = draw(st.sampled_from([(), (replace(FULL, key=2),), (replace(NONE, key=2),)]))
            repo = replace(repo, views=(*repo.views[:1], *more))
        elif part == "repo":
            field = draw(st.sampled_from(sorted(repo_fields)))
            repo = replace(repo, **{field: draw(repo_fields[field])})
        elif part == "recorded":
            field = draw(st.sampled_from(sorted(recorded_fields)))
            recorded = None if recorded is None else replace(recorded, **{field: draw(recorded_fields[field])})
        elif part == "intent":
            field = draw(st.sampled_from(sorted(intent_fields)))
            intent = replace(intent, **{field: draw(intent_fields[field])})
    if draw(st.sampled_from([True] * 9 + [False])):
        return cluster, repo, recorded, intent
    return cluster, replace(repo, views=()), recorded, intent


MANY = settings(max_examples=300, deadline=None)


@pytest.mark.parametrize("kind", [Create, Restore, Resume, Refuse])
def test_the_generated_worlds_reach_every_decision(kind: type):
    # Without this the properties below could hold because nothing ever happens.
    find(worlds(), lambda world: isinstance(decide(*world), kind), settings=settings(max_examples=1000, deadline=None))


def restore_of(decision: Decision) -> Restore | None:
    if isinstance(decision, Restore):
        return decision
    return decision.restore if isinstance(decision, Resume) else None


@MANY
@given(worlds())
def test_total(world: World):
    cluster, repo, recorded, intent = world
    decision = decide(cluster, repo, recorded, intent)
    if isinstance(decision, Refuse):
        error = decision.error("database")
        assert error.message
        assert error.why
        assert error.hints
    else:
        assert decision.reason


@MANY
@given(worlds())
def test_nothing_is_created_over_a_trace_of_a_history(world: World):
    cluster, repo, recorded, intent = world
    if isinstance(decide(cluster, repo, recorded, intent), Create):
        assert repo.prefix_empty is True
        assert repo.lineage_object is False
        assert recorded is None
        assert intent.new
        assert repo.views
        assert all(view.status is StatusCode.NO_STANZA for view in repo.views)


@MANY
@given(worlds())
def test_an_unreadable_repository_alone_leads_nowhere(world: World):
    cluster, repo, recorded, intent = world
    blind = tuple(replace(view, status=StatusCode.OTHER) for view in repo.views)
    assert isinstance(decide(cluster, replace(repo, views=blind), recorded, intent), Refuse)


@MANY
@given(worlds())
def test_an_unreadable_repository_is_never_restored_from(world: World):
    cluster, repo, recorded, intent = world
    restore = restore_of(decide(cluster, repo, recorded, intent))
    if restore is not None:
        taken = next(view for view in repo.views if view.key == restore.repo)
        assert taken.status is StatusCode.OK


@MANY
@given(worlds(), TIMELINES, st.sampled_from(Condition), st.booleans())
def test_another_lineage_here_is_always_refused(world: World, timeline: int, condition: Condition, ours: bool):
    _, repo, recorded, intent = world
    decision = decide(Lineage(99, timeline, condition, None, ours), repo, recorded or RECORDED, intent)
    assert isinstance(decision, Refuse)


@MANY
@given(worlds())
def test_only_the_recorded_lineage_is_restored(world: World):
    cluster, repo, recorded, intent = world
    restore = restore_of(decide(cluster, repo, recorded, intent))
    if restore is not None and recorded is not None:
        view = next(view for view in repo.views if view.key == restore.repo)
        owners = {view.system_id_of(backup) for backup in view.backups if backup.label == restore.label}
        assert recorded.system_id in owners


@MANY
@given(worlds())
def test_a_restore_never_ends_before_the_mark_without_an_explicit_word(world: World):
    cluster, repo, recorded, intent = world
    restore = restore_of(decide(cluster, repo, recorded, intent))
    if restore is not None and recorded is not None and restore.target < recorded.mark:
        assert intent.accept_loss_after is not None
        assert restore.target >= intent.accept_loss_after


@MANY
@given(worlds())
def test_a_restore_stays_within_the_listed_history(world: World):
    cluster, repo, recorded, intent = world
    restore = restore_of(decide(cluster, repo, recorded, intent))
    if restore is not None:
        view = next(view for view in repo.views if view.key == restore.repo)
        assert view.chain_end is not None
        assert restore.target <= view.chain_end


@MANY
@given(worlds())
def test_data_that_stands_is_never_restored_over(world: World):
    cluster, repo, recorded, intent = world
    decision = decide(cluster, repo, recorded, intent)
    if isinstance(cluster, Lineage | Unknown):
        assert restore_of(decision) is None
        assert not isinstance(decision, Create)
    if isinstance(cluster, EmptyInitdb) and isinstance(decision, Restore):
        assert cluster.ours
        assert decision.move_aside
