"""The configuration of pgBackRest: for an instance, for a backup's pod, for the repository's pod."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ..api import Object
from . import names, pki
from .moment import Moment

FOLDER = "/etc/pgbackrest/conf.d"
OURS = f"{FOLDER}/~postgres-operator"
SERVER_FOLDER = "/etc/pgbackrest/server"
INSTANCE, CLOUD, REPO, SERVER, HASH = (
    "pgbackrest_instance.conf",
    "pgbackrest_cloud.conf",
    "pgbackrest_repo.conf",
    "pgbackrest-server.conf",
    "config-hash",
)
CA, CERTIFICATE, KEY = f"{OURS}/tls-ca.crt", f"{OURS}/client-tls.crt", f"{OURS}/client-tls.key"
HEAD = "# Written by the operator; what is changed here is lost.\n"
KINDS = ("s3", "gcs", "azure")


def config_map(moment: Moment, instances: Iterable[str], repo_host: str = "") -> None:
    """The ConfigMap of all of it.

    Args:
        moment: the pass.
        instances: names of the instances, sorted; a backup's pod reaches the first.
        repo_host: name of the StatefulSet of repositories on volumes; "" where there are none.
    """
    hashes, whole = marks(moment)
    data = {INSTANCE: instance(moment, moment.repos, _given(moment), repo_host), HASH: whole, SERVER: server(moment)}
    hosts = list(instances)
    if any(hashes):
        data[CLOUD] = cloud(moment, hosts)
    if repo_host:
        data[REPO] = repo(moment, hosts)
    meta = moment.meta(_name(moment), _labels(), moment.backrest)
    moment.write("v1", "ConfigMap", meta, data=data)


def restore_map(moment: Moment, source: Object) -> None:
    """The same ConfigMap while a cluster is restored from a bucket: of the data source's words alone."""
    given = dict(source.get("global") or {})
    data = {INSTANCE: instance(moment, [source["repo"]], given, ""), HASH: "", SERVER: ""}
    moment.write("v1", "ConfigMap", moment.meta(_name(moment), _labels(), moment.backrest), data=data)


def secret(moment: Moment, ca: pki.Root, repo_host: str = "") -> None:
    """The Secret by which pods of this cluster know each other: pgBackRest's client, and the repository's server."""
    name = f"{moment.name}-pgbackrest"
    known = pki.texts(moment.read("v1", "Secret", name))
    roots = "pgbackrest.ca-roots"
    client = pki.leaf(ca, known, ("pgbackrest-client.crt", "pgbackrest-client.key", roots), _client(moment))
    data = {roots: ca.certificate, "pgbackrest-client.crt": client.certificate, "pgbackrest-client.key": client.key}
    if repo_host:
        host = names.pod_host(repo_host, moment.name, moment.namespace)
        keys = ("pgbackrest-repo-host.crt", "pgbackrest-repo-host.key", roots)
        made = pki.leaf(ca, known, keys, host, [host])
        data |= {keys[0]: made.certificate, keys[1]: made.key}
    moment.write("v1", "Secret", moment.meta(name, _labels(), moment.backrest), data=pki.encoded(data))


def instance(moment: Moment, repos: Iterable[Object], given: Mapping[str, str], repo_host: str) -> str:
    """What an instance reads: it archives by itself into buckets, and through the repository's pod onto volumes."""
    options = {
        "archive-async": "y",
        "log-path": "/pgdata/pgbackrest/log",
        "spool-path": "/pgdata/pgbackrest-spool",
    }
    for each in repos:
        options |= _repo(each)
        if "volume" in each and repo_host:
            host = names.pod_host(repo_host, moment.name, moment.namespace)
            options |= {f"{each['name']}-{key}": value for key, value in _tls(host).items()}
            options[f"{each['name']}-host-user"] = "postgres"
    return HEAD + _ini("global", {**options, **given}) + _ini(names.STANZA, _database(moment))


