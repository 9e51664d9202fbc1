"""PgBouncer in front of the leader."""

from __future__ import annotations

from collections.abc import Sequence

from ..api import Object
from . import names, pki, pods, services, sql, status, users
from .instances import Instance
from .moment import Moment
from .pods import HARDENED, mount, pull

FOLDER = "/etc/pgbouncer"
OURS = f"{FOLDER}/~postgres-operator"
# PgBouncer reads its files again when it is told to; the kubelet brings new ones without telling anybody.
RELOAD = """\
seen=
while sleep 5; do
  now=$(readlink -f /etc/pgbouncer/..data || true)
  if [ "$now" != "$seen" ] && [ -n "$seen" ]; then pkill -HUP --exact pgbouncer || true; fi
  seen=$now
done
"""


def reconcile(moment: Moment, instances: Sequence[Instance], ca: pki.Root) -> None:
    """Makes it, or takes it away."""
    wanted, name = moment.bouncer, f"{moment.name}-pgbouncer"
    if wanted is None:
        for api, kind in (("v1", "Service"), ("v1", "ConfigMap"), ("v1", "Secret"), ("apps/v1", "Deployment")):
            moment.remove(api, kind, name)
        status.drop(moment.status, status.PROXY)
        told = (moment.status.get("proxy") or {}).get("pgBouncer")
        if told:
            sql.disable_bouncer(moment, instances)
            moment.status["proxy"]["pgBouncer"].pop("replicas", None)
            moment.status["proxy"]["pgBouncer"].pop("readyReplicas", None)
        return
    services.bouncer(moment, wanted)
    meta = moment.meta(name, {names.ROLE: names.BOUNCER}, wanted)
    files = {"pgbouncer-empty": "", "pgbouncer.ini": ini(moment, wanted)}
    moment.write("v1", "ConfigMap", meta, data=files)
    proof = _secret(moment, meta, ca)
    made = moment.write("apps/v1", "Deployment", meta, spec=_deployment(moment, wanted, meta))
    _tell(moment, made)
    sql.enable_bouncer(moment, instances, proof)


def ini(moment: Moment, wanted: Object) -> str:
    """Its configuration: what the spec says stands over the operator's own."""
    own = wanted.get("config") or {}
    options = {
        "auth_file": f"{OURS}/users.txt",
        "auth_query": "SELECT username, password FROM pgbouncer.get_auth($1)",
        "auth_user": names.BOUNCER_USER,
        "client_tls_ca_file": f"{OURS}/frontend-ca.crt",
        "client_tls_cert_file": f"{OURS}/frontend-tls.crt",
        "client_tls_key_file": f"{OURS}/frontend-tls.key",
        "client_tls_sslmode": "require",
        "ignore_startup_parameters": "extra_float_digits",
        "listen_addr": "*",
        "listen_port": str(wanted.get("port", 5432)),
        "server_tls_ca_file": f"{OURS}/backend-ca.crt",
        "server_tls_sslmode": "verify-full",
        "unix_socket_dir": "",
        **(own.get("global") or {}),
        "conffile": f"{FOLDER}/~postgres-operator.ini",
    }
    pools = own.get("databases") or {"*": f"host={moment.name}-primary port={moment.port}"}
    lines = ["; Written by the operator; what is changed here is lost.", f"%include {FOLDER}/pgbouncer.ini"]
    lines += ["", "[pgbouncer]", *(f"{key} = {value}" for key, value in sorted(options.items()))]
    lines += ["", "[databases]", *(f"{key} = {value}" for key, value in sorted(pools.items()))]
    if own.get("users"):
        lines += ["", "[users]", *(f"{key} = {value}" for key, value in sorted(own["users"].items()))]
    return "\n".join([*lines, ""])


