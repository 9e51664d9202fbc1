"""The StatefulSet of an instance, with its volume and its certificates."""

from __future__ import annotations

from collections.abc import Sequence

from ..api import Object
from . import backrest_pods, names, pki, pods, settings
from .instances import Instance, free_names
from .moment import Moment
from .pods import HARDENED, mount, pull

STARTUP = """\
set -eu
install --directory --mode=0775 /pgdata/pgbackrest/log
install --directory --mode=0700 /pgdata/pgbackrest-spool
for each in /pgdata/pg*; do echo "found $each"; done
"""


def reconcile(moment: Moment, instances: list[Instance], claims: Sequence[Object], ca: pki.Root) -> None:
    """Makes the instance of the set what the spec wants, and gives a pod of an older template up."""
    for each in instances:
        if each.primary:
            moment.status.pop("startupInstance", None)
            moment.status.pop("startupInstanceSet", None)
            if moment.shutdown:
                moment.status["startupInstance"] = each.name
                moment.status["startupInstanceSet"] = each.set
    for wanted in moment.spec["instances"]:
        _set(moment, wanted, instances, claims, ca)
    for each in instances:
        if each.pod is not None and each.runner is not None and not each.matches and not each.terminating:
            status = each.runner.get("status") or {}
            if status.get("observedGeneration") == each.runner["metadata"].get("generation") and each.ready:
                moment.api.delete(each.pod)


def _set(moment: Moment, wanted: Object, instances: Sequence[Instance], claims: Sequence[Object], ca: pki.Root) -> None:
    kind = wanted.get("name", "")
    there = [each.name for each in instances if each.set == kind and each.runner is not None]
    free = free_names(kind, instances, claims)
    startup = moment.status.get("startupInstance", "")
    for number in range(int(wanted.get("replicas", 1))):
        if number < len(there):
            name = there[number]
        elif startup in free:
            name = startup
        else:
            name = free[0] if free else names.random_instance(moment.name, kind)
        _instance(moment, wanted, name, ca)


def _instance(moment: Moment, wanted: Object, name: str, ca: pki.Root) -> None:
    volume(moment, wanted, name)
    certificates(moment, wanted, name, ca)
    labels = {names.INSTANCE: name, names.INSTANCE_SET: wanted.get("name", ""), names.DATA: "postgres"}
    moment.write("v1", "ConfigMap", moment.meta(f"{name}-config", labels, wanted), data={settings.CONFIGURATION: "{}"})
    meta = moment.meta(name, labels, wanted)
    selector = {key: value for key, value in labels.items() if key != names.DATA}
    template = {
        "metadata": {
            "labels": {**meta["labels"], names.SCOPE: names.scope(moment.name)},
            "annotations": {**meta.get("annotations", {}), "kubectl.kubernetes.io/default-container": names.DATABASE},
        },
        "spec": pod(moment, wanted, name),
    }
    moment.write(
        "apps/v1",
        "StatefulSet",
        meta,
        spec={
            "replicas": 0 if moment.shutdown else 1,
            "serviceName": f"{moment.name}-pods",
            "selector": {"matchLabels": {**selector, names.CLUSTER: moment.name}},
            "template": template,
            "updateStrategy": {"type": "OnDelete"},
            "podManagementPolicy": "OrderedReady",
            "revisionHistoryLimit": 0,
        },
    )


def volume(moment: Moment, wanted: Object, name: str) -> Object:
    """The claim of an instance's data; it belongs to the cluster, and goes with it."""
    labels = {
        names.INSTANCE: name,
        names.INSTANCE_SET: wanted.get("name", ""),
        names.ROLE: "pgdata",
        names.DATA: "postgres",
    }
    meta = moment.meta(f"{name}-pgdata", labels, wanted)
    return moment.write("v1", "PersistentVolumeClaim", meta, spec=wanted["dataVolumeClaimSpec"])


def certificates(moment: Moment, wanted: Object, name: str, ca: pki.Root) -> None:
    """The Secret of an instance: what its pgBackRest shows to those who fetch a backup."""
    known = pki.texts(moment.read("v1", "Secret", f"{name}-certs"))
    host = names.pod_host(name, moment.name, moment.namespace)
    hosts = [host, *(host.removesuffix(f".{names.DOMAIN}"),), f"{name}-0.{moment.name}-pods"]
    made = pki.leaf(ca, known, ("dns.crt", "dns.key", "patroni.ca-roots"), host, hosts)
    data = {
        "dns.crt": made.certificate,
        "dns.key": made.key,
        "patroni.ca-roots": ca.certificate,
        "patroni.crt-combined": made.key + made.certificate,
        "pgbackrest-server.crt": made.certificate,
        "pgbackrest-server.key": made.key,
    }
    labels = {names.INSTANCE: name, names.INSTANCE_SET: wanted.get("name", "")}
    moment.write("v1", "Secret", moment.meta(f"{name}-certs", labels, wanted), data=pki.encoded(data))


