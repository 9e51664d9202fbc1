"""Backups of a living cluster: repositories, stanza, the backup that follows every birth, schedules, manual ones."""

from __future__ import annotations

from collections.abc import Sequence

from ..api import Object, Silent
from . import backrest_config as config
from . import jobs, names, pki, repo_host, services, status
from .instances import Instance, writable
from .moment import Failed, Moment
from .restore import finished, mirror

OTHER_CONFIG = "postgres operator error: pgBackRest config hash mismatch"
OTHER_DATABASE = "backup and archive info files exist but do not match the database"
STANZA = """\
if [ "$(cat /etc/pgbackrest/conf.d/config-hash)" != "$1" ]; then printf '%s' "$2" >&2; exit 1; fi
exec pgbackrest "$3" --stanza="$4"
"""
AGAIN = 10.0  # seconds


def wanted(moment: Moment) -> tuple[bool, bool]:
    """Whether backups are wanted, and whether the pass may go on.

    Where backups were taken out of the spec while there is a repository on a volume, it may not, until an annotation
    says so, too. Without such a repository there is no second key.
    """
    if moment.spec.get("backups"):
        return True, True
    authorized = moment.annotations.get(names.REMOVAL_AUTHORIZED) == "true"
    there = moment.read("apps/v1", "StatefulSet", f"{moment.name}-repo-host") is not None
    return False, authorized or not there


def reconcile(moment: Moment, instances: Sequence[Instance], ca: pki.Root, *, backups: bool) -> None:
    """All of it. Trouble with the repository does not end the pass: the database serves, and it is tried again."""
    moment.status.setdefault("pgbackrest", {})
    _clean(moment, backups=backups)
    if not backups:
        moment.status["pgbackrest"] = {}
        return
    host = repo_host.reconcile(moment)
    config.secret(moment, ca, host)
    hashes, mark = config.marks(moment)
    moment.status["pgbackrest"]["repos"] = _repos(moment, hashes, repo_host.claims(moment))
    config.config_map(moment, [each.name for each in instances], host)
    services.backrest_rights(moment)
    try:
        _stanza(moment, instances, mark)
    except (Failed, Silent) as error:
        moment.event("UnableToCreateStanzas", str(error))
        moment.requeue(AGAIN)
    finally:
        _say_ready(moment)
    _schedules(moment)
    _replica_create(moment, instances, mark)
    _manual(moment, instances)


def _clean(moment: Moment, *, backups: bool) -> None:
    """Removes what no repository or schedule of the spec has any more, and the restore's Job once the cluster lives."""
    repos = {each["name"]: each for each in moment.repos} if backups else {}
    for job in moment.listed("batch/v1", "Job", pgbackrest=""):
        labels = job["metadata"]["labels"]
        if names.BACKREST_RESTORE in labels:
            keep = backups and not moment.system_identifier
        else:
            keep = labels.get(names.BACKREST_REPO) in repos
        if not keep and moment.owns(job):
            moment.api.delete(job)
    for schedule in moment.listed("batch/v1", "CronJob", pgbackrest=""):
        labels = schedule["metadata"]["labels"]
        repo = repos.get(labels.get(names.BACKREST_REPO, ""), {})
        if labels.get(names.BACKREST_CRONJOB) not in _types(repo) and moment.owns(schedule):
            moment.api.delete(schedule)
    for claim in moment.listed("v1", "PersistentVolumeClaim", pgbackrest_volume=""):
        repo = repos.get(claim["metadata"]["labels"].get(names.BACKREST_REPO, ""), {})
        if "volume" not in repo and moment.owns(claim):
            moment.api.delete(claim)
    if not backups:
        for kind, name in (("ConfigMap", "-pgbackrest-config"), ("Secret", "-pgbackrest")):
            moment.remove("v1", kind, f"{moment.name}{name}")
        moment.remove("apps/v1", "StatefulSet", f"{moment.name}-repo-host")


def _types(repo: Object) -> dict[str, str]:
    """The schedules of a repository, by pgBackRest's name of their type."""
    short = {"full": "full", "differential": "diff", "incremental": "incr"}
    return {short[key]: value for key, value in (repo.get("schedules") or {}).items() if key in short}


