"""Some of the rules that the API server has for built-in kinds in hand-written Go; `RULES` lists all that are here.

Source: packages validation below k8s.io/kubernetes/pkg/apis, 1.36.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from ephemeral_castle.manifests.schemas import names
from ephemeral_castle.manifests.schemas.amounts import amount
from ephemeral_castle.manifests.schemas.fault import (
    DUPLICATE,
    INVALID,
    NOT_FOUND,
    REQUIRED,
    UNSUPPORTED,
    Fault,
    Key,
    Step,
    quoted,
)

Path = tuple[Step, ...]
Rule = Callable[[str, Mapping[str, Any]], Iterator[Fault]]

# Where the template of pods lies, by kind.
_PODS: Final[Mapping[str, Path]] = {
    "Pod": (),
    "CronJob": ("spec", "jobTemplate", "spec", "template"),
    **dict.fromkeys(
        ("Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "ReplicationController", "Job"), ("spec", "template")
    ),
}
_ALWAYS: Final = frozenset({"Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "ReplicationController"})


def faults(kind: str, document: Mapping[str, Any]) -> list[Fault]:
    """What the rules say of an object that its OpenAPI let through."""
    return [fault for rule in RULES.values() for fault in rule(kind, document)]


def _at(document: Any, path: Path) -> Any:
    for step in path:
        document = document.get(step) if isinstance(document, Mapping) else None
    return document


def _fault(reason: str, path: Path, value: Any = "", detail: str = "") -> Fault:
    return Fault(reason, value, detail, list(reversed(path)), dotted=False)


def _listed(found: Any) -> Iterator[tuple[int, Mapping[str, Any]]]:
    return ((at, each) for at, each in enumerate(found or ()) if isinstance(each, Mapping))


def _spec(kind: str, document: Mapping[str, Any]) -> tuple[Path, Mapping[str, Any]] | None:
    """The pods of an object: path of their spec, and it."""
    if kind not in _PODS:
        return None
    path = (*_PODS[kind], "spec")
    found = _at(document, path)
    return (path, found) if isinstance(found, Mapping) else None


def _containers(kind: str, document: Mapping[str, Any]) -> Iterator[tuple[Path, Mapping[str, Any]]]:
    found = _spec(kind, document)
    for key in ("initContainers", "containers") if found else ():
        path, spec = found or ((), {})
        yield from (((*path, key, at), each) for at, each in _listed(spec.get(key)))


def selector_matches(kind: str, document: Mapping[str, Any]) -> Iterator[Fault]:
    """The selector of a workload matches the labels of its own template."""
    if kind not in ("Deployment", "StatefulSet", "DaemonSet", "ReplicaSet"):
        return
    wanted = _at(document, ("spec", "selector", "matchLabels")) or {}
    labels = _at(document, ("spec", "template", "metadata", "labels")) or {}
    if not wanted and not _at(document, ("spec", "selector", "matchExpressions")):
        says = "empty selector is invalid for " + kind.lower()
        yield _fault(INVALID, ("spec", "selector"), {}, says)
    elif any(labels.get(key) != value for key, value in wanted.items()):
        path = ("spec", "template", "metadata", "labels")
        yield _fault(INVALID, path, dict(labels), "`selector` does not match template `labels`")


def restart_policy(kind: str, document: Mapping[str, Any]) -> Iterator[Fault]:
    """Pods of a workload restart always; those of a Job never or on failure."""
    found = _spec(kind, document)
    if found is None or kind == "Pod":
        return
    path, spec = found
    value = spec.get("restartPolicy")
    allowed = ["Always"] if kind in _ALWAYS else ["OnFailure", "Never"]
    if value is not None and value not in allowed and (kind in _ALWAYS or value != "Always"):
        listed = ", ".join(map(quoted, allowed))
        yield _fault(UNSUPPORTED, (*path, "restartPolicy"), value, f"supported values: {listed}")
    elif value in (None, "Always") and kind not in _ALWAYS:
        yield _fault(REQUIRED, (*path, "restartPolicy"), detail='valid values: "OnFailure", "Never"')


def container_names(kind: str, document: Mapping[str, Any]) -> Iterator[Fault]:
    """Pods have containers; these have names that are labels of DNS, each once, and an image."""
    seen: set[str] = set()
    if kind in _PODS and kind != "CronJob" and not _at(document, (*_PODS[kind], "spec", "containers")):
        yield _fault(REQUIRED, (*_PODS[kind], "spec", "containers"))
    for path, container in _containers(kind, document):
        name = str(container.get("name") or "")
        if not name:
            yield _fault(REQUIRED, (*path, "name"))
        elif name in seen:
            yield _fault(DUPLICATE, (*path, "name"), name)
        else:
            yield from (_fault(INVALID, (*path, "name"), name, each) for each in names.dns1123_label(name))
        seen.add(name)
        if not container.get("image"):
            yield _fault(REQUIRED, (*path, "image"))


def mounts_exist(kind: str, document: Mapping[str, Any]) -> Iterator[Fault]:
    """What a container mounts is a volume of its pod, or a claim of its StatefulSet."""
    found = _spec(kind, document)
    if found is None:
        return
    volumes = {str(each.get("name")) for _, each in _listed(found[1].get("volumes"))}
    volumes |= {
        str(_at(each, ("metadata", "name"))) for _, each in _listed(_at(document, ("spec", "volumeClaimTemplates")))
    }
    for path, container in _containers(kind, document):
        for at, mount in _listed(container.get("volumeMounts")):
            name = mount.get("name")
            if name and str(name) not in volumes:
                yield _fault(NOT_FOUND, (*path, "volumeMounts", at, "name"), name)


def environment_names(kind: str, document: Mapping[str, Any]) -> Iterator[Fault]:
    """A variable has a name, and a value or a source, not both."""
    for path, container in _containers(kind, document):
        for at, each in _listed(container.get("env")):
            here = (*path, "env", at)
            if not each.get("name"):
                yield _fault(REQUIRED, (*here, "name"))
            if each.get("value") and each.get("valueFrom"):
                yield _fault(INVALID, (*here, "valueFrom"), "", "may not be specified when `value` is not empty")


def requests_below_limits(kind: str, document: Mapping[str, Any]) -> Iterator[Fault]:
    """A request is not above the limit of the same resource."""
    for path, container in _containers(kind, document):
        asked, limits = (_at(container, ("resources", key)) or {} for key in ("requests", "limits"))
        for name, value in asked.items():
            low, high = amount(str(value)), amount(str(limits.get(name)))
            if low is not None and high is not None and low > high:
                says = f"must be less than or equal to {name} limit of {limits[name]}"
                yield _fault(INVALID, (*path, "resources", "requests"), str(value), says)


def ports_in_range(kind: str, document: Mapping[str, Any]) -> Iterator[Fault]:
    """Ports lie between 1 and 65535, and their names are short words."""
    found = [
        ((*path, "ports", at), each, "containerPort")
        for path, container in _containers(kind, document)
        for at, each in _listed(container.get("ports"))
    ]
    if kind == "Service":
        found += [(("spec", "ports", at), each, "port") for at, each in _listed(_at(document, ("spec", "ports")))]
    for path, each, key in found:
        value = each.get(key)
        if isinstance(value, int) and not 1 <= value <= 65535:
            yield _fault(INVALID, (*path, key), value, "must be between 1 and 65535, inclusive")
        name = each.get("name")
        if name and key == "containerPort":
            yield from (_fault(INVALID, (*path, "name"), name, says) for says in _port_name(str(name)))
        elif name:
            yield from (_fault(INVALID, (*path, "name"), name, says) for says in names.dns1123_label(str(name)))


def _port_name(name: str) -> Iterator[str]:
    if len(name) > 15:
        yield "must be no more than 15 characters"
    if not re.match(r"[-a-z0-9]+\Z", name):
        yield "must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)"
    if not re.search(r"[a-z]", name):
        yield "must contain at least one letter (a-z)"
    if "--" in name:
        yield "must not contain consecutive hyphens"
    if name[0] == "-" or name[-1] == "-":
        yield "must not begin or end with a hyphen"


def service_ports(kind: str, document: Mapping[str, Any]) -> Iterator[Fault]:
    """A Service has ports unless it is headless or a name of DNS; several of them have names."""
    if kind != "Service":
        return
    spec = document.get("spec") or {}
    ports = list(_listed(spec.get("ports")))
    if not ports and spec.get("clusterIP") != "None" and spec.get("type") != "ExternalName":
        yield _fault(REQUIRED, ("spec", "ports"))
    for at, each in ports:
        if len(ports) > 1 and not each.get("name"):
            yield _fault(REQUIRED, ("spec", "ports", at, "name"))


def keys_of_data(kind: str, document: Mapping[str, Any]) -> Iterator[Fault]:
    """Keys of ConfigMaps and Secrets are names of files."""
    fields = {"ConfigMap": ("data", "binaryData"), "Secret": ("data", "stringData")}.get(kind, ())
    for name in fields:
        for key in document.get(name) or {}:
            yield from (_fault(INVALID, (name, Key(key)), key, says) for says in names.config_key(str(key)))


def short_names(kind: str, document: Mapping[str, Any]) -> Iterator[Fault]:
    """The name of a CronJob leaves room for what its Jobs add."""
    name = str(_at(document, ("metadata", "name")) or "")
    if kind == "CronJob" and len(name) > 52:
        yield _fault(INVALID, ("metadata", "name"), name, "must be no more than 52 characters")


def claims_are_whole(kind: str, document: Mapping[str, Any]) -> Iterator[Fault]:
    """A claim says how it is accessed and how large it is."""
    if kind != "PersistentVolumeClaim":
        return
    spec = document.get("spec") or {}
    if not spec.get("accessModes"):
        yield _fault(REQUIRED, ("spec", "accessModes"), detail="at least 1 access mode is required")
    if _at(spec, ("resources", "requests", "storage")) is None:
        missing = _fault(REQUIRED, ("spec", "resources", "requests", "storage"))
        missing.shown = "spec.resources[storage]"  # ValidatePersistentVolumeClaimSpec leaves `requests` out
        yield missing


RULES: Final[Mapping[str, Rule]] = {
    rule.__name__: rule
    for rule in (
        selector_matches,
        restart_policy,
        container_names,
        mounts_exist,
        environment_names,
        requests_below_limits,
        ports_in_range,
        service_ports,
        keys_of_data,
        short_names,
        claims_are_whole,
    )
}
