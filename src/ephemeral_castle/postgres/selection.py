"""Which repository and which backup a restore takes, or why none."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from ephemeral_castle.postgres import refusals
from ephemeral_castle.postgres.lsn import Lsn
from ephemeral_castle.postgres.pgbackrest import Backup, StatusCode
from ephemeral_castle.postgres.states import Intent, Recorded, Refuse, RepoState, RepoView, Restore


@dataclass(frozen=True)
class Nothing:
    """Every repository was read and knows no such stanza."""


def judge(repo: RepoState, recorded: Recorded | None, intent: Intent) -> Restore | Refuse | Nothing:
    """The restore that brings back what was promised, from the first repository that can.

    Args:
        repo: what is seen.
        recorded: what was promised; None only with `--adopt`.
        intent: words of the command line and facts of this run.
    """
    if not repo.views:
        return refusals.unreadable(None, repo)
    usable = [view for view in repo.views if view.status is StatusCode.OK]
    if not usable:
        return _unusable(repo)
    if recorded is None and (repo.lineage_object is not False):
        return refusals.record_contradicts(repo)
    if recorded is None and not intent.adopt:
        return refusals.not_recorded(f"the repository under {repo.path} holds backups")
    moved = recorded is not None and (recorded.stanza, recorded.path) != (repo.stanza, repo.path)
    if moved and not intent.adopt:
        return refusals.wrong_path(repo, recorded)
    blind = next((view for view in repo.views if view.status is StatusCode.OTHER), None)
    if blind is not None and (recorded is None or not recorded.sealed):
        # Its history may reach further than that of the one we can read.
        return refusals.unreadable(blind, repo)
    judged = [(view, _fit(view, recorded, intent)) for view in usable]
    for view, result in judged:
        if isinstance(result, Restore):
            return replace(result, notes=_notes(repo, view, judged))
    return judged[0][1]


def _notes(repo: RepoState, taken: RepoView, judged: list[tuple[RepoView, Restore | Refuse]]) -> tuple[str, ...]:
    refused = {view.key: result.cause for view, result in judged if isinstance(result, Refuse)}
    notes = []
    for view in repo.views:
        if view is taken:
            continue
        if view.key in refused:
            notes.append(f"repo{view.key} was not used: {refused[view.key]}")
        elif view.status is not StatusCode.OK:
            notes.append(f"repo{view.key} was not used: {view.explanation or view.status.name}")
    return tuple(notes)


def _unusable(repo: RepoState) -> Refuse | Nothing:
    statuses = {view.status for view in repo.views}
    if statuses == {StatusCode.NO_STANZA}:
        return Nothing()
    # What cannot be read outweighs what reads as empty, damage outweighs "never backed up".
    order = (
        StatusCode.OTHER,
        StatusCode.NO_STANZA_DATA,
        StatusCode.DATABASE_MISMATCH,
        StatusCode.MIXED,
        StatusCode.BACKUP_NOT_FOUND,
        StatusCode.NO_BACKUP,
    )
    worst = next(view for status in order for view in repo.views if view.status is status)
    return refusals.unreadable(worst, repo)


def _fit(view: RepoView, recorded: Recorded | None, intent: Intent) -> Restore | Refuse:
    owners = {database.system_id for database in view.databases}
    if recorded is not None and recorded.system_id not in owners:
        return refusals.foreign_repository(view, recorded)
    if len(view.databases) != 1 and not intent.set_label:
        return refusals.several_lineages(view, recorded)
    backup = _backup(view, recorded, intent)
    if isinstance(backup, Refuse):
        return backup
    if recorded is not None and view.timeline is not None and view.timeline > recorded.timeline:
        if view.timeline not in intent.own_timelines:
            return refusals.born_elsewhere(view, recorded)
        timeline = view.timeline
    else:
        timeline = _timeline(view, recorded, backup)
    target = _target(view, recorded, intent)
    if isinstance(target, Refuse):
        return target
    if backup.lsn_stop is not None and backup.lsn_stop > target:
        return refusals.set_unusable(
            view, f"{backup.label} ends at {backup.lsn_stop}, behind the position {target} that is to come back"
        )
    return Restore(
        repo=view.key,
        label=backup.label,
        target=target,
        timeline=timeline,
        marker="" if recorded is None else recorded.marker,
        reason=f"{backup.label} in repo{view.key} and the history up to {target}",
    )


def _timeline(view: RepoView, recorded: Recorded | None, backup: Backup) -> int:
    if recorded is not None:
        return recorded.timeline
    if view.timeline is not None:
        return view.timeline
    # The name of a segment begins with its timeline.
    named = re.fullmatch(r"([0-9A-F]{8})[0-9A-F]{16}", backup.archive_stop or "")
    return 1 if named is None else int(named[1], 16)


def _backup(view: RepoView, recorded: Recorded | None, intent: Intent) -> Backup | Refuse:
    wanted = intent.set_label or ("" if recorded is None else recorded.label)
    if wanted:
        found = next((backup for backup in view.backups if backup.label == wanted), None)
        if found is None:
            return refusals.set_unusable(view, f"repo{view.key} does not hold the backup {wanted}")
    else:
        found = max(view.backups, key=lambda backup: (backup.stop, backup.label), default=None)
        if found is None:
            return refusals.set_unusable(view, f"repo{view.key} reports no backup")
    owner = view.system_id_of(found)
    if recorded is not None and owner != recorded.system_id:
        return refusals.set_unusable(
            view, f"{found.label} belongs to cluster {owner}, the record names {recorded.system_id}"
        )
    if found.error:
        return refusals.set_unusable(view, f"{found.label} was taken of a database with damaged pages")
    return found


def _target(view: RepoView, recorded: Recorded | None, intent: Intent) -> Lsn | Refuse:
    if view.chain_end is None and view.missing is not None:
        return refusals.no_beginning(view, view.missing)
    if view.chain_end is None:
        return refusals.not_listed(f"the history in repo{view.key} was not listed, so a hole cannot be ruled out")
    mark = None if recorded is None else recorded.mark
    if recorded is not None and recorded.sealed and view.chain_end >= recorded.mark:
        return recorded.mark
    if view.beyond:
        accepted = intent.accept_loss_after is not None and view.chain_end >= intent.accept_loss_after
        return view.chain_end if accepted else refusals.hole(view, mark)
    if mark is not None and view.chain_end < mark:
        return refusals.behind(view, mark)
    return view.chain_end
