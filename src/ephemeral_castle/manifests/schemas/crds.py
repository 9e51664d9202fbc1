"""Reads CustomResourceDefinitions into definitions, one for each version, without compiling anything."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ephemeral_castle.manifests.schemas.structural import Definition


def definitions(crd: Mapping[str, Any]) -> Iterator[Definition]:
    """Every version of a CRD (apiextensions.k8s.io/v1), served or not.

    Raises:
        KeyError, TypeError: it is no CRD of v1.
    """
    spec = crd["spec"]
    group, kind = spec["group"], spec["names"]["kind"]
    for version in spec["versions"]:
        name = version["name"]
        sub = version.get("subresources") or {}
        scale = sub.get("scale") or {}
        warns = version.get("deprecationWarning") or f"{group}/{name} {kind} is deprecated"
        yield Definition(
            group=group,
            version=name,
            kind=kind,
            schema=(version.get("schema") or {}).get("openAPIV3Schema")
            or {"x-kubernetes-preserve-unknown-fields": True},
            namespaced=spec.get("scope") == "Namespaced",
            served=bool(version.get("served")),
            deprecated=warns if version.get("deprecated") else "",
            status=sub.get("status") is not None,
            scale=(
                scale.get("specReplicasPath") or "",
                scale.get("statusReplicasPath") or "",
                scale.get("labelSelectorPath") or "",
            ),
        )


def is_crd(document: object) -> bool:
    """Whether a document is a whole one that can be read here, not a patch of one."""
    if not isinstance(document, Mapping) or document.get("kind") != "CustomResourceDefinition":
        return False
    spec = document.get("spec")
    if document.get("apiVersion") != "apiextensions.k8s.io/v1" or not isinstance(spec, Mapping):
        return False
    names, versions = spec.get("names"), spec.get("versions")
    whole = isinstance(spec.get("group"), str) and isinstance(names, Mapping) and isinstance(names.get("kind"), str)
    return (
        whole and isinstance(versions, list) and all(isinstance(each, Mapping) and "name" in each for each in versions)
    )
