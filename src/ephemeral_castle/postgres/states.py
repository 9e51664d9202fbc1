"""What is observed before a decision, and what can be decided. Pure data for `decision`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from ephemeral_castle.errors import CastleError, Refused, Unreachable
from ephemeral_castle.postgres.causes import Cause
from ephemeral_castle.postgres.chain import Chain
from ephemeral_castle.postgres.lsn import Lsn
from ephemeral_castle.postgres.pgbackrest import Backup, Database, RepoInfo, StatusCode


@dataclass(frozen=True)
class Absent:
    """The data directory does not exist; somebody looked."""


@dataclass(frozen=True)
class EmptyInitdb:
    """A cluster fresh from initdb: timeline 1, no user table, no marker. `ours`: this run's journal says so."""

    system_id: int
    ours: bool


@dataclass(frozen=True)
class HalfRestored:
    """An interrupted restore. `ours`: this run's journal has its intent; `label`: the set, "" if not known.

    pg_control comes last in a restore, so the system id is often not known.
    """

    ours: bool
    label: str = ""
    system_id: int | None = None


class Condition(StrEnum):
    """How a complete data directory stands."""

    RUNNING = "running"
    STOPPED = "stopped"  # cleanly or by a crash: it can be started


@dataclass(frozen=True)
class Lineage:
    """A complete cluster with data.

    Attributes:
        system_id, timeline: its lineage.
        condition: running or not.
        generation: the newest life in its marker tables, None when there are none or it does not run.
        ours: this run's journal made it (first birth).
    """

    system_id: int
    timeline: int
    condition: Condition
    generation: int | None = None
    ours: bool = False


@dataclass(frozen=True)
class Unknown:
    """It could not be seen, which is never the same as absent. `why`: in words."""

    why: str


ClusterState = Absent | EmptyInitdb | HalfRestored | Lineage | Unknown


@dataclass(frozen=True)
class RepoView:
    """One repository.

    Attributes:
        key: its number.
        status, cause, explanation: from `info`, asked for this repository alone.
        databases, backups: from `info`.
        chain_end: end of the unbroken history as castle listed it; None when it was not or could not be listed.
        missing: the segment that breaks the history, None when none does.
        beyond: segment names behind a hole.
        timeline: highest timeline in the archive, None when it holds none.
    """

    key: int
    status: StatusCode
    cause: Cause = Cause.NONE
    explanation: str = ""
    databases: tuple[Database, ...] = ()
    backups: tuple[Backup, ...] = ()
    chain_end: Lsn | None = None
    beyond: tuple[str, ...] = ()
    missing: str | None = None
    timeline: int | None = None

    def database(self, database_id: int) -> Database | None:
        """The database of that id, or None."""
        return next((d for d in self.databases if d.id == database_id), None)

    def system_id_of(self, backup: Backup) -> int | None:
        """Whose backup it is; None when `info` does not say."""
        found = self.database(backup.database_id)
        return None if found is None else found.system_id


def views(
    info: RepoInfo, chains: Mapping[int, Chain] | None = None, timelines: Mapping[int, int] | None = None
) -> tuple[RepoView, ...]:
    """The repositories of an `info` answer, with what castle listed itself.

    Args:
        info: the parsed answer.
        chains: by repository number: the history from the wanted backup on.
        timelines: by repository number: highest timeline seen.
    """
    result = []
    for repo in info.repos:
        part = info.only(repo.key)
        followed = (chains or {}).get(repo.key)
        result.append(
            RepoView(
                key=repo.key,
                status=repo.status.known,
                cause=repo.status.cause,
                explanation=repo.status.explanation,
                databases=part.databases,
                backups=part.backups,
                chain_end=None if followed is None else followed.end_lsn,
                beyond=() if followed is None else followed.beyond,
                missing=None if followed is None else followed.missing,
                timeline=(timelines or {}).get(repo.key),
            )
        )
    return tuple(result)


@dataclass(frozen=True)
class RepoState:
    """All repositories, and what castle sees of the treasury by itself.

    Attributes:
        stanza, path: as the definition has them now.
        views: one per repository; empty when `info` could not be asked.
        prefix_empty: whether nothing lies under the path, None when it could not be listed.
        lineage_object: whether the treasury's record knows this treasure, None when it could not be read.
        pass_name, key_name: names of the secrets, for hints.
    """

    stanza: str
    path: str
    views: tuple[RepoView, ...]
    prefix_empty: bool | None
    lineage_object: bool | None
    pass_name: str = "the cipher pass"  # noqa: S105 - words for a message
    key_name: str = "the access key"


