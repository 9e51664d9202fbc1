"""The refusals of the decision, each with its cause and the next command."""

from __future__ import annotations

from ephemeral_castle.postgres.causes import REASONS, Cause
from ephemeral_castle.postgres.lsn import Lsn
from ephemeral_castle.postgres.pgbackrest import MEANINGS, Database, StatusCode
from ephemeral_castle.postgres.states import (
    Code,
    Condition,
    EmptyInitdb,
    Lineage,
    Recorded,
    Refuse,
    RepoState,
    RepoView,
    Restore,
)


def cluster_unknown(why: str) -> Refuse:
    """The place of the data directory cannot be seen."""
    return Refuse(
        Code.CLUSTER_UNKNOWN,
        "whether a database stands there cannot be seen",
        why or "nothing answered",
        ("what cannot be seen is never taken for absent", "castle doctor"),
        transient=True,
    )


def not_listed(why: str) -> Refuse:
    """Castle's own look at the treasury failed."""
    return Refuse(
        Code.REPOSITORY_UNKNOWN,
        "the repository cannot be judged",
        why,
        ("what cannot be seen is never taken for empty", "castle doctor"),
        transient=True,
    )


def wrong_path(repo: RepoState, recorded: Recorded | None) -> Refuse:
    """Nothing is where the record says that something must be."""
    if recorded is None:
        known = "a record of this treasure exists in the treasury"
    else:
        known = (
            f"the record knows generation {recorded.generation} of cluster {recorded.system_id} "
            f"under {recorded.path}, stanza {recorded.stanza}"
        )
    return Refuse(
        Code.WRONG_PATH,
        f"the backups of this treasure are not at {repo.path}, stanza {repo.stanza}",
        f"{known}: the path or stanza is wrong, or the bucket was emptied",
        ("older versions of the objects may still be in the bucket", "castle card", "castle status"),
    )


def prefix_not_empty(repo: RepoState) -> Refuse:
    """Objects without a stanza."""
    return Refuse(
        Code.WRONG_PATH,
        f"objects lie under {repo.path}, but no stanza {repo.stanza} is among them",
        "another stanza or castle uses this path, or its info files are gone",
        ("choose an empty path, or correct the stanza in the definition", "castle plan"),
    )


def no_backup_found(repo: RepoState, *, adopt: bool = False) -> Refuse:
    """Really nothing, and nobody said that this is a first birth."""
    if adopt:
        return Refuse(
            Code.NO_BACKUP_FOUND,
            f"there is nothing to adopt at {repo.path}, stanza {repo.stanza}",
            "a database is taken over through its pgBackRest repository; a server that runs elsewhere is not copied",
            (
                f"let the running server archive and back itself up to {repo.path} by pgBackRest, then stop it",
                "castle raise --adopt",
            ),
        )
    return Refuse(
        Code.NO_BACKUP_FOUND,
        f"no backup found at {repo.path}, stanza {repo.stanza}",
        "nothing lies there and no record knows this treasure",
        ("if the backups lie elsewhere, correct the definition", "if this is the first birth: castle raise --new"),
    )


def new_but_exists(restore: Restore) -> Refuse:
    """--new beside a history."""
    return Refuse(
        Code.NEW_BUT_EXISTS,
        "--new was given, but this treasure has a history",
        f"repo{restore.repo} holds the backup {restore.label}",
        ("to bring it home, leave out --new: castle raise",),
    )


def not_recorded(what: str) -> Refuse:
    """Something is there that no record knows."""
    return Refuse(
        Code.NOT_RECORDED,
        "this treasure is not in the record",
        f"{what}, and the record knows nothing of it",
        ("if it is meant to become this castle's: castle raise --adopt",),
    )


def record_contradicts(repo: RepoState) -> Refuse:
    """The treasury has a record that we could not use."""
    if repo.lineage_object is None:
        return not_listed("the record in the treasury could not be read")
    return Refuse(
        Code.NOT_RECORDED,
        "the record of this treasure cannot be used",
        "the treasury knows this treasure, but its lineage is missing from what was read",
        ("castle doctor",),
    )


