"""What Ingresses and IngressRoutes ask for: routes, each with a service behind it. Pure.

Source: Traefik 3.7, providers kubernetesIngress and kubernetesCRD. A rule that is not understood is told and not
served: it never becomes a wider one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from .words import CONTROLLER, DEFAULT_CLASS, WEB, WEBSECURE

Object = dict[str, Any]
_TERM = re.compile(r"\s*(Host|PathPrefix|Path)\(`([^`]+)`\)\s*")
_PATH = re.compile(r"/[A-Za-z0-9._~!$&'()+,;=:@%/-]*")


@dataclass(frozen=True)
class Route:
    """One way in.

    Attributes:
        source: kind, namespace and name of the object that asks for it.
        entries: entry points that it is served at.
        host: name that is asked for; "" for any.
        path: that the request begins with, or has.
        exact: whether it is the whole path.
        namespace, service, port: what is behind it; the port by number, or by its name in the Service.
        priority: the highest one that fits is taken.
        secret: name of the Secret with its certificate, in the same namespace; "" for none.
        tls: whether it is served by TLS.
    """

    source: str
    entries: tuple[str, ...]
    host: str
    path: str
    exact: bool
    namespace: str
    service: str
    port: int | str
    priority: int
    secret: str = ""
    tls: bool = False


class NotServed(Exception):
    """Something that this stand-in, or Traefik itself, does not serve; in words."""


def named(thing: Object) -> str:
    """Kind, namespace and name."""
    meta = thing["metadata"]
    return f"{thing['kind']} {meta.get('namespace', '')}/{meta['name']}"


def is_ours(ingress: Object, classes: Mapping[str, Object]) -> bool:
    """Whether an Ingress is of our class; one that names none is the default class's."""
    name = (ingress.get("spec") or {}).get("ingressClassName")
    ours = {key: each for key, each in classes.items() if (each.get("spec") or {}).get("controller") == CONTROLLER}
    if name:
        return name in ours
    return any((each["metadata"].get("annotations") or {}).get(DEFAULT_CLASS) == "true" for each in ours.values())


def of_ingress(thing: Object) -> Iterator[Route]:
    """The routes of an Ingress. Raises NotServed."""
    spec, space = thing.get("spec") or {}, thing["metadata"]["namespace"]
    secrets = {host: tls.get("secretName", "") for tls in spec.get("tls") or () for host in tls.get("hosts") or ("",)}
    entries = (WEBSECURE,) if secrets else (WEB,)
    for rule in spec.get("rules") or ():
        host = rule.get("host", "")
        for path in (rule.get("http") or {}).get("paths") or ():
            backend = path["backend"].get("service")
            if not backend:
                raise NotServed(f"{named(thing)}: a backend that is no service")
            text, exact = path.get("path") or "/", path.get("pathType") == "Exact"
            yield Route(
                named(thing), entries, _host(host), _path(text), exact, space, backend["name"],
                _port(backend.get("port") or {}), len(host) + len(text), secrets.get(host, secrets.get("", "")),
                bool(secrets),
            )  # fmt: skip
    if spec.get("defaultBackend"):
        raise NotServed(f"{named(thing)}: `defaultBackend` is not served by this stand-in")


def _port(port: Mapping[str, Any]) -> int | str:
    return port["number"] if "number" in port else str(port.get("name", ""))


def of_route(thing: Object) -> Iterator[Route]:
    """The routes of an IngressRoute. Raises NotServed."""
    spec, space = thing.get("spec") or {}, thing["metadata"]["namespace"]
    tls = spec.get("tls")
    entries = tuple(spec.get("entryPoints") or (WEB, WEBSECURE))
    unknown = [each for each in entries if each not in (WEB, WEBSECURE)]
    if unknown:
        raise NotServed(f"{named(thing)}: there is no entry point `{unknown[0]}`")
    # A router with TLS answers encrypted requests only, one without plain ones only.
    served = tuple(each for each in entries if (each == WEBSECURE) == (tls is not None))
    for each in spec.get("routes") or ():
        host, path, exact = matched(each["match"], named(thing))
        services = list(each.get("services") or ())
        if len(services) != 1:
            raise NotServed(f"{named(thing)}: {len(services)} services behind one route")
        service = services[0]
        if service.get("namespace", space) != space:
            raise NotServed(f"{named(thing)}: a service of another namespace, which is not allowed")
        yield Route(
            named(thing), served, host, path, exact, space, service["name"], service.get("port", 0),
            each.get("priority") or len(each["match"]), (tls or {}).get("secretName", ""), tls is not None,
        )  # fmt: skip


def matched(rule: str, source: str) -> tuple[str, str, bool]:
    """Host, path, and whether it is the whole path, of a rule as ``Host(`a`) && PathPrefix(`/b`)``.

    Raises:
        NotServed: it says anything else.
    """
    found: dict[str, str] = {}
    for term in rule.split("&&"):
        match = _TERM.fullmatch(term)
        kind = match[1] if match else ""
        key = "Host" if kind == "Host" else "Path"
        if match is None or key in found:
            raise NotServed(f"{source}: the rule {rule!r} is not understood")
        found[key] = match[2]
        found["kind"] = kind if key == "Path" else found.get("kind", "")
    return _host(found.get("Host", "")), _path(found.get("Path", "/")), found.get("kind") == "Path"


def _host(host: str) -> str:
    if "*" in host:
        raise NotServed(f"the host {host!r}: wildcards are not served by this stand-in")
    return host.lower()


def _path(path: str) -> str:
    if _PATH.fullmatch(path):
        return path
    raise NotServed(f"the path {path!r} is no path")


def endpoints(route: Route, services: Mapping[tuple[str, str], Object], slices: list[Object]) -> list[str]:
    """`ADDRESS:PORT` of every pod that is ready behind a route.

    Raises:
        NotServed: there is no such Service, or it has no such port.
    """
    service = services.get((route.namespace, route.service))
    if service is None:
        raise NotServed(f"{route.source}: there is no Service {route.namespace}/{route.service}")
    ports = (service.get("spec") or {}).get("ports") or ()
    port = next((each for each in ports if route.port in (each.get("name"), each["port"])), None)
    if port is None:
        raise NotServed(f"{route.source}: Service {route.namespace}/{route.service} has no port {route.port}")
    found: dict[str, None] = {}
    for each in slices:
        ports_of = {one.get("name") or "": one.get("port") for one in each.get("ports") or ()}
        number = ports_of.get(port.get("name", ""))
        for endpoint in each.get("endpoints") or () if number else ():
            if (endpoint.get("conditions") or {}).get("ready") is not False:
                found |= dict.fromkeys(f"{address}:{number}" for address in endpoint["addresses"])
    return sorted(found)
