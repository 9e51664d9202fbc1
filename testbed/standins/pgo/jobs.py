"""The Jobs and CronJobs of backups."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..api import Object
from . import backrest_config as config
from . import backrest_pods, names, pods
from .moment import Moment
from .pods import HARDENED, mount, pull


def backup(
    moment: Moment,
    repo: Object,
    kind: str,
    options: Sequence[str],
    job: Object | None,
    annotations: Mapping[str, str],
) -> None:
    """A backup now.

    Args:
        moment: the pass.
        repo: into which repository.
        kind: manual or replica-create.
        options: for pgBackRest.
        job: the one that is there already, which is written again; None for a new one.
        annotations: what it was made for.
    """
    labels = {names.BACKREST: "", names.BACKREST_REPO: repo["name"], names.BACKREST_BACKUP: kind}
    name = job["metadata"]["name"] if job is not None else f"{moment.name}-backup-{names.random_suffix()}"
    meta = moment.meta(name, labels, moment.backrest, annotations=annotations)
    moment.write("batch/v1", "Job", meta, spec=_spec(moment, repo, options, meta))


def schedule(moment: Moment, repo: Object, kind: str, when: str) -> None:
    """A backup again and again. `kind`: full, diff or incr. `when`: as cron writes it."""
    labels = {
        names.BACKREST: "",
        names.BACKREST_REPO: repo["name"],
        names.BACKREST_CRONJOB: kind,
        names.BACKREST_BACKUP: "scheduled",
    }
    meta = moment.meta(f"{moment.name}-{repo['name']}-{kind}", labels, moment.backrest)
    inner: Object = {key: meta[key] for key in ("labels", "annotations") if key in meta}
    template = {"metadata": inner, "spec": _spec(moment, repo, [f"--type={kind}"], inner)}
    wanted = {"schedule": when, "suspend": moment.shutdown, "concurrencyPolicy": "Forbid", "jobTemplate": template}
    moment.write("batch/v1", "CronJob", meta, spec=wanted)


def _spec(moment: Moment, repo: Object, options: Sequence[str], meta: Object) -> Object:
    jobs = moment.backrest.get("jobs") or {}
    container: Object = {
        "name": names.BACKREST_CONTAINER,
        "image": moment.backrest_image(),
        **pull(moment),
        "resources": jobs.get("resources") or {},
        "securityContext": HARDENED,
        "volumeMounts": [mount("tmp", "/tmp")],
    }
    volumes = [pods.temporary()]
    words = [f"--stanza={names.STANZA}", f"--repo={config.number(repo['name'])}", *options]
    if "volume" in repo:
        container |= _in_repo_host(moment, words)
    else:
        container["command"] = ["sh", "-c", "--", 'exec "$@"', "--", "/bin/pgbackrest", "backup", *words]
        container["volumeMounts"].append(mount("pgbackrest-config", config.FOLDER, read_only=True))
        volumes += backrest_pods.job_volumes(moment)
    pod = {
        "containers": [container],
        "volumes": volumes,
        "restartPolicy": "Never",
        "serviceAccountName": f"{moment.name}-pgbackrest",
        "enableServiceLinks": False,
        "securityContext": pods.SECURITY,
        **pods.passed_on(jobs),
    }
    template = {"metadata": {key: meta[key] for key in ("labels", "annotations") if key in meta}, "spec": pod}
    lives = {"ttlSecondsAfterFinished": jobs["ttlSecondsAfterFinished"]} if "ttlSecondsAfterFinished" in jobs else {}
    return {**lives, "template": template}


def _in_repo_host(moment: Moment, words: Sequence[str]) -> Object:
    """A backup onto a volume is run where the volume is, by a command in that pod."""
    _, mark = config.marks(moment)
    selector = ",".join(
        f"{key}={value}" if value else key
        for key, value in ((names.CLUSTER, moment.name), (names.BACKREST, ""), (names.BACKREST_DEDICATED, ""))
    )
    values = {
        "COMMAND": "backup",
        "COMMAND_OPTS": " ".join(words),
        "COMPARE_HASH": "true",
        "CONFIG_HASH": mark,
        "CONTAINER": names.BACKREST_CONTAINER,
        "NAMESPACE": moment.namespace,
        "SELECTOR": selector,
    }
    env = [{"name": key, "value": value} for key, value in values.items()]
    return {"command": ["python3", "-m", "standins.pgo.in_repo_host"], "env": env}