def _repos(moment: Moment, hashes: dict[str, str], claims: dict[str, Object]) -> list[Object]:
    """The state of each repository: one whose coordinates changed needs a stanza and a backup again."""
    old = {each["name"]: each for each in moment.status["pgbackrest"].get("repos") or ()}
    first, found = moment.repos[0]["name"], []
    for repo in moment.repos:
        name = repo["name"]
        told = dict(old.get(name, {"name": name}))
        if name != first:
            told.pop("replicaCreateBackupComplete", None)
        if "volume" in repo:
            claim = claims.get(name, {})
            volume = claim.get("spec", {}).get("volumeName", "")
            if told.get("volume") and told["volume"] != volume:
                told = {"name": name}
            told["bound"] = claim.get("status", {}).get("phase") == "Bound"
            told |= {"volume": volume} if volume else {}
        elif told.get("repoOptionsHash") != hashes[name]:
            told = {"name": name, "repoOptionsHash": hashes[name]}
        found.append(told)
    return sorted(found, key=lambda each: str(each["name"]))


def _stanza(moment: Moment, instances: Sequence[Instance], mark: str) -> None:
    """Makes the stanza known to the repositories.

    A repository that knows another database under this name is taken over without a word: that is the real operator's
    trap, and kept. Its newest backup is from then on of this database.
    """
    primary = writable(instances)
    if primary is None or all(each.get("stanzaCreated") for each in moment.status["pgbackrest"]["repos"]):
        return
    for verb in ("stanza-create", "stanza-upgrade"):
        argv = ["bash", "-ceu", "--", STANZA, "-", mark, OTHER_CONFIG, verb, names.STANZA]
        done = moment.run(moment.namespace, f"{primary.name}-0", names.DATABASE, argv, "")
        if done.code == 0:
            moment.event("StanzasCreated", "pgBackRest stanza creation completed successfully", warning=False)
            for each in moment.status["pgbackrest"]["repos"]:
                each["stanzaCreated"] = True
            return
        said = done.errors + done.out
        if done.errors == OTHER_CONFIG:  # the kubelet has not brought the newest configuration yet
            moment.requeue(AGAIN)
            return
        if OTHER_DATABASE not in said:
            raise Failed(f"command terminated with exit code {done.code}: {said.strip()}")
    raise Failed(f"command terminated with exit code {done.code}: {said.strip()}")


def _first(moment: Moment) -> Object | None:
    """The state of the repository that new replicas would come from."""
    first = moment.repos[0]["name"]
    return next((each for each in moment.status["pgbackrest"].get("repos", ()) if each["name"] == first), None)


def _say_ready(moment: Moment) -> None:
    told = _first(moment)
    if told is None:
        moment.say(status.REPO_READY, "Unknown", "RepoStatusMissing", "Status is missing for the replica creation repo")
    elif told.get("stanzaCreated"):
        moment.say(status.REPO_READY, True, "StanzaCreated", "pgBackRest replica create repo is ready for backups")
    else:
        message = "pgBackRest replica create repo is not ready for backups"
        moment.say(status.REPO_READY, False, "StanzaNotCreated", message)


def _replica_create(moment: Moment, instances: Sequence[Instance], mark: str) -> None:
    """The backup that follows every birth, restored or not; schedules and manual ones wait for it."""
    told = _first(moment)
    try:
        if told is not None and not told.get("replicaCreateBackupComplete"):
            _replica_create_job(moment, instances, mark, told)
    finally:
        if told is None:
            message = "Status is missing for the replica create repo"
            moment.say(status.REPLICA_CREATE, "Unknown", "RepoStatusMissing", message)
        elif told.get("replicaCreateBackupComplete"):
            message = "pgBackRest replica creation is now possible"
            moment.say(status.REPLICA_CREATE, True, "RepoBackupComplete", message)
        else:
            message = "pgBackRest replica creation is not currently possible"
            moment.say(status.REPLICA_CREATE, False, "RepoBackupNotComplete", message)


