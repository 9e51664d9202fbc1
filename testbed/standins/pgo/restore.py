"""Birth by restore, and restores over what lives: who decides, what is torn down, and the Job that fills the volume.

The rule that makes this dangerous is kept as it is: a restore whose id is not the one in the status is prepared for,
and nothing asks whether data are there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ..api import Object
from . import backrest_config, backrest_pods, names, pki, pods, runner, status
from .instances import Instance, primary
from .moment import Failed, Moment
from .pods import HARDENED, mount, pull

SCRIPT = (Path(__file__).parent / "scripts/restore.sh").read_text()
READY = "ReadyForRestore"
NOT_ALLOWED = {
    "--repo=": "Option '--repo' is not allowed: please use the 'repoName' field instead.",
    "--repo ": "Option '--repo' is not allowed: please use the 'repoName' field instead.",
    "--stanza": "Option '--stanza' is not allowed: the operator will automatically set this option",
    "--pg1-path": "Option '--pg1-path' is not allowed: the operator will automatically set this option",
    "--target-action": "Option '--target-action' is not allowed: the operator will automatically set this option ",
    "--link-map": "Option '--link-map' is not allowed: the operator will automatically set this option ",
}


@dataclass(frozen=True)
class Source:
    """What is restored from.

    Attributes:
        id: of the restore.
        stanza, repo: where the backup lies.
        options: of the spec, for pgBackRest.
        cloud: `spec.dataSource.pgbackrest`; None for the cluster's own repositories.
        job: what the spec says of the Job's pod.
    """

    id: str
    stanza: str
    repo: str
    options: tuple[str, ...]
    cloud: Object | None
    job: Object

    @property
    def mark(self) -> str:
        """What a Job was made for. Path, cipher, bucket and credentials do not count."""
        first = self.stanza if self.cloud is not None else ""
        return names.digest(first, self.repo, *self.options)


def source(moment: Moment) -> Source | None:
    """What the spec wants restored: in place, if annotation and spec say so together, else at birth."""
    wanted_id = moment.annotations.get(names.BACKREST_RESTORE, "")
    in_place = moment.backrest.get("restore") or {}
    if wanted_id and in_place.get("enabled"):
        return Source(
            wanted_id, names.STANZA, in_place["repoName"], tuple(in_place.get("options") or ()), None, in_place
        )
    cloud = (moment.spec.get("dataSource") or {}).get("pgbackrest")
    if cloud:
        options = tuple(cloud.get("options") or ())
        bootstrap = f"~pgo-bootstrap-{moment.name}"
        return Source(bootstrap, cloud.get("stanza", "db"), cloud["repo"]["name"], options, cloud, cloud)
    return None


def reconcile(moment: Moment, instances: Sequence[Instance], ca: pki.Root) -> bool:
    """Does what a restore needs; True while it is under way, and nothing else may be done."""
    job = observe(moment)
    wanted = source(moment)
    if wanted is None:
        return False
    known = ((moment.status.get("pgbackrest") or {}).get("restore") or {}).get("id", "")
    progressing = status.condition(moment.status, status.RESTORING)
    under_way = progressing is not None and progressing["status"] == "True"
    ready = under_way and progressing is not None and progressing["reason"] == READY
    other_job = job is not None and job["metadata"].get("annotations", {}).get(names.BACKREST_HASH) != wanted.mark
    if (under_way and (not ready or other_job)) or wanted.id != known:
        prepare(moment, instances, job, wanted.id)
        return True
    if status.is_true(moment.status, status.DATA_INITIALIZED):
        return False
    start(moment, wanted, ca)
    return True


def observe(moment: Moment) -> Object | None:
    """The restore's Job, whose state is mirrored in the cluster's. Raises Failed: there are several."""
    jobs = moment.listed("batch/v1", "Job", pgbackrest_restore="")
    if len(jobs) > 1:
        raise Failed("invalid number of restore Jobs found when attempting to reconcile a pgBackRest data source")
    if not jobs:
        return None
    job = jobs[0]
    done, failed = finished(job)
    told = (moment.status.get("pgbackrest") or {}).get("restore")
    if told is not None:
        mirror(told, job)
    if done:
        message = "pgBackRest restore completed successfully"
        moment.say(status.DATA_INITIALIZED, True, "PGBackRestRestoreComplete", message)
        status.drop(moment.status, status.RESTORING)
    elif failed:
        moment.say(status.DATA_INITIALIZED, False, "PGBackRestRestoreFailed", "pgBackRest restore failed")
    return job


def finished(job: Object) -> tuple[bool, bool]:
    """Whether a Job is done, and whether it gave up."""
    true = {each["type"] for each in job.get("status", {}).get("conditions", ()) if each["status"] == "True"}
    return "Complete" in true, "Failed" in true


def mirror(told: Object, job: Object) -> None:
    """Copies a Job's state into the status of what it does."""
    said = job.get("status", {})
    for key in ("startTime", "completionTime", "active", "succeeded", "failed"):
        if said.get(key):
            told[key] = said[key]
        else:
            told.pop(key, None)
    if any(finished(job)):
        told["finished"] = True


