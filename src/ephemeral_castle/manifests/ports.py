"""What this package cannot do by itself and others may hand in: `kubectl kustomize`, `helm template`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from ephemeral_castle.manifests.tree import Map


class PortFailed(Exception):
    """The program was there and refused. The text: its words."""


@dataclass(frozen=True)
class Chart:
    """A release of a chart that lies in the repository.

    Attributes:
        path: directory of the chart, relative to the repository.
        release: its name.
        namespace: into which it is installed.
        values: those of the release alone.
    """

    path: str
    release: str
    namespace: str
    values: Map = field(default_factory=Map)


@dataclass(frozen=True)
class Ports:
    """Programs of this computer; None where one is not installed, or not to be used.

    Attributes:
        kubectl: what `kubectl kustomize` prints of a directory relative to the repository; raises PortFailed.
        helm: what `helm template` prints of a chart; raises PortFailed.
    """

    kubectl: Callable[[str], str] | None = None
    helm: Callable[[Chart], str] | None = None
