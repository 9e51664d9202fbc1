"""The definition of IngressRoute: strict, and of the fields that this stand-in serves, nothing else.

What it accepts, the vendor's definition accepts as well; a field that the stand-in does not serve is refused by the API
server with its path, instead of being ignored in silence.
"""

from __future__ import annotations

from typing import Any

from .words import API, ROUTE, WEB, WEBSECURE

Schema = dict[str, Any]
TEXT: Schema = {"type": "string"}
PORT: Schema = {"anyOf": [{"type": "integer"}, {"type": "string"}], "x-kubernetes-int-or-string": True}


def _thing(properties: Schema, *required: str) -> Schema:
    return {"type": "object", "properties": properties, **({"required": list(required)} if required else {})}


def definition() -> Schema:
    """The CustomResourceDefinition."""
    service = _thing({"kind": {"type": "string", "enum": ["Service"]}, "name": TEXT, "port": PORT}, "name", "port")
    rule = {
        "kind": {"type": "string", "enum": ["Rule"]},
        "match": TEXT,
        "priority": {"type": "integer", "maximum": 9223372036854774807},
        "services": {"type": "array", "items": service, "minItems": 1, "maxItems": 1},
    }
    spec = {
        "entryPoints": {"type": "array", "items": {"type": "string", "enum": [WEB, WEBSECURE]}},
        "routes": {"type": "array", "items": _thing(rule, "match", "services")},
        "tls": _thing({"secretName": TEXT}),
    }
    schema = _thing(
        {"apiVersion": TEXT, "kind": TEXT, "metadata": {"type": "object"}, "spec": _thing(spec, "routes")},
        "metadata", "spec",
    )  # fmt: skip
    group, version = API.split("/")
    plural = f"{ROUTE.lower()}s"
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{group}"},
        "spec": {
            "group": group,
            "names": {"kind": ROUTE, "listKind": f"{ROUTE}List", "plural": plural, "singular": ROUTE.lower()},
            "scope": "Namespaced",
            "versions": [
                {"name": version, "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}},
            ],
        },
    }