def several_lineages(view: RepoView, recorded: Recorded | None) -> Refuse:
    """More than one database cluster archived here."""
    lines = []
    for database in sorted(view.databases, key=lambda d: d.id):
        sets = [backup for backup in view.backups if backup.database_id == database.id]
        newest = max(sets, key=lambda b: (b.stop, b.label), default=None)
        mine = ", as recorded" if recorded is not None and recorded.system_id == database.system_id else ""
        held = "no backup" if newest is None else f"newest backup {newest.label}"
        lines.append(f"id {database.id}: cluster {database.system_id}{mine}, version {database.version}, {held}")
    listed = "; ".join(lines) or "none is listed"
    return Refuse(
        Code.SEVERAL_LINEAGES,
        f"repo{view.key} does not hold exactly one database cluster",
        listed,
        ("a default restore would take the newest, which may be empty", "pick one: castle raise --set LAYER=LABEL"),
    )


def foreign_repository(view: RepoView, recorded: Recorded) -> Refuse:
    """A repository of another lineage."""
    found = ", ".join(str(d.system_id) for d in view.databases) or "none"
    return Refuse(
        Code.FOREIGN_REPOSITORY,
        f"repo{view.key} belongs to another database cluster",
        f"the record names cluster {recorded.system_id}, the repository holds: {found}",
        ("compare bucket, path and stanza with the card", "castle card"),
    )


def foreign_archive(system_id: int, view: RepoView, current: Database) -> Refuse:
    """A living cluster whose stanza belongs to another."""
    return Refuse(
        Code.FOREIGN_REPOSITORY,
        f"the stanza in repo{view.key} now belongs to another database cluster",
        f"the data directory is cluster {system_id}, the stanza's current one is {current.system_id}",
        ("castle never runs stanza-upgrade: it would hide one history behind the other", "castle status"),
    )


def foreign_cluster(found: int | None, expected: int) -> Refuse:
    """A data directory of another lineage."""
    return Refuse(
        Code.FOREIGN_CLUSTER,
        "the data directory belongs to another database cluster",
        f"it is cluster {found}, the record names {expected}",
        ("nothing in it was touched; move it away by hand if it is not needed", "castle status"),
    )


def old_life(found: int, expected: int) -> Refuse:
    """An older life of the same castle."""
    return Refuse(
        Code.OLD_TWIN,
        "the data directory belongs to an older life of this castle",
        f"it is of life {found}, the record names life {expected}",
        ("it must not archive: keep it stopped", "castle status"),
    )


def old_twin(timeline: int, view: RepoView) -> Refuse:
    """The archive has gone on without this cluster."""
    return Refuse(
        Code.OLD_TWIN,
        "the archive has gone on without this cluster",
        f"the data directory is on timeline {timeline}, repo{view.key} already holds timeline {view.timeline}",
        ("another server was promoted from this history: find it first", "castle status"),
    )


def born_elsewhere(view: RepoView, recorded: Recorded) -> Refuse:
    """A timeline that no run of ours made."""
    return Refuse(
        Code.BORN_ELSEWHERE,
        "another server was born from this history",
        f"the record knows timeline {recorded.timeline}, repo{view.key} holds {view.timeline}, "
        "and no step of this run promoted it",
        ("find and stop that server before anything else", "castle status"),
    )


def behind(view: RepoView, mark: Lsn) -> Refuse:
    """Older than what was proven."""
    return Refuse(
        Code.BEHIND,
        f"repo{view.key} is older than what was proven",
        f"its history ends at {view.chain_end}, the mark is {mark}: it was rolled back, or objects were deleted",
        ("older versions of the objects may still be in the bucket", "castle doctor"),
    )


def hole(view: RepoView, mark: Lsn | None) -> Refuse:
    """WAL behind a missing segment."""
    first = view.beyond[0] if view.beyond else "?"
    promised = "" if mark is None or view.chain_end is None or view.chain_end >= mark else f", before the mark {mark}"
    return Refuse(
        Code.HOLE,
        f"the history in repo{view.key} has a hole",
        f"it is unbroken up to {view.chain_end}{promised}; {len(view.beyond)} segments from {first} on lie behind it",
        (
            "bring the missing segment back from an older version in the bucket, if there is one",
            f"to give up what was written behind it: castle rebirth --accept-loss-after {view.chain_end}",
        ),
    )