def _replica_create_job(moment: Moment, instances: Sequence[Instance], mark: str, told: Object) -> None:
    repo = moment.repos[0]
    if not any(each.writable for each in instances):
        return
    there = moment.listed("batch/v1", "Job", pgbackrest_backup="replica-create")
    job = there[0] if there else None
    if job is not None:
        done, failed = finished(job)
        labels, annotations = job["metadata"]["labels"], job["metadata"].get("annotations") or {}
        if failed or labels[names.BACKREST_REPO] != repo["name"] or annotations.get(names.BACKREST_HASH) != mark:
            moment.api.delete(job)  # the next pass makes a new one
            return
        if done:
            told["replicaCreateBackupComplete"] = True
            return
    elif not status.is_true(moment.status, status.REPO_READY) or not repo_host.ready(moment):
        return
    jobs.backup(moment, repo, "replica-create", [], job, {names.BACKREST_HASH: mark})


def _manual(moment: Moment, instances: Sequence[Instance]) -> None:
    """A backup that an annotation asks for. One that ended, however, is not taken again under the same id."""
    wanted_id = moment.annotations.get(names.BACKREST_BACKUP, "")
    told: Object | None = moment.status["pgbackrest"].get("manualBackup")
    there = moment.listed("batch/v1", "Job", pgbackrest_backup="manual")
    job = there[0] if there else None
    if job is not None:
        done, failed = finished(job)
        job_id = (job["metadata"].get("annotations") or {}).get(names.BACKREST_BACKUP, "")
        if told is not None and told["id"] == job_id:
            _say_manual(moment, done=done, failed=failed)
            mirror(told, job)
        if (done or failed) and wanted_id and job_id != wanted_id:
            moment.api.delete(job)
            return
    manual = moment.backrest.get("manual")
    if not wanted_id or not manual or not any(each.writable for each in instances):
        return
    if told is None or told["id"] != wanted_id:
        told = {"id": wanted_id, "finished": False}
        moment.status["pgbackrest"]["manualBackup"] = told
        status.drop(moment.status, status.MANUAL_BACKUP)
    if told["finished"] or not repo_host.ready(moment) or not status.is_true(moment.status, status.REPLICA_CREATE):
        return
    repo = _usable(moment, manual["repoName"], "manual")
    if repo is None:
        return
    options = list(manual.get("options") or ())
    if any("--repo=" in each or "--repo " in each for each in options):
        message = "Option '--repo' is not allowed: please use the 'repoName' field instead."
        moment.event("InvalidManualBackup", message)
        return
    jobs.backup(moment, repo, "manual", options, job, {names.BACKREST_BACKUP: wanted_id})


def _say_manual(moment: Moment, *, done: bool, failed: bool) -> None:
    if done:
        moment.say(status.MANUAL_BACKUP, True, "ManualBackupComplete", "Manual backup completed successfully")
    elif failed:
        message = "Manual backup did not complete successfully"
        moment.say(status.MANUAL_BACKUP, False, "ManualBackupFailed", message)


def _usable(moment: Moment, name: str, what: str) -> Object | None:
    """A repository of the spec that can take a backup; says why it cannot."""
    told = next((each for each in moment.status["pgbackrest"]["repos"] if each["name"] == name), None)
    if told is None:
        message = f'Unable to find status for "{name}" as configured for a {what} backup.'
        moment.event("InvalidBackupRepo", f"{message}  Please ensure this repo is defined in the spec.")
        return None
    if not told.get("stanzaCreated"):
        moment.event("StanzaNotCreated", f'Stanza not created for "{name}" as specified for a {what} backup')
        return None
    return next((each for each in moment.repos if each["name"] == name), None)


def _schedules(moment: Moment) -> None:
    """A CronJob for each schedule, once the first backup is there; and what their Jobs came to."""
    for repo in moment.repos:
        if moment.system_identifier and status.is_true(moment.status, status.REPLICA_CREATE):
            for kind, schedule in _types(repo).items():
                if _usable(moment, repo["name"], "scheduled") is not None:
                    jobs.schedule(moment, repo, kind, schedule)
    told = []
    for job in moment.listed("batch/v1", "Job", pgbackrest_backup="scheduled"):
        labels = job["metadata"]["labels"]
        entry: Object = {"repo": labels[names.BACKREST_REPO], "type": labels[names.BACKREST_CRONJOB]}
        owners = job["metadata"].get("ownerReferences") or ({"name": ""},)
        mirror(entry, job)
        entry.pop("finished", None)
        told.append({**entry, "cronJobName": owners[0]["name"]})
    if told:
        moment.status["pgbackrest"]["scheduledBackups"] = told
