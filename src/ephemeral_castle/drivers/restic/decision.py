"""What to do with a tree of files: the table *here × repository*, as a pure total function.

As with a database, the one mistake that must never happen is an empty tree beside a repository full of history, or an
empty repository beside history that lies under another path. "Create" needs: no object under the path, no lineage in
the record, and a word on this command line: `--new`, or `--adopt` where a life already stands and its files join it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from ephemeral_castle.drivers.restic import refusals
from ephemeral_castle.drivers.restic.answers import Snapshot, pick
from ephemeral_castle.drivers.restic.refusals import Refuse


class Here(StrEnum):
    """What stands where the files belong."""

    PRESENT = "present"
    ABSENT = "absent"  # proven: somebody looked
    OTHER = "another"  # a volume of the name, but not the one that the record knows
    UNKNOWN = "unknown"  # cannot see; never the same as absent


class Repo(StrEnum):
    """What lies under the repository's path."""

    NOTHING = "nothing"  # listed: no object at all
    ODD = "objects without a repository"
    EMPTY = "no snapshot"
    READY = "snapshots"
    CLOSED = "closed"  # wrong password, refused key, certificate
    DAMAGED = "damaged"
    LOCKED = "locked"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Place:
    """What stands here. `why`: how it is known, in words. `life`: `raise` looks at a life that stands here."""

    here: Here
    why: str = ""
    life: bool = False


@dataclass(frozen=True)
class Repository:
    """The repository as it is.

    Attributes:
        path: in the bucket, for messages.
        kind: what lies there.
        identity: digest of its configuration object; another repository has another one.
        snapshots: oldest first.
        why: what restic or the treasury said.
        mend: hints where it cannot be read.
    """

    path: str
    kind: Repo
    identity: str = ""
    snapshots: tuple[Snapshot, ...] = ()
    why: str = ""
    mend: tuple[str, ...] = ()


@dataclass(frozen=True)
class Recorded:
    """What the record says of this treasure.

    Attributes:
        identity: of the repository.
        path: where it was.
        sealed: id of the sealed snapshot, "" when the life that stood last was not sealed.
        known_at: Unix seconds of the newest snapshot that the record knows of, 0 for none.
    """

    identity: str
    path: str
    sealed: str = ""
    known_at: float = 0.0


@dataclass(frozen=True)
class Intent:
    """Words of this command line, and whether it is `raise`."""

    new: bool = False
    adopt: bool = False
    source_lost: bool = False
    abandon_data: bool = False
    label: str = ""


class Plan(StrEnum):
    """What follows."""

    SEAL = "seal"  # it is here: back up, prove, and where asked seal and bring home
    CREATE = "create"  # a first birth: nothing here, nothing there
    BEGIN = "begin"  # files are here, and a repository begins for them
    RESTORE = "restore"  # nothing here: a snapshot comes home


@dataclass(frozen=True)
class Go:
    """What to do. `snapshot`: what comes home. `loss`: whether something newer may have been lost."""

    plan: Plan
    reason: str
    snapshot: Snapshot | None = None
    sealed: bool = False
    loss: bool = False
    notes: tuple[str, ...] = ()


Decision = Go | Refuse
"""See `decide`."""


def decide(place: Place, repo: Repository, recorded: Recorded | None, intent: Intent) -> Decision:
    """One decision for every input; never raises."""
    unreadable = refusals.unreadable(repo.kind.value, repo.path, repo.why, repo.mend)
    if repo.kind in {Repo.CLOSED, Repo.DAMAGED, Repo.UNKNOWN, Repo.LOCKED}:
        return unreadable
    match place.here:
        case Here.UNKNOWN if not intent.source_lost:
            return refusals.place_unknown(place.why)
        case Here.OTHER if not (intent.abandon_data or intent.adopt):
            return refusals.another_volume(place.why)
        case Here.PRESENT:
            return _present(place, repo, recorded, intent)
        case Here.OTHER if intent.adopt:
            return _present(place, repo, recorded, intent)
        case _:
            return _absent(place, repo, recorded, intent)