def prepare(moment: Moment, instances: Sequence[Instance], job: Object | None, wanted: str) -> None:
    """Tears down what runs, step by step: the former Job, the instances, what the members agreed upon."""
    moment.status["pgbackrest"] = {"restore": {"id": wanted, "finished": False}}
    _choose_instance(moment, instances)
    if job is not None:
        _preparing(moment, "removing restore job")
        moment.api.delete(job)
        return
    if any(each.running() for each in instances):
        _preparing(moment, "removing runners")
        for each in instances:
            if each.runner is not None:
                moment.api.delete(each.runner, propagation="Foreground")
        return
    agreed = endpoints(moment)
    if agreed:
        _preparing(moment, "removing DCS")
        for found in agreed:
            moment.api.delete(found)
        return
    status.drop(moment.status, status.DATA_INITIALIZED)
    moment.say(status.RESTORING, True, READY, "Restoring cluster in-place")
    moment.status.setdefault("patroni", {}).pop("systemIdentifier", None)
    moment.status.setdefault("proxy", {}).setdefault("pgBouncer", {}).pop("postgresRevision", None)


def endpoints(moment: Moment) -> list[Object]:
    """The Endpoints in which the members keep what they agreed upon."""
    scope = names.scope(moment.name)
    found = (moment.read("v1", "Endpoints", each) for each in (scope, f"{scope}-config", f"{scope}-failover"))
    return [each for each in found if each is not None]


def _preparing(moment: Moment, what: str) -> None:
    moment.say(status.RESTORING, True, "RestoreInPlaceRequested", f"Preparing cluster to restore in-place: {what}")
    moment.requeue(1)


def _choose_instance(moment: Moment, instances: Sequence[Instance]) -> None:
    """The instance that is filled: the leader's volume is kept and written over; a new cluster's has a stable name."""
    if moment.status.get("startupInstance"):
        return
    runners = [each for each in instances if each.runner is not None]
    leader = primary(instances)
    chosen = leader or (runners[0] if runners else None)
    if chosen is not None:
        moment.status["startupInstance"], moment.status["startupInstanceSet"] = chosen.name, chosen.set
        return
    kind = moment.spec["instances"][0].get("name", "")
    moment.status["startupInstance"] = names.startup_instance(moment.name, kind)
    moment.status["startupInstanceSet"] = kind


def start(moment: Moment, wanted: Source, ca: pki.Root) -> None:
    """Configuration, volume and Job of a restore; the same again while it runs."""
    instance, kind = moment.status.get("startupInstance", ""), moment.status.get("startupInstanceSet", "")
    spec = moment.set(kind) if instance else None
    if spec is None:
        raise Failed("unable to determine the proper instance set for the restore")
    if moment.system_identifier:
        message = "The cluster is already bootstrapped"
        moment.say(status.DATA_INITIALIZED, True, "ClusterAlreadyBootstrapped", message)
        return
    if wanted.cloud is not None:
        backrest_config.restore_map(moment, wanted.cloud)
    else:
        if wanted.repo not in [each["name"] for each in moment.repos]:
            message = f'PostgresCluster "{moment.name}" does not have a repo named "{wanted.repo}" defined'
            moment.event("InvalidDataSource", message)
            return
        backrest_config.secret(moment, ca)
        backrest_config.config_map(moment, [instance])
    runner.volume(moment, spec, instance)
    for option in wanted.options:
        for part, message in NOT_ALLOWED.items():
            if part in option:
                moment.event("InvalidDataSource", message)
                return
    _job(moment, wanted, instance)


def command_options(moment: Moment, wanted: Source) -> str:
    """The line that pgBackRest is given: the spec's options as they are, and the operator's behind them."""
    data, wal = names.data_directory(moment.major), names.wal_directory(moment.major)
    repo = backrest_config.number(wanted.repo)
    options = [*wanted.options, f"--stanza={wanted.stanza}", f"--pg1-path={data}", f"--repo={repo}"]
    if not any("--delta" in each for each in options):
        options.append("--delta")
    if any("--target" in each for each in options):
        options.append("--target-action=promote")
    return " ".join([*options, f"--link-map=pg_wal={wal}"])


def _job(moment: Moment, wanted: Source, instance: str) -> None:
    labels = {names.BACKREST: "", names.BACKREST_RESTORE: "", names.STARTUP_INSTANCE: instance}
    name, mark = f"{moment.name}-pgbackrest-restore", {names.BACKREST_HASH: wanted.mark}
    meta = moment.meta(name, labels, moment.backrest, annotations=mark)
    given = (wanted.cloud if wanted.cloud is not None else moment.backrest).get("configuration") or []
    container = {
        "name": names.RESTORE_CONTAINER,
        "image": moment.postgres_image(),
        **pull(moment),
        "command": ["bash", "-ceu", "--", SCRIPT, "-", names.data_directory(moment.major)],
        "args": [command_options(moment, wanted)],
        "env": [{"name": "PGHOST", "value": "/tmp"}],
        "resources": wanted.job.get("resources") or {},
        "securityContext": HARDENED,
        "volumeMounts": [
            mount("postgres-data", "/pgdata"),
            mount("tmp", "/tmp"),
            mount("pgbackrest-config", backrest_config.FOLDER, read_only=True),
        ],
    }
    pod = {
        "containers": [container],
        "volumes": [
            {"name": "postgres-data", "persistentVolumeClaim": {"claimName": f"{instance}-pgdata"}},
            pods.temporary(),
            *backrest_pods.restore_volumes(moment, list(given)),
        ],
        "restartPolicy": "Never",
        "serviceAccountName": f"{moment.name}-instance",
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "securityContext": pods.SECURITY,
        **pods.passed_on(wanted.job),
    }
    template = {"metadata": {"labels": meta["labels"], "annotations": meta["annotations"]}, "spec": pod}
    moment.write("batch/v1", "Job", meta, spec={"template": template})
