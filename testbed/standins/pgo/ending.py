"""The finalizer: a deleted cluster stops in order before it is let go."""

from __future__ import annotations

from ..api import Object, Refused
from . import names, restore
from .moment import Moment

AGAIN = 10.0  # seconds, where what holds a pod is gone already


def reconcile(moment: Moment) -> bool:
    """Sets the finalizer on a new cluster, ends a deleted one; True when nothing else may be done."""
    meta = moment.cluster["metadata"]
    finalizers = list(meta.get("finalizers") or ())
    if "deletionTimestamp" not in meta:
        if names.FINALIZER not in finalizers:
            _finalizers(moment, [*finalizers, names.FINALIZER])
        return False
    if names.FINALIZER not in finalizers:
        return True
    pods = moment.listed("v1", "Pod", instance="")
    if pods:
        _stop(moment, pods)
        return True
    for found in restore.endpoints(moment):
        moment.api.delete(found)
    _finalizers(moment, [each for each in finalizers if each != names.FINALIZER])
    return True


def _finalizers(moment: Moment, wanted: list[str]) -> None:
    """Whole list and version: somebody else's finalizer is never lost."""
    meta = moment.cluster["metadata"]
    changed = {"finalizers": wanted, "resourceVersion": meta["resourceVersion"]}
    about = {**moment.cluster, "apiVersion": names.API, "kind": names.KIND}
    new = moment.api.patch(about, {"metadata": changed})
    moment.cluster["metadata"] = new["metadata"]


def _stop(moment: Moment, pods: list[Object]) -> None:
    """Those that follow first, the leader last, each by its StatefulSet."""
    followers = [each for each in pods if each["metadata"]["labels"].get(names.ROLE) != names.LEADER]
    for pod in followers if len(pods) > 1 and followers else pods:
        runner: Object = {"apiVersion": "apps/v1", "kind": "StatefulSet"}
        runner["metadata"] = {"name": pod["metadata"]["labels"][names.INSTANCE], "namespace": moment.namespace}
        try:
            moment.api.patch(runner, {"spec": {"replicas": 0}})
        except Refused as refused:
            if refused.status != 404:
                raise
            moment.requeue(AGAIN)
