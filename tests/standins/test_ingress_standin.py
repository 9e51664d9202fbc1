"""The stand-in for Traefik: what it makes of Ingresses and IngressRoutes. Caddy itself is tried by the demo."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from testbed.standins.ingress import caddy, routes
from testbed.standins.ingress.controller import Controller
from testbed.standins.ingress.crd import definition
from testbed.standins.ingress.words import CONTROLLER, DEFAULT_CLASS

pytestmark = pytest.mark.evidence("stand-in", "traefik")
VENDORS = Path(__file__).resolve().parents[3] / "shared/crds/traefik/traefik.io_ingressroutes.yaml"
PAIR = caddy.Pair("-----BEGIN CERTIFICATE-----\n", "key")


def meta(name: Any, space: Any = "blog", **more: Any) -> Any:
    return {"name": name, "namespace": space, **more}


def ingress(**spec: Any) -> Any:
    path = {"path": "/", "pathType": "Prefix", "backend": {"service": {"name": "blog", "port": {"name": "http"}}}}
    rule = {"host": "blog.castle.example", "http": {"paths": [path]}}
    return {"kind": "Ingress", "metadata": meta("blog"), "spec": {"rules": [rule], **spec}}


def ingress_route(match: Any, *, port: Any = "http", **spec: Any) -> Any:
    rule = {"match": match, "kind": "Rule", "services": [{"name": "pages", "port": port}]}
    return {"kind": "IngressRoute", "metadata": meta("pages"), "spec": {"routes": [rule], **spec}}


def service(name: Any, port: Any = 80) -> Any:
    return {"kind": "Service", "metadata": meta(name), "spec": {"ports": [{"name": "http", "port": port}]}}


def endpoint_slice(name: Any, *addresses: Any, ready: Any = True, port: Any = 8000) -> Any:
    endpoints = [{"addresses": [each], "conditions": {"ready": ready}} for each in addresses]
    labels = {"kubernetes.io/service-name": name}
    return {"kind": "EndpointSlice", "metadata": meta(f"{name}-1", labels=labels), "endpoints": endpoints,
            "ports": [{"name": "http", "port": port}]}  # fmt: skip


def ingress_class(name: Any = "traefik", controller: Any = CONTROLLER, default: Any = "false") -> Any:
    return {"kind": "IngressClass", "metadata": {"name": name, "annotations": {DEFAULT_CLASS: default}},
            "spec": {"controller": controller}}  # fmt: skip


def test_an_ingress_with_tls_is_served_encrypted_only() -> None:
    tls = [{"hosts": ["blog.castle.example"], "secretName": "blog-tls"}]
    (route,) = routes.of_ingress(ingress(tls=tls))
    assert (route.entries, route.tls, route.secret) == (("websecure",), True, "blog-tls")
    (plain,) = routes.of_ingress(ingress())
    assert (plain.entries, plain.tls, plain.secret) == (("web",), False, "")


@pytest.mark.parametrize(
    ("name", "classes", "ours"),
    [
        ("traefik", [ingress_class()], True),
        ("traefik", [], False),
        ("nginx", [ingress_class(), ingress_class("nginx", "k8s.io/ingress-nginx")], False),
        (None, [ingress_class()], False),
        (None, [ingress_class(default="true")], True),
        (None, [ingress_class("nginx", "k8s.io/ingress-nginx", "true")], False),
    ],
)
def test_only_ingresses_of_our_class_are_ours(name: Any, classes: Any, ours: Any) -> None:
    spec = {"ingressClassName": name} if name else {}
    assert routes.is_ours(ingress(**spec), {each["metadata"]["name"]: each for each in classes}) is ours


@pytest.mark.parametrize(
    ("match", "said"),
    [
        ("Host(`a.example`)", ("a.example", "/", False)),
        ("PathPrefix(`/static/`)", ("", "/static/", False)),
        ("Host(`A.example`) && Path(`/x`)", ("a.example", "/x", True)),
        ("PathPrefix(`/x`)&&Host(`a.example`)", ("a.example", "/x", False)),
    ],
)
def test_rules_that_are_served(match: Any, said: Any) -> None:
    assert routes.matched(match, "it") == said


@pytest.mark.parametrize(
    "match",
    [
        "Host(`a.example`) || Host(`b.example`)", "!Host(`a.example`)", "Host(`a.example`) && Host(`b.example`)",
        "Host(`a.example`) && Header(`x`, `y`)", "Path(`/a`) && PathPrefix(`/b`)", "HostRegexp(`.*`)", "",
        "Host(`*.example`)", "PathPrefix(`x`)", "PathPrefix(`/x*`)",
    ],
)  # fmt: skip
def test_a_rule_that_is_not_understood_becomes_no_wider_one(match: Any) -> None:
    with pytest.raises(routes.NotServed):
        list(routes.of_route(ingress_route(match)))


def test_a_service_of_another_namespace_is_not_served() -> None:
    thing = ingress_route("Host(`a.example`)")
    thing["spec"]["routes"][0]["services"][0]["namespace"] = "other"
    with pytest.raises(routes.NotServed, match="another namespace"):
        list(routes.of_route(thing))


def test_pods_behind_a_route_are_those_that_are_ready() -> None:
    (route,) = routes.of_route(ingress_route("Host(`a.example`)"))
    services = {("blog", "pages"): service("pages")}
    slices = [endpoint_slice("pages", "10.244.1.2"), endpoint_slice("pages", "10.244.1.3", ready=False)]
    assert routes.endpoints(route, services, slices) == ["10.244.1.2:8000"]
    with pytest.raises(routes.NotServed, match="no Service blog/pages"):
        routes.endpoints(route, {}, slices)
    (other,) = routes.of_route(ingress_route("Host(`a.example`)", port=81))
    with pytest.raises(routes.NotServed, match="has no port 81"):
        routes.endpoints(other, services, slices)


def served(
    host: str = "blog.castle.example",
    path: str = "/",
    *,
    upstreams: tuple[str, ...] = ("10.244.1.2:8000",),
    secret: str = "blog-tls",
    priority: int = 5,
) -> caddy.Served:
    route = routes.Route("Ingress blog/blog", ("websecure",), host, path, False, "blog", "blog", 80, priority, secret,
                         tls=True)  # fmt: skip
    return caddy.Served(route, upstreams)


def websecure(*all_served: Any, pairs: Any = ()) -> Any:
    told = caddy.configuration(all_served, {caddy.DEFAULT: PAIR, **dict.fromkeys(pairs, PAIR)})
    return told["apps"]["http"]["servers"]["websecure"]


def test_a_certificate_that_is_missing_leaves_its_host_to_the_default_one() -> None:
    with_one = websecure(served(), pairs=["blog/blog-tls"])["tls_connection_policies"]
    assert with_one[0] == {
        "match": {"sni": ["blog.castle.example"]},
        "certificate_selection": {"any_tag": ["blog/blog-tls"]},
    }
    without = websecure(served())["tls_connection_policies"]
    assert without == [{"certificate_selection": {"any_tag": [caddy.DEFAULT]}}]


def test_no_ready_pod_is_503_and_an_unknown_host_404() -> None:
    first, last = websecure(served(upstreams=()))["routes"]
    assert first["handle"][0]["status_code"] == 503
    assert (last["handle"][0]["status_code"], "match" in last) == (404, False)


def test_the_longer_rule_comes_first_and_paths_are_taken_as_they_are() -> None:
    found = websecure(served(), served(path="/static/", priority=25))["routes"]
    patterns = [each["match"][0]["path_regexp"]["pattern"] for each in found[:2]]
    assert patterns == ["^/static/", "^/"]
    assert websecure(served(path="/a.b"))["routes"][0]["match"][0]["path_regexp"]["pattern"] == r"^/a\.b"


def test_no_key_is_told_to_a_file() -> None:
    assert caddy.configuration((), {})["admin"]["config"] == {"persist": False}
    assert "key" not in repr(PAIR).replace("Pair", "")


class _Server:
    """Plays Caddy."""

    def __init__(self) -> None:
        self.told: list[Any] = []

    def start(self, told: Any) -> None:
        self.told.append(told)

    def load(self, told: Any) -> None:
        self.told.append(told)


class _Api:
    """Plays an API server that holds all of it already; `statuses`: what was written."""

    def __init__(self, *things: Any) -> None:
        self.things = things
        self.statuses: list[Any] = []

    def watch(self, _api: Any, kind: Any, stop: Any = None) -> Any:
        del stop
        yield from (_Change(each) for each in self.things if each["kind"] == kind)

    def patch_status(self, about: Any, status: Any) -> None:
        self.statuses.append((about["metadata"]["name"], status))


class _Change:
    type = "ADDED"

    def __init__(self, thing: Any) -> None:
        self.object = thing


@pytest.fixture(autouse=True)
def _quick(monkeypatch: Any) -> None:
    monkeypatch.setattr(caddy, "default_pair", lambda: PAIR)


def test_one_object_that_is_wrong_takes_no_other_down(caplog: Any) -> None:
    things = [ingress(), ingress_class(default="true"), service("blog"), endpoint_slice("blog", "10.244.1.2"),
              ingress_route("HostRegexp(`.*`)")]  # fmt: skip
    api: Any = _Api(*things)
    server: Any = _Server()
    controller = Controller(api, server, "10.89.78.12")
    for each in ("Ingress", "IngressClass", "IngressRoute", "Service", "EndpointSlice", "Secret"):
        controller._follow("", each)
    controller.once()
    web = server.told[-1]["apps"]["http"]["servers"]["web"]["routes"]
    assert web[0]["handle"][0]["upstreams"] == [{"dial": "10.244.1.2:8000"}]
    assert "the rule 'HostRegexp(`.*`)' is not understood" in caplog.text
    assert api.statuses == [("blog", {"loadBalancer": {"ingress": [{"ip": "10.89.78.12"}]}})]


def differing(ours: Any, theirs: Any, path: Any = "") -> Any:
    """What ours takes and theirs would not."""
    for key, each in ours.get("properties", {}).items():
        other = theirs.get("properties", {}).get(key)
        if other is None:
            if not theirs.get("x-kubernetes-preserve-unknown-fields") and path:
                yield f"{path}.{key} is not theirs"
            continue
        if each.get("type") != other.get("type"):
            yield f"{path}.{key}: {each.get('type')} and {other.get('type')}"
        if set(each.get("enum", other.get("enum", ()))) - set(other.get("enum", each.get("enum", ()))):
            yield f"{path}.{key}: other values"
        yield from differing(each.get("items", each), other.get("items", other), f"{path}.{key}")
    for key in theirs.get("required", ()):
        if key not in ours.get("required", ()):
            yield f"{path}.{key} is required by theirs"


def test_what_our_definition_accepts_the_vendors_accepts() -> None:
    if not VENDORS.exists():
        pytest.skip(f"{VENDORS} is not here")

    def schema(crd: Any) -> Any:
        return crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]

    theirs = yaml.safe_load(VENDORS.read_text())
    assert definition()["spec"]["names"] == theirs["spec"]["names"]
    assert list(differing(schema(definition()), schema(theirs))) == []
