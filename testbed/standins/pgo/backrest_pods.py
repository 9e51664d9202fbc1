"""How pgBackRest's configuration and certificates come into pods."""

from __future__ import annotations

from ..api import Object
from . import backrest_config as config
from . import names
from .moment import Moment
from .pods import HARDENED, pull

Item = str | tuple[str, str]  # a key of the ConfigMap, and its file where that has another name


def config_mounts(moment: Moment) -> list[Object]:
    """Where a container that runs pgBackRest finds its configuration."""
    if not moment.backrest:
        return []
    return [{"name": "pgbackrest-config", "mountPath": config.FOLDER, "readOnly": True}]


def server(moment: Moment, mounts: list[Object]) -> Object:
    """The container of pgBackRest's TLS server: who takes a backup from elsewhere talks to it."""
    return {
        "name": names.BACKREST_CONTAINER,
        "image": moment.backrest_image(),
        **pull(moment),
        "command": ["pgbackrest", "server"],
        "livenessProbe": {"exec": {"command": ["pgbackrest", "server-ping"]}},
        "securityContext": HARDENED,
        "volumeMounts": [
            *mounts,
            *config_mounts(moment),
            {"name": "pgbackrest-server", "mountPath": config.SERVER_FOLDER, "readOnly": True},
        ],
    }


def instance_volumes(moment: Moment, instance: str) -> list[Object]:
    """The volumes of an instance's pod."""
    if not moment.backrest:
        return []
    items: list[Item] = [config.INSTANCE, config.HASH, (config.SERVER, "~postgres-operator_server.conf")]
    return [_configuration(moment, *items), server_volume(f"{instance}-certs", "pgbackrest-server", "patroni.ca-roots")]


def job_volumes(moment: Moment) -> list[Object]:
    """The volumes of a backup's pod, into a bucket."""
    return [_configuration(moment, config.CLOUD, config.HASH)]


def repo_volumes(moment: Moment) -> list[Object]:
    """The volumes of the pod of repositories."""
    items: list[Item] = [config.REPO, config.HASH, (config.SERVER, "~postgres-operator_server.conf")]
    secret = f"{moment.name}-pgbackrest"
    return [_configuration(moment, *items), server_volume(secret, "pgbackrest-repo-host", "pgbackrest.ca-roots")]


def restore_volumes(moment: Moment, given: list[Object]) -> list[Object]:
    """The volumes of a restore's pod. `given`: the projections of the source that is restored from."""
    return [_projected([*given, _ours(moment, config.INSTANCE), _client(moment, optional=True)])]


def server_volume(secret: str, key: str, roots: str) -> Object:
    """What a pgBackRest server shows, and whom it believes."""
    items = [
        {"key": roots, "path": "~postgres-operator/tls-ca.crt"},
        {"key": f"{key}.crt", "path": "server-tls.crt"},
        {"key": f"{key}.key", "path": "server-tls.key", "mode": 0o600},
    ]
    return {"name": "pgbackrest-server", "projected": {"sources": [{"secret": {"name": secret, "items": items}}]}}


def _configuration(moment: Moment, *items: Item) -> Object:
    given = list(moment.backrest.get("configuration") or ())
    return _projected([*given, _ours(moment, *items), _client(moment)])


def _ours(moment: Moment, *items: Item) -> Object:
    pairs = [(each, each) if isinstance(each, str) else each for each in items]
    chosen = [{"key": key, "path": path} for key, path in pairs]
    return {"configMap": {"name": f"{moment.name}-pgbackrest-config", "items": chosen}}


def _client(moment: Moment, *, optional: bool = False) -> Object:
    folder = config.OURS.removeprefix(f"{config.FOLDER}/")
    items = [
        {"key": "pgbackrest.ca-roots", "path": f"{folder}/tls-ca.crt"},
        {"key": "pgbackrest-client.crt", "path": f"{folder}/client-tls.crt"},
        {"key": "pgbackrest-client.key", "path": f"{folder}/client-tls.key", "mode": 0o600},
    ]
    secret: Object = {"name": f"{moment.name}-pgbackrest", "items": items}
    return {"secret": {**secret, "optional": True} if optional else secret}


def _projected(sources: list[Object]) -> Object:
    return {"name": "pgbackrest-config", "projected": {"sources": sources}}
