"""Services of a cluster, and the rights of its pods."""

from __future__ import annotations

from typing import Any

from ..api import Object
from . import names
from .moment import Failed, Moment

SHAPED = ("externalTrafficPolicy", "internalTrafficPolicy", "ipFamilies", "ipFamilyPolicy")  # taken over as they are


def pods(moment: Moment) -> None:
    """The headless Service that gives each pod its name in the cluster's DNS, whether it is ready or not."""
    spec = {"clusterIP": "None", "publishNotReadyAddresses": True, "selector": {names.CLUSTER: moment.name}}
    moment.write("v1", "Service", moment.meta(f"{moment.name}-pods", {}), spec=spec)


def leader(moment: Moment) -> Object:
    """The Service of whoever leads: its Endpoints are written by the leader itself."""
    wanted = moment.spec.get("service") or {}
    meta = moment.meta(
        names.scope(moment.name), {names.SCOPE: names.scope(moment.name)}, {"metadata": wanted.get("metadata")}
    )
    return moment.write("v1", "Service", meta, spec=_shaped(moment, wanted, meta["name"], "postgres", moment.port))


def primary(moment: Moment, leads: Object) -> None:
    """The Service that clients are told of: a headless one with the address of the leader's Service behind it."""
    meta = moment.meta(f"{moment.name}-primary", {names.ROLE: "primary"})
    port = {"name": "postgres", "port": moment.port, "protocol": "TCP"}
    spec = {"clusterIP": "None", "ports": [{**port, "targetPort": "postgres"}]}
    moment.write("v1", "Service", meta, spec=spec)
    subset = {"addresses": [{"ip": leads["spec"]["clusterIP"]}], "ports": [port]}
    moment.write("v1", "Endpoints", meta, subsets=[subset])


def replicas(moment: Moment) -> None:
    """The Service of those that follow. It has no endpoint here, since none follows."""
    meta = moment.meta(f"{moment.name}-replicas", {names.ROLE: "replica"})
    port = {"name": "postgres", "port": moment.port, "protocol": "TCP", "targetPort": "postgres"}
    selector = {names.CLUSTER: moment.name, names.ROLE: names.REPLICA}
    moment.write("v1", "Service", meta, spec={"type": "ClusterIP", "ports": [port], "selector": selector})


def distributed_configuration(moment: Moment) -> None:
    """The Service that keeps the Endpoints in which the members keep what they agreed upon."""
    scope = names.scope(moment.name)
    moment.write("v1", "Service", moment.meta(f"{scope}-config", {names.SCOPE: scope}), spec={"clusterIP": "None"})


def bouncer(moment: Moment, wanted: Object) -> None:
    """The Service of PgBouncer."""
    shape = wanted.get("service") or {}
    meta = moment.meta(
        f"{moment.name}-pgbouncer", {names.ROLE: names.BOUNCER}, wanted, {"metadata": shape.get("metadata")}
    )
    spec = _shaped(moment, shape, meta["name"], names.BOUNCER, int(wanted.get("port", 5432)))
    selector = {names.CLUSTER: moment.name, names.ROLE: names.BOUNCER}
    moment.write("v1", "Service", meta, spec={**spec, "selector": selector})


def _shaped(moment: Moment, wanted: Object, name: str, port_name: str, port: int) -> Object:
    """The spec of a Service as a cluster's spec shapes it. Raises Failed: a node port in one that has none."""
    kind = wanted.get("type", "ClusterIP")
    entry: Object = {"name": port_name, "port": port, "protocol": "TCP", "targetPort": port_name}
    if wanted.get("nodePort"):
        if kind == "ClusterIP":
            message = f'NodePort cannot be set with type ClusterIP on Service "{name}"'
            moment.event("MisconfiguredClusterIP", message)
            raise Failed(message)
        entry["nodePort"] = wanted["nodePort"]
    return {"type": kind, "ports": [entry], **{key: wanted[key] for key in SHAPED if key in wanted}}


def instance_rights(moment: Moment) -> None:
    """What an instance may do: say who leads, and write that upon its own pod."""
    rules = [
        _rule("", "endpoints", "create", "deletecollection", "get", "list", "patch", "watch"),
        _rule("", "endpoints/restricted", "create"),
        _rule("", "pods", "get", "list", "patch", "watch"),
        _rule("", "services", "create"),
    ]
    _rights(moment, f"{moment.name}-instance", {}, rules)


def backrest_rights(moment: Moment) -> None:
    """What a backup's pod may do: run the backup in the repository's pod."""
    labels = {names.BACKREST: ""}
    rules = [_rule("", "pods", "list"), _rule("", "pods/exec", "create", "get")]
    _rights(moment, f"{moment.name}-pgbackrest", labels, rules)


def repo_host_rights(moment: Moment) -> None:
    """What the repository's pod may do: nothing."""
    meta = moment.meta(f"{moment.name}-repohost", {names.BACKREST: ""})
    moment.write("v1", "ServiceAccount", meta)


def _rights(moment: Moment, name: str, labels: dict[str, str], rules: list[Object]) -> None:
    meta = moment.meta(name, labels)
    moment.write("v1", "ServiceAccount", meta)
    moment.write("rbac.authorization.k8s.io/v1", "Role", meta, rules=rules)
    role: Any = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name}
    subject = {"kind": "ServiceAccount", "name": name, "namespace": moment.namespace}
    moment.write("rbac.authorization.k8s.io/v1", "RoleBinding", meta, roleRef=role, subjects=[subject])


def _rule(group: str, resource: str, *verbs: str) -> Object:
    return {"apiGroups": [group], "resources": [resource], "verbs": list(verbs)}