@dataclass(frozen=True)
class Recorded:
    """What the record says about this treasure.

    Attributes:
        system_id, timeline, stanza, path, generation: its lineage and home.
        label: the backup that was proven.
        marker: nonce that must come back. mark: position that replay must reach.
        sealed: the mark is the end: nothing after it was ever promised. False: the castle died, the history may go on.
    """

    system_id: int
    timeline: int
    stanza: str
    path: str
    generation: int
    label: str
    marker: str
    mark: Lsn
    sealed: bool


@dataclass(frozen=True)
class Intent:
    """What was asked, for this run only.

    Attributes:
        new, adopt: words of the command line.
        restore: an in-place restore was asked for.
        set_label: a backup picked by a person, "" for none.
        accept_loss_after: a hole in the history is accepted if everything up to here comes back.
        own_timelines: timelines that this run's journal says it promoted to.
    """

    new: bool = False
    adopt: bool = False
    restore: bool = False
    set_label: str = ""
    accept_loss_after: Lsn | None = None
    own_timelines: frozenset[int] = frozenset()


class Code(StrEnum):
    """Why it was refused; stable, for scripts."""

    CLUSTER_UNKNOWN = "cluster-unknown"
    REPOSITORY_UNKNOWN = "repository-unknown"
    NO_BACKUP_FOUND = "no-backup-found"
    WRONG_PATH = "wrong-path"
    NEVER_BACKED_UP = "never-backed-up"
    SEVERAL_LINEAGES = "several-lineages"
    FOREIGN_REPOSITORY = "foreign-repository"
    FOREIGN_CLUSTER = "foreign-cluster"
    BEHIND = "behind"
    HOLE = "hole"
    BORN_ELSEWHERE = "born-elsewhere"
    WRONG_PASS = "wrong-pass"  # noqa: S105 - the name of a refusal
    ACCESS = "access"
    DAMAGED = "damaged"
    EMPTY_BESIDE_HISTORY = "empty-beside-history"
    OLD_TWIN = "old-twin"
    RUNNING = "running"
    PRESENT = "present"
    HALF_FOREIGN = "half-foreign"
    NOT_RECORDED = "not-recorded"
    NEW_BUT_EXISTS = "new-but-exists"
    SET_UNUSABLE = "set-unusable"


@dataclass(frozen=True)
class Create:
    """A first birth. `initdb`: the cluster itself is still to be made. Then stanza-create, check, full backup."""

    initdb: bool
    reason: str


@dataclass(frozen=True)
class Restore:
    """Bring the data home.

    Attributes:
        repo, label: where from, which set.
        target: replay must reach this position before promotion.
        timeline: the timeline to follow.
        marker: nonce that must be there, "" when none is recorded.
        delta: files of an interrupted restore lie there. move_aside: stop what is there and move it aside first.
        notes: what a person should know.
    """

    repo: int
    label: str
    target: Lsn
    timeline: int
    marker: str
    reason: str
    delta: bool = False
    move_aside: bool = False
    notes: tuple[str, ...] = ()


class Action(StrEnum):
    """How an interrupted or living castle goes on."""

    PROVE = "prove"  # the data is there: start it if need be, then prove
    RESTORE = "restore"  # go on with the interrupted restore
    NEW_REPOSITORY = "new-repository"  # stanza-create and a full backup; no wipe until it is proven
    FIRST_BACKUP = "first-backup"  # the stanza exists, a full backup is missing


@dataclass(frozen=True)
class Resume:
    """Go on. `restore`: only for RESTORE."""

    action: Action
    reason: str
    restore: Restore | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Refuse:
    """Stop, nothing was changed. `transient`: the same question may get another answer soon."""

    code: Code
    message: str
    cause: str
    hints: tuple[str, ...]
    transient: bool = False

    def error(self, where: str = "") -> CastleError:
        """The error to raise: Unreachable while it may pass by itself, else Refused (exit code 9)."""
        kind = Unreachable if self.transient else Refused
        return kind(self.message, where=where, why=self.cause, state="nothing was changed", hints=self.hints)


Decision = Create | Restore | Resume | Refuse
"""See `decision.decide`."""
