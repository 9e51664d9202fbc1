"""The kinds of Kubernetes itself, told from those of operators, and the package that brings their schemas. Pure."""

from __future__ import annotations

import re
from typing import Final

from ephemeral_castle.manifests.schemas.lock import Lock

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


_PINNED: Final = re.compile(rf"{re.escape(NAME)}==(\d+)\.(\d+)")


def pinned(lock: Lock) -> tuple[int, int] | None:
    """The version whose built-in kinds a lock pins; None: it pins none, or does not say of which version."""
    found = next(filter(None, (_PINNED.match(each.name) for each in lock.sources)), None)
    return (int(found[1]), int(found[2])) if found else None


def package(version: tuple[int, int]) -> str:
    """The source of schemas that has the built-in kinds of a version, as `castle schemas pull` takes it."""
    return f"{NAME}=={version[0]}.{version[1]}.0"
