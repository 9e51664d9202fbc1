"""Ports that lead nowhere: from a route to a Service, from a Service to its pods."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ephemeral_castle.manifests.repository import Object, Repository
from ephemeral_castle.manifests.rules.contents import same
from ephemeral_castle.manifests.rules.fields import ERROR, NOTE, WARNING, Path, each, fault, mapping, mappings, text
from ephemeral_castle.manifests.rules.pods import Pods, pods, selected
from ephemeral_castle.manifests.rules.rule import Rule, Setting
from ephemeral_castle.model.finding import Finding

ID = "port-chain"
ROUTES = ("Ingress", "IngressRoute", "IngressRouteTCP", "IngressRouteUDP")


def find(repository: Repository, setting: Setting) -> Iterator[Finding]:
    """Looks at every Service whose pods are here, and every route to a Service that is here."""
    services: dict[str, list[Object]] = {}
    workloads = list(pods(repository))
    for service in repository.of("Service", ""):
        services.setdefault(service.name, []).append(service)
        yield from _service(service, [found for found in workloads if selected(service, found)])
    for kind in ROUTES:
        for one in repository.of(kind):
            for path, name, port in _routes(one):
                for service in services.get(name, ()):
                    if same(service.namespace, one.namespace):
                        yield from _route(one, path, port, service)


def _service(service: Object, found: list[Pods]) -> Iterator[Finding]:
    ports = list(each(service.manifest, "spec", "ports"))
    arrives = any(_arrives(port, list(_ports(pods, port))) for _, port in ports for pods in found)
    for path, port in ports:
        listening = [list(_ports(pods, port)) for pods in found]
        if not listening or any(not there for there in listening):
            continue  # pods of elsewhere, or that do not say what they listen on
        if any(_arrives(port, there) for there in listening):
            continue
        target, at = _target(port), (*path, "targetPort" if "targetPort" in port else "port")
        told = sorted({_said(one) for there in listening for one in there})
        message = f"it sends to port {target} of its pods, and they listen on {', '.join(told)}"
        unsure = arrives or len(told) > 1  # whoever lists some of his ports may leave others out
        severity = ERROR if isinstance(target, str) else NOTE if unsure else WARNING
        yield fault(ID, severity, service, at, message, hints=("name a port of the pods",))


def _target(port: Any) -> Any:
    return port.get("targetPort", port.get("port"))


def _arrives(port: Any, there: list[Any]) -> bool:
    """Whether a port of a Service is one that pods list."""
    return any(_target(port) in (one.get("name"), one.get("containerPort")) for one in there)


def _ports(found: Pods, wanted: Any) -> Iterator[Any]:
    protocol = wanted.get("protocol", "TCP")
    for path, _ in found.containers():
        for _, port in each(found.thing.manifest, *path, "ports"):
            if port.get("protocol", "TCP") == protocol:
                yield port


def _routes(one: Object) -> Iterator[tuple[Path, str, Any]]:
    """Path, name of the Service, and its port, of every backend of a route."""
    if one.kind == "Ingress" and one.group == "networking.k8s.io":
        for path, found in mappings(one.manifest.get("spec"), ("spec",)):
            if path[-1:] == ("service",):
                port = mapping(found.get("port"))
                yield (*path, "port"), text(found.get("name")), port.get("name", port.get("number"))
    if one.kind.startswith("IngressRoute"):
        for index, _ in each(one.manifest, "spec", "routes"):
            for path, found in each(one.manifest, *index, "services"):
                if found.get("kind", "Service") == "Service" and not found.get("namespace"):
                    yield (*path, "port"), text(found.get("name")), found.get("port")


def _route(one: Object, path: Path, port: Any, service: Object) -> Iterator[Finding]:
    there = [found for _, found in each(service.manifest, "spec", "ports")]
    names = [value for found in there for value in (found.get("name"), found.get("port")) if value is not None]
    if port is None or not there or port in names or str(port) in map(str, names):
        return
    says = f'service "{service.name}" does not have port "{port}"'
    message = f"the Service `{service.name}` has no port {port}; it has {', '.join(map(str, names))} ({service.mark})"
    yield fault(ID, ERROR, one, path, message, says=says, hints=("name a port of the Service, not one of its pods",))


def _said(port: Any) -> str:
    name = port.get("name")
    return f"{port.get('containerPort')} ({name})" if name else str(port.get("containerPort"))


RULE = Rule(
    ID,
    "a port leads nowhere, from a route to a Service or from a Service to its pods",
    "Everything is green and every request is refused: a Service sends to a port on which no container listens, or "
    "a route names a port that the Service does not have. An ingress without root listens on 8000 and 8443, not on "
    "80. Containers that do not list their ports are not judged.",
    "Kubernetes' documentation of Services; a blog that ran and was refused",
    find,
    ("F163",),
)
