"""How a cluster is reached by name: ingress, certificates, addresses."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ephemeral_castle.manifests.living.finding import Fate, Finding, Objects, named, some
from ephemeral_castle.manifests.readiness import Manifest, condition, status

SECTION = "gates"
_HOST = re.compile(r"Host\(([^)]*)\)")


def findings(objects: Objects) -> Iterator[Finding]:
    """Names first, then their certificates, then addresses that others know."""
    for each in (*objects.get("Ingress", ()), *objects.get("IngressRoute", ())):
        fact = some(sorted(hosts(each))) or "no host"
        text = "as in the repository; the names' addresses have to follow: driver `rfc2136`, or whatever sets them now"
        yield Finding(SECTION, named(each), fact, Fate.RETURNS, text)
    for each in objects.get("Certificate", ()):
        yield _certificate(each)
    for each in objects.get("Service", ()):
        if each["spec"].get("type") == "LoadBalancer":
            given = status(each).get("loadBalancer", {}).get("ingress") or ()
            fact = ", ".join(str(one.get("ip") or one.get("hostname")) for one in given) or "no address"
            text = "another cluster may give another address: names and neighbours have to learn it"
            yield Finding(SECTION, named(each), fact, Fate.LOOK, text)


def hosts(manifest: Manifest) -> set[str]:
    """The names that it answers to."""
    spec = manifest["spec"]
    plain = {str(each["host"]) for each in spec.get("rules") or () if each.get("host")}
    routes = [str(each.get("match", "")) for each in spec.get("routes") or ()]
    return plain | {
        own.strip(" `\"'") for route in routes for found in _HOST.findall(route) for own in found.split(",")
    }


def _certificate(certificate: Manifest) -> Finding:
    spec = certificate["spec"]
    issuer = (spec.get("issuerRef") or {}).get("name", "?")
    fact = f"{some(spec.get('dnsNames') or [])} by {issuer}, until {status(certificate).get('notAfter', 'unknown')}"
    if condition(certificate, "Ready").get("status") != "True":
        return Finding(SECTION, named(certificate), f"{fact}, not ready", Fate.LOOK, "mend it first")
    text = f"issued anew in each life, unless Secret {spec.get('secretName')} is there before it"
    return Finding(SECTION, named(certificate), fact, Fate.RENEWED, text)
