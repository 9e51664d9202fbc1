"""A pod of castle's own that is made like the server's: of its image, with its rights, where it may run. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ephemeral_castle.drivers.postgres.pgo.vocabulary import DATABASE

TAKEN = ("securityContext", "imagePullSecrets", "nodeSelector", "affinity", "tolerations")  # of the server's pod
MEMORY: dict[str, Any] = {"emptyDir": {"sizeLimit": "16Mi"}}


Volumes = Mapping[str, tuple[str, Mapping[str, Any]]]


def pod(
    template: Mapping[str, Any], name: str, command: Sequence[str], volumes: Volumes, **more: Any
) -> dict[str, Any]:
    """The spec of a pod with one container and a /tmp.

    Args:
        template: the spec of the server's pod.
        name: of the container.
        command: in it.
        volumes: by name: where it is mounted, to be read only, and what it is.
        more: further fields of the spec.
    """
    server = next(each for each in template["containers"] if each["name"] == DATABASE)
    mounts = [{"name": key, "mountPath": path, "readOnly": True} for key, (path, _) in volumes.items()]
    container = {
        "name": name,
        "image": server["image"],
        "imagePullPolicy": server.get("imagePullPolicy", "IfNotPresent"),
        "command": list(command),
        "securityContext": server.get("securityContext") or {},
        "volumeMounts": [*mounts, {"name": "tmp", "mountPath": "/tmp"}],  # noqa: S108 - in the container
    }
    return {
        "terminationGracePeriodSeconds": 0,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "containers": [container],
        "volumes": [*({"name": key, **what} for key, (_, what) in volumes.items()), {"name": "tmp", **MEMORY}],
        **{key: template[key] for key in TAKEN if key in template},
        **more,
    }