def _secret(moment: Moment, meta: Object, ca: pki.Root) -> str:
    """Its own login and its certificate; gives what PostgreSQL keeps of the password."""
    known = pki.texts(moment.read("v1", "Secret", meta["name"]))
    password, proof = known.get("pgbouncer-password", ""), known.get("pgbouncer-verifier", "")
    if not password or not proof:
        password = users.new_password()
        proof = users.verifier(password)
    hosts = names.service_names(meta["name"], moment.namespace)
    keys = ("pgbouncer-frontend.crt", "pgbouncer-frontend.key", "pgbouncer-frontend.ca-roots")
    made = pki.leaf(ca, known, keys, hosts[0], hosts)
    quoted = password.replace('"', '""')
    data = {
        "pgbouncer-password": password,
        "pgbouncer-verifier": proof,
        "pgbouncer-users.txt": f'"{names.BOUNCER_USER}" "{quoted}"\n',
        **dict(zip(keys, (made.certificate, made.key, ca.certificate), strict=True)),
    }
    moment.write("v1", "Secret", meta, data=pki.encoded(data))
    return proof


def _deployment(moment: Moment, wanted: Object, meta: Object) -> Object:
    labels = {names.CLUSTER: moment.name, names.ROLE: names.BOUNCER}
    common = {"image": moment.bouncer_image(), **pull(moment), "securityContext": HARDENED}
    mounts = [mount("pgbouncer-config", FOLDER, read_only=True)]
    port = {"name": names.BOUNCER, "containerPort": int(wanted.get("port", 5432)), "protocol": "TCP"}
    pod = {
        "containers": [
            {
                "name": names.BOUNCER,
                **common,
                "command": ["pgbouncer", f"{FOLDER}/~postgres-operator.ini"],
                "ports": [port],
                "resources": wanted.get("resources") or {},
                "volumeMounts": mounts,
            },
            {
                "name": "pgbouncer-config",
                **common,
                "command": ["bash", "-ceu", "--", RELOAD, "pgbouncer-config"],
                "volumeMounts": mounts,
            },
        ],
        "volumes": [{"name": "pgbouncer-config", "projected": {"sources": _sources(moment, meta["name"])}}],
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "shareProcessNamespace": True,
        "securityContext": {"fsGroup": 2, "fsGroupChangePolicy": "OnRootMismatch"},
        **pods.passed_on(wanted),
    }
    outer = {key: meta[key] for key in ("labels", "annotations") if key in meta}
    return {
        "replicas": 0 if moment.shutdown else int(wanted.get("replicas", 1)),
        "revisionHistoryLimit": 0,
        "selector": {"matchLabels": labels},
        "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0}},
        "template": {"metadata": outer, "spec": pod},
    }


def _sources(moment: Moment, name: str) -> list[Object]:
    folder = OURS.removeprefix(f"{FOLDER}/")
    frontend = [
        ("pgbouncer-users.txt", "users.txt"),
        ("pgbouncer-frontend.ca-roots", "frontend-ca.crt"),
        ("pgbouncer-frontend.crt", "frontend-tls.crt"),
        ("pgbouncer-frontend.key", "frontend-tls.key"),
    ]
    files = [{"key": "pgbouncer-empty", "path": "pgbouncer.ini"}]
    files += [{"key": "pgbouncer.ini", "path": "~postgres-operator.ini"}]
    secrets = [{"key": key, "path": f"{folder}/{path}"} for key, path in frontend]
    backend = [{"key": "ca.crt", "path": f"{folder}/backend-ca.crt"}]
    return [
        {"configMap": {"name": name, "items": files}},
        {"secret": {"name": name, "items": secrets}},
        {"secret": {"name": f"{moment.name}-cluster-cert", "items": backend}},
    ]


def _tell(moment: Moment, deployment: Object) -> None:
    """Copies what the Deployment says of itself; nobody probes PgBouncer."""
    said = deployment.get("status") or {}
    told = moment.status.setdefault("proxy", {}).setdefault("pgBouncer", {})
    for key in ("replicas", "readyReplicas"):
        if said.get(key):
            told[key] = said[key]
        else:
            told.pop(key, None)
    found = next((each for each in said.get("conditions", ()) if each["type"] == "Available"), None)
    if found is None:
        status.drop(moment.status, status.PROXY)
    else:
        moment.say(status.PROXY, found["status"], found.get("reason", "Unknown"), found.get("message", ""))
