"""Repositories on volumes: their claims, and the pod through which instances archive into them."""

from __future__ import annotations

from ..api import Object
from . import backrest_pods, names, pods, services, status
from .moment import Moment
from .pods import HARDENED, mount, pull


def reconcile(moment: Moment) -> str:
    """Makes claims, and the StatefulSet; gives its name, or "" where no repository lies on a volume."""
    on_volumes = [each for each in moment.repos if "volume" in each]
    if not on_volumes:
        moment.status["pgbackrest"].pop("repoHost", None)
        status.drop(moment.status, status.REPO_HOST_READY)
        moment.remove("apps/v1", "StatefulSet", f"{moment.name}-repo-host")
        return ""
    for repo in on_volumes:
        labels = {
            names.BACKREST: "",
            names.BACKREST_REPO: repo["name"],
            names.BACKREST_VOLUME: "",
            names.DATA: "pgbackrest",
        }
        meta = moment.meta(f"{moment.name}-{repo['name']}", labels, moment.backrest)
        moment.write("v1", "PersistentVolumeClaim", meta, spec=repo["volume"]["volumeClaimSpec"])
    services.repo_host_rights(moment)
    name = f"{moment.name}-repo-host"
    new = moment.read("apps/v1", "StatefulSet", name) is None
    made = _stateful_set(moment, name, on_volumes)
    if new:
        moment.event("RepoHostCreated", f"created pgBackRest repository host StatefulSet/{name}", warning=False)
    answers = bool(made.get("status", {}).get("readyReplicas"))
    moment.status["pgbackrest"]["repoHost"] = {"apiVersion": "apps/v1", "kind": "StatefulSet", "ready": answers}
    reason = "RepoHostReady" if answers else "RepoHostNotReady"
    message = f"pgBackRest dedicated repository host is {'ready' if answers else 'not ready'}"
    moment.say(status.REPO_HOST_READY, answers, reason, message)
    return name


def ready(moment: Moment) -> bool:
    """Whether backups need not wait for the pod of repositories."""
    needed = any("volume" in each for each in moment.repos)
    return not needed or status.is_true(moment.status, status.REPO_HOST_READY)


def claims(moment: Moment) -> dict[str, Object]:
    """The claims by the name of their repository."""
    found = moment.listed("v1", "PersistentVolumeClaim", pgbackrest_volume="")
    return {each["metadata"]["labels"][names.BACKREST_REPO]: each for each in found}


def _stateful_set(moment: Moment, name: str, repos: list[Object]) -> Object:
    labels = {names.BACKREST: "", names.BACKREST_DEDICATED: "", names.DATA: "pgbackrest"}
    wanted = moment.backrest.get("repoHost") or {}
    meta = moment.meta(name, labels, moment.backrest)
    places = [mount(each["name"], f"/pgbackrest/{each['name']}") for each in repos]
    container = backrest_pods.server(moment, [*places, mount("tmp", "/tmp")])
    folders = " ".join(f"/pgbackrest/{each['name']}/log" for each in repos)
    startup = {
        "name": "pgbackrest-log-dir",
        "image": moment.backrest_image(),
        **pull(moment),
        "command": ["bash", "-c", f"mkdir -p {folders}"],
        "securityContext": HARDENED,
        "volumeMounts": places,
    }
    volumes = [
        {"name": each["name"], "persistentVolumeClaim": {"claimName": f"{moment.name}-{each['name']}"}}
        for each in repos
    ]
    pod = {
        "containers": [{**container, "resources": wanted.get("resources") or {}}],
        "initContainers": [startup],
        "volumes": [*volumes, pods.temporary(), *backrest_pods.repo_volumes(moment)],
        "hostname": f"{name}-0",
        "serviceAccountName": f"{moment.name}-repohost",
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "shareProcessNamespace": True,
        "securityContext": pods.SECURITY,
        **pods.passed_on(wanted),
    }
    template = {"metadata": {"labels": meta["labels"]}, "spec": pod}
    return moment.write(
        "apps/v1",
        "StatefulSet",
        meta,
        spec={
            "replicas": 0 if moment.shutdown else 1,
            "serviceName": f"{moment.name}-pods",
            "selector": {"matchLabels": {names.CLUSTER: moment.name, **labels}},
            "template": template,
            "podManagementPolicy": "Parallel",
        },
    )