def _present(place: Place, repo: Repository, recorded: Recorded | None, intent: Intent) -> Decision:
    judged = _whose(place, repo, recorded, intent)
    if judged is not None:
        return judged
    if repo.kind is Repo.NOTHING:
        if not _begins(place, intent):
            return refusals.no_repository(repo.path, "the files are here")
        return Go(Plan.BEGIN, f"{place.why}; nothing lies under {repo.path}, and it was told to begin")
    if recorded is None and repo.kind is Repo.EMPTY:
        return Go(Plan.BEGIN, f"{place.why}; a run before made the repository and did not come to use it")
    flags = (("--source-lost", intent.source_lost), ("--abandon-data", intent.abandon_data))
    notes = tuple(f"{flag} was not needed: the files are here" for flag, on in flags if on)
    return Go(Plan.SEAL, place.why, notes=notes)


def _absent(place: Place, repo: Repository, recorded: Recorded | None, intent: Intent) -> Decision:
    judged = _whose(place, repo, recorded, intent)
    if judged is not None:
        return judged
    if repo.kind is Repo.NOTHING:
        if not _begins(place, intent):
            return refusals.no_repository(repo.path, "no files are here", life=place.life)
        return Go(Plan.CREATE, f"nothing lies under {repo.path}, no record knows these files, and it was told to begin")
    if repo.kind is Repo.EMPTY:
        return _empty(place, repo, recorded)
    if recorded is not None and intent.new:
        return refusals.new_but_exists(repo.path, repo.snapshots[-1].label)
    return _chosen(place, repo, recorded, intent)


def _whose(place: Place, repo: Repository, recorded: Recorded | None, intent: Intent) -> Refuse | None:
    """Whether the repository is the one that the record knows, or may become it."""
    if repo.kind is Repo.ODD:
        return refusals.odd(repo.path, repo.why)
    if recorded is not None:
        if recorded.path != repo.path or repo.kind is Repo.NOTHING:
            return refusals.wrong_path(repo.path, recorded.path)
        if recorded.identity and repo.identity != recorded.identity:
            return refusals.foreign(repo.path)
    elif repo.kind is Repo.READY and not intent.adopt:
        newest = repo.snapshots[-1]
        return refusals.not_recorded(repo.path, len(repo.snapshots), newest.label, newest.host)
    elif repo.kind is Repo.EMPTY and not (intent.adopt or intent.new):
        return refusals.no_repository(repo.path, "the record does not know these files", life=place.life)
    return None


def _begins(place: Place, intent: Intent) -> bool:
    """Whether somebody said that a repository is to begin; to adopt says so only where a life stands already."""
    return intent.new or (intent.adopt and place.life)


def _empty(place: Place, repo: Repository, recorded: Recorded | None) -> Decision:
    """A repository of ours without any snapshot."""
    if recorded is not None and (recorded.sealed or recorded.known_at):
        return refusals.behind(repo.path, "it holds no snapshot, and the record knows one")
    if recorded is None:
        return Go(Plan.CREATE, f"the repository under {repo.path} is ours and holds nothing yet")
    return Go(Plan.CREATE, f"{place.why}; no snapshot was ever made, so nothing can come home", loss=True)


def _chosen(place: Place, repo: Repository, recorded: Recorded | None, intent: Intent) -> Decision:
    """The snapshot that comes home: the one a person picked, the sealed one, or the newest."""
    found = _wanted(place, repo, recorded, intent)
    if isinstance(found, Go) and found.snapshot is not None and not found.snapshot.tree:
        return refusals.other_path(repo.path, found.snapshot.label, found.snapshot.paths)
    return found


def _wanted(place: Place, repo: Repository, recorded: Recorded | None, intent: Intent) -> Decision:
    if intent.label:
        picked = pick(repo.snapshots, intent.label)
        if picked is None:
            return refusals.no_such_snapshot(repo.path, intent.label, [each.label for each in repo.snapshots[-5:]])
        return Go(Plan.RESTORE, f"snapshot {picked.label} was picked on the command line", picked, loss=True)
    if recorded is not None and recorded.sealed:
        sealed = pick(repo.snapshots, recorded.sealed)
        if sealed is None:
            return refusals.behind(repo.path, f"the sealed snapshot {recorded.sealed[:8]} is not in it")
        return Go(Plan.RESTORE, f"the life before was sealed into snapshot {sealed.label}", sealed, sealed=True)
    newest = repo.snapshots[-1]
    if recorded is not None and newest.time < recorded.known_at - 1:
        return refusals.behind(repo.path, f"its newest snapshot {newest.label} is older than one that the record knows")
    notes = () if newest.whole else (f"snapshot {newest.label} was not made by castle: it has no manifest",)
    return Go(Plan.RESTORE, f"{place.why}; {newest.label} is the newest snapshot", newest, loss=True, notes=notes)