def cloud(moment: Moment, instances: list[str]) -> str:
    """What the pod of a backup into a bucket reads: it fetches from the instance over TLS."""
    options = {"log-path": "/tmp"}
    for each in moment.repos:
        if "volume" not in each:
            options |= _repo(each)
    volumes = tuple(f"{each['name']}-" for each in moment.repos if "volume" in each)
    given = {key: value for key, value in _given(moment).items() if not key.startswith(volumes)}
    return HEAD + _ini("global", {**options, **given}) + _ini(names.STANZA, _remote(moment, instances))


def repo(moment: Moment, instances: list[str]) -> str:
    """What the pod of repositories on volumes reads."""
    options: dict[str, str] = {}
    for each in moment.repos:
        options |= _repo(each)
        if "volume" in each:
            options.setdefault("log-path", f"/pgbackrest/{each['name']}/log")
    return HEAD + _ini("global", {**options, **_given(moment)}) + _ini(names.STANZA, _remote(moment, instances))


def server(moment: Moment) -> str:
    """What pgBackRest's server reads: whom it believes."""
    options = {
        "tls-server-address": "0.0.0.0",
        "tls-server-auth": f"{_client(moment)}=*",
        "tls-server-ca-file": f"{SERVER_FOLDER}/~postgres-operator/tls-ca.crt",
        "tls-server-cert-file": f"{SERVER_FOLDER}/server-tls.crt",
        "tls-server-key-file": f"{SERVER_FOLDER}/server-tls.key",
    }
    return HEAD + _ini("global", options)


def marks(moment: Moment) -> tuple[dict[str, str], str]:
    """A mark of each bucket's coordinates by the name of its repository, and one of all. Paths do not count."""
    found = {}
    for each in moment.repos:
        options = _repo(each)
        if "volume" not in each:
            found[each["name"]] = names.digest(*(f"{key}={value}" for key, value in sorted(options.items())))
    return found, names.digest(*(f"{key}={value}" for key, value in sorted(found.items())))


def number(repo: str) -> str:
    """`repo2` is pgBackRest's repository 2."""
    return repo.removeprefix("repo")


def _given(moment: Moment) -> dict[str, str]:
    return dict(moment.backrest.get("global") or {})


def _repo(wanted: Object) -> dict[str, str]:
    name = wanted["name"]
    options = {f"{name}-path": f"/pgbackrest/{name}"}
    for kind in KINDS:
        if kind in wanted:
            options[f"{name}-type"] = kind
            options |= {f"{name}-{kind}-{key}": value for key, value in wanted[kind].items()}
    return options


def _database(moment: Moment) -> dict[str, str]:
    return {
        "pg1-path": names.data_directory(moment.major),
        "pg1-port": str(moment.port),
        "pg1-socket-path": names.SOCKETS,
    }


def _remote(moment: Moment, instances: list[str]) -> dict[str, str]:
    host = names.pod_host(instances[0], moment.name, moment.namespace) if instances else ""
    return {**{f"pg1-{key}": value for key, value in _tls(host).items()}, **_database(moment)}


def _tls(host: str) -> dict[str, str]:
    return {
        "host": host,
        "host-type": "tls",
        "host-ca-file": CA,
        "host-cert-file": CERTIFICATE,
        "host-key-file": KEY,
    }


def _client(moment: Moment) -> str:
    return f"pgbackrest@{moment.cluster['metadata']['uid']}"


def _name(moment: Moment) -> str:
    return f"{moment.name}-pgbackrest-config"


def _labels() -> dict[str, str]:
    return {names.BACKREST: "", names.BACKREST_CONFIG: ""}


def _ini(section: str, options: Mapping[str, str]) -> str:
    lines = [f"{key} = {value}" for key, value in sorted(options.items()) if value != ""]
    return f"\n[{section}]\n" + "\n".join(lines) + "\n"
