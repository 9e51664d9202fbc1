"""The kinds of Kubernetes itself, told from those of operators, and the package that brings their schemas. Pure."""

from __future__ import annotations

from typing import Final

# Groups that the API server serves without any CRD. Operators use `*.k8s.io` too, so the list is a closed one.
# Source: api/openapi-spec/swagger.json of Kubernetes 1.36, and the groups that it lost: extensions.
GROUPS: Final = frozenset(
    {"", "apps", "autoscaling", "batch", "extensions", "policy"}
    | {
        f"{each}.k8s.io"
        for each in (
            "admissionregistration",
            "apiextensions",
            "apiregistration",
            "authentication",
            "authorization",
            "certificates",
            "coordination",
            "discovery",
            "events",
            "flowcontrol.apiserver",
            "internal.apiserver",
            "networking",
            "node",
            "rbac.authorization",
            "resource",
            "scheduling",
            "storage",
            "storagemigration",
        )
    }
)
NAME: Final = "pypi:kubernetes-validate"


def package(version: tuple[int, int]) -> str:
    """The source of schemas that has the built-in kinds of a version, as `castle schemas pull` takes it."""
    return f"{NAME}=={version[0]}.{version[1]}.0"
