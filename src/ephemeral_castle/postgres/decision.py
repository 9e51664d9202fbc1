"""What to do with a treasure: the table *data here × repository*, as a pure total function.

The one mistake that must never happen is an empty database started beside a bucket full of history: a new stanza over
an old one succeeds quietly, and later expiry deletes the real backups. So "create" needs four independent negatives
and an explicit word, and whatever cannot be seen is refused, never taken for empty.
"""

from __future__ import annotations

from dataclasses import replace

from ephemeral_castle.postgres import refusals
from ephemeral_castle.postgres.pgbackrest import StatusCode
from ephemeral_castle.postgres.selection import Nothing, judge
from ephemeral_castle.postgres.states import (
    Absent,
    Action,
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

NOTHING_ASKED = Intent()


def decide(
    cluster: ClusterState, repo: RepoState, recorded: Recorded | None, intent: Intent = NOTHING_ASKED
) -> Decision:
    """Create, restore, resume or refuse.

    Args:
        cluster: the data directory where the database is to stand.
        repo: the repositories and castle's own listing.
        recorded: what the record says, None when it knows nothing of this treasure.
        intent: words of the command line and facts of this run's journal.

    Returns:
        Exactly one decision for every input; never raises.
    """
    match cluster:
        case Unknown(why):
            return refusals.cluster_unknown(why)
        case Absent():
            return _absent(repo, recorded, intent)
        case EmptyInitdb():
            return _empty(cluster, repo, recorded, intent)
        case HalfRestored():
            return _half(cluster, repo, recorded, intent)
        case Lineage():
            return _lineage(cluster, repo, recorded, intent)


def _absent(repo: RepoState, recorded: Recorded | None, intent: Intent) -> Decision:
    judged = judge(repo, recorded, intent)
    if isinstance(judged, Nothing):
        return _nothing(repo, recorded, intent, initdb=True)
    if isinstance(judged, Restore) and intent.new:
        return refusals.new_but_exists(judged)
    return judged


def _nothing(repo: RepoState, recorded: Recorded | None, intent: Intent, *, initdb: bool) -> Decision:
    """Every repository says "no such stanza": new, a wrong path, or an emptied bucket."""
    if recorded is not None or repo.lineage_object:
        return refusals.wrong_path(repo, recorded)
    if repo.lineage_object is None:
        return refusals.not_listed("the record in the treasury could not be read")
    if repo.prefix_empty is None:
        return refusals.not_listed(f"the objects under {repo.path} could not be listed")
    if not repo.prefix_empty:
        return refusals.prefix_not_empty(repo)
    if not intent.new:
        return refusals.no_backup_found(repo, adopt=intent.adopt)
    return Create(initdb, f"nothing lies under {repo.path}, no record knows this treasure, and --new was given")


def _empty(cluster: EmptyInitdb, repo: RepoState, recorded: Recorded | None, intent: Intent) -> Decision:
    if recorded is not None and recorded.system_id == cluster.system_id:
        same = Lineage(cluster.system_id, 1, Condition.RUNNING, ours=cluster.ours)
        return _lineage(same, repo, recorded, intent)
    if recorded is None and cluster.ours and _holds_only(repo, cluster.system_id):
        return _living(Lineage(cluster.system_id, 1, Condition.RUNNING, ours=True), repo, recorded, intent)
    judged = judge(repo, recorded, intent)
    if isinstance(judged, Nothing):
        return _nothing(repo, recorded, intent, initdb=False)
    if isinstance(judged, Refuse):
        return judged
    if not cluster.ours:
        return refusals.empty_beside_history(cluster, judged)
    return replace(judged, move_aside=True, reason=f"an empty cluster of this run is in the way; {judged.reason}")


def _holds_only(repo: RepoState, system_id: int) -> bool:
    databases = [database for view in repo.views for database in view.databases]
    return bool(databases) and all(database.system_id == system_id for database in databases)


def _half(cluster: HalfRestored, repo: RepoState, recorded: Recorded | None, intent: Intent) -> Decision:
    if not cluster.ours:
        return refusals.half_foreign()
    if recorded is not None and cluster.system_id not in {None, recorded.system_id}:
        return refusals.foreign_cluster(cluster.system_id, recorded.system_id)
    judged = judge(repo, recorded, replace(intent, set_label=intent.set_label or cluster.label))
    if isinstance(judged, Nothing):
        return refusals.no_backup_found(repo) if recorded is None else refusals.wrong_path(repo, recorded)
    if isinstance(judged, Refuse):
        return judged
    resumed = replace(judged, delta=True)
    return Resume(Action.RESTORE, f"a restore of {judged.label} was interrupted", restore=resumed, notes=judged.notes)


def _lineage(cluster: Lineage, repo: RepoState, recorded: Recorded | None, intent: Intent) -> Decision:
    if recorded is not None and cluster.system_id != recorded.system_id:
        return refusals.foreign_cluster(cluster.system_id, recorded.system_id)
    if recorded is None and not (intent.adopt or (intent.new and cluster.ours)):
        return refusals.not_recorded(f"the data directory belongs to cluster {cluster.system_id}")
    if recorded is not None and cluster.generation is not None and cluster.generation < recorded.generation:
        return refusals.old_life(cluster.generation, recorded.generation)
    if intent.restore:
        return refusals.in_the_way(cluster)
    return _living(cluster, repo, recorded, intent)


def _living(cluster: Lineage, repo: RepoState, recorded: Recorded | None, intent: Intent) -> Decision:
    unreadable = next((view for view in repo.views if view.status is StatusCode.OTHER), None)
    if unreadable is not None or not repo.views:
        return refusals.unreadable(unreadable, repo)
    ready = [view for view in repo.views if view.status is StatusCode.OK]
    started = [view for view in repo.views if view.status is StatusCode.NO_BACKUP]
    for view in [*ready, *started]:
        refused = _not_its_archive(cluster, view, recorded, intent)
        if refused is not None:
            return refused
    if ready:
        return Resume(Action.PROVE, "the data is there", notes=_other_repos(repo, ready))
    broken = next((v for v in repo.views if v.status not in {StatusCode.NO_BACKUP, StatusCode.NO_STANZA}), None)
    if broken is not None:
        return refusals.unreadable(broken, repo)
    if started:
        return Resume(Action.FIRST_BACKUP, "the stanza is there, a backup is not", notes=_other_repos(repo, started))
    if repo.prefix_empty is None:
        return refusals.not_listed(f"the objects under {repo.path} could not be listed")
    if not repo.prefix_empty:
        return refusals.prefix_not_empty(repo)
    was = "" if recorded is None else f" (the record names {recorded.path})"
    return Resume(Action.NEW_REPOSITORY, f"the data is there, nothing lies under {repo.path}{was}")


def _not_its_archive(cluster: Lineage, view: RepoView, recorded: Recorded | None, intent: Intent) -> Refuse | None:
    if recorded is None and len(view.databases) > 1:
        return refusals.several_lineages(view, recorded)
    current = max(view.databases, key=lambda database: database.id, default=None)
    if current is not None and current.system_id != cluster.system_id:
        return refusals.foreign_archive(cluster.system_id, view, current)
    # Timelines that this run promoted to are its own even where pg_control does not know of them yet.
    ahead = view.timeline is not None and view.timeline > cluster.timeline
    if ahead and view.timeline not in intent.own_timelines:
        return refusals.old_twin(cluster.timeline, view)
    return None


def _other_repos(repo: RepoState, used: list[RepoView]) -> tuple[str, ...]:
    return tuple(f"repo{view.key}: {view.explanation or view.status.name}" for view in repo.views if view not in used)