def pod(moment: Moment, wanted: Object, name: str) -> Object:
    """What runs: PostgreSQL under its first process, and pgBackRest's server for backups from outside."""
    image, policy = moment.postgres_image(), pull(moment)
    mounts = [mount("postgres-data", "/pgdata"), mount("tmp", "/tmp"), mount("dshm", "/dev/shm")]
    database = {
        "name": names.DATABASE,
        "image": image,
        **policy,
        "command": ["python3", "-m", "standins.pgo.member", "run"],
        "env": _environment(moment),
        "ports": [{"name": "postgres", "containerPort": moment.port, "protocol": "TCP"}],
        "readinessProbe": _probe(moment, "test", "-e", f"{names.SOCKETS}/leader"),
        "livenessProbe": _probe(moment, "test", "-d", names.SOCKETS),
        "resources": wanted.get("resources") or {},
        "securityContext": HARDENED,
        "volumeMounts": [
            *mounts,
            mount("cert-volume", settings.TLS, read_only=True),
            mount("patroni-config", "/etc/patroni", read_only=True),
            *backrest_pods.config_mounts(moment),
        ],
    }
    startup = {
        "name": "postgres-startup",
        "image": image,
        **policy,
        "command": ["bash", "-ceu", "--", STARTUP],
        "securityContext": HARDENED,
        "volumeMounts": mounts[:2],
    }
    containers = [database]
    if moment.backrest:
        containers.append(backrest_pods.server(moment, mounts[:2]))
    return {
        "containers": containers,
        "initContainers": [startup],
        "volumes": [*_volumes(moment, name), *backrest_pods.instance_volumes(moment, name)],
        "hostname": f"{name}-0",
        "serviceAccountName": f"{moment.name}-instance",
        "automountServiceAccountToken": True,
        "enableServiceLinks": False,
        "shareProcessNamespace": True,
        "securityContext": pods.SECURITY,
        **pods.passed_on(wanted),
    }


def _environment(moment: Moment) -> list[Object]:
    period = str((moment.spec.get("patroni") or {}).get("syncPeriodSeconds", 10))
    fixed = {
        "PGDATA": names.data_directory(moment.major),
        "PGHOST": names.SOCKETS,
        "PGMAJOR": str(moment.major),
        "PGPORT": str(moment.port),
        "PATRONI_PERIOD": period,
        "PATRONI_SCOPE": names.scope(moment.name),
    }
    fields = {
        "PATRONI_ADDRESS": "status.podIP",
        "PATRONI_NAME": "metadata.name",
        "PATRONI_NAMESPACE": "metadata.namespace",
    }
    return [
        *({"name": key, "value": value} for key, value in fixed.items()),
        *({"name": key, "valueFrom": {"fieldRef": {"fieldPath": path}}} for key, path in fields.items()),
    ]


def _probe(moment: Moment, *command: str) -> Object:
    patroni = moment.spec.get("patroni") or {}
    period, lease = int(patroni.get("syncPeriodSeconds", 10)), int(patroni.get("leaderLeaseDurationSeconds", 30))
    return {
        "exec": {"command": list(command)},
        "initialDelaySeconds": 3,
        "periodSeconds": period,
        "timeoutSeconds": max(1, period // 2),
        "failureThreshold": max(1, lease // period),
        "successThreshold": 1,
    }


def _volumes(moment: Moment, name: str) -> list[Object]:
    first = {"key": settings.CONFIGURATION, "path": "~postgres-operator_cluster.yaml"}
    return [
        {"name": "postgres-data", "persistentVolumeClaim": {"claimName": f"{name}-pgdata"}},
        {
            "name": "cert-volume",
            "projected": {"defaultMode": 0o600, "sources": [{"secret": {"name": f"{moment.name}-cluster-cert"}}]},
        },
        {"name": "patroni-config", "configMap": {"name": f"{moment.name}-config", "items": [first]}},
        pods.temporary(),
        pods.scratch("dshm", medium="Memory"),
    ]