def no_beginning(view: RepoView, missing: str) -> Refuse:
    """A backup without the WAL that makes it consistent."""
    return Refuse(
        Code.HOLE,
        f"the history in repo{view.key} has no beginning",
        f"segment {missing}, the first that the backup needs, is not in the archive; "
        f"{len(view.beyond)} segments lie behind it",
        ("bring the archive back from older versions in the bucket, if there are any", "castle doctor"),
    )


def set_unusable(view: RepoView, why: str) -> Refuse:
    """The wanted backup cannot be taken."""
    newest = max(view.backups, key=lambda b: (b.stop, b.label), default=None)
    offer = () if newest is None else (f"the newest set in repo{view.key} is {newest.label}",)
    return Refuse(
        Code.SET_UNUSABLE,
        "the backup that should be restored cannot be used",
        why,
        (*offer, "pick another one: castle raise --set LAYER=LABEL"),
    )


def empty_beside_history(cluster: EmptyInitdb, restore: Restore) -> Refuse:
    """The seed of the worst loss: an empty database where the restored one should be."""
    return Refuse(
        Code.EMPTY_BESIDE_HISTORY,
        "an empty database stands where the restored one should",
        f"cluster {cluster.system_id} is fresh from initdb and not of this run; "
        f"repo{restore.repo} holds {restore.label}",
        ("if it is not needed, remove its data directory by hand, then: castle raise",),
    )


def in_the_way(cluster: Lineage) -> Refuse:
    """A restore onto living data."""
    if cluster.condition is Condition.RUNNING:
        return Refuse(
            Code.RUNNING,
            "a server runs on the directory that should be restored",
            f"cluster {cluster.system_id} is running",
            ("to bring a copy up beside it: castle restore --side",),
        )
    return Refuse(
        Code.PRESENT,
        "data stands in the directory that should be restored",
        f"cluster {cluster.system_id} is complete and can be started",
        ("to bring a copy up beside it: castle restore --side",),
    )


def half_foreign() -> Refuse:
    """An incomplete directory of unknown origin."""
    return Refuse(
        Code.HALF_FOREIGN,
        "the data directory is incomplete",
        "a restore into it was broken off, or files of it were removed; no step of this run began one there",
        (
            "was a run broken off in its restore, it goes on: castle resume",
            "to bring home what was archived, and give this directory up: castle rebirth --abandon-data",
        ),
    )


def unreadable(view: RepoView | None, repo: RepoState) -> Refuse:
    """A repository whose state forbids everything. None: `info` could not be asked at all."""
    if view is None:
        return not_listed("pgbackrest info gave no answer")
    named = f"repo{view.key}"
    said = view.explanation or MEANINGS[view.status]
    if view.status is StatusCode.NO_BACKUP:
        return Refuse(
            Code.NEVER_BACKED_UP,
            f"the stanza {repo.stanza} in {named} was never backed up",
            said,
            (
                "was a first birth broken off, it goes on: castle runs names it, then castle resume RUN",
                "there is nothing to restore; if a database exists somewhere, back it up there",
                "castle status",
            ),
        )
    if view.status is not StatusCode.OTHER:
        return _damaged(named, said)
    if view.cause is Cause.WRONG_PASS:
        return Refuse(
            Code.WRONG_PASS,
            f"{named} cannot be decrypted",
            said,
            (
                f"the pass is the secret {repo.pass_name}: bring back an earlier version of secrets.age",
                "castle doctor",
            ),
        )
    if view.cause is Cause.DAMAGED:
        return _damaged(named, said)
    return Refuse(
        Code.ACCESS,
        f"{named} cannot be read",
        said or REASONS[Cause.OTHER],
        (f"the access key comes from the secret {repo.key_name}", "castle doctor"),
        transient=view.cause.transient,
    )


def _damaged(named: str, said: str) -> Refuse:
    return Refuse(
        Code.DAMAGED,
        f"{named} is damaged",
        said,
        (
            "each info file has a .copy beside it, and older versions may still be in the bucket",
            "castle doctor",
        ),
    )
