"""What the pods of a cluster have in common."""

from __future__ import annotations

from ..api import Object
from .moment import Moment

USER = 26  # of the images; pods name none themselves
HARDENED: Object = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "privileged": False,
    "readOnlyRootFilesystem": True,
    "runAsNonRoot": True,
    "seccompProfile": {"type": "RuntimeDefault"},
}
SECURITY: Object = {"fsGroup": USER, "fsGroupChangePolicy": "OnRootMismatch"}
PASSED_ON = ("affinity", "tolerations", "priorityClassName", "topologySpreadConstraints")


def pull(moment: Moment) -> Object:
    """How images are fetched."""
    policy = moment.spec.get("imagePullPolicy")
    return {"imagePullPolicy": policy} if policy else {}


def mount(name: str, path: str, *, read_only: bool = False) -> Object:
    """A volume in a container."""
    return {"name": name, "mountPath": path, **({"readOnly": True} if read_only else {})}


def scratch(name: str, **limits: str) -> Object:
    """A volume that lives as long as the pod."""
    return {"name": name, "emptyDir": limits}


def temporary() -> Object:
    """/tmp of a pod: who writes more there is put out of the node."""
    return scratch("tmp", sizeLimit="16Mi")


def passed_on(wanted: Object) -> Object:
    """What a part of the spec says about where its pods run."""
    return {key: wanted[key] for key in PASSED_ON if key in wanted}
