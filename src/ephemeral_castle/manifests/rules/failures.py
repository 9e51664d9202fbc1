"""Every failure that the rebirths of one castle met, and where this castle meets it."""

from __future__ import annotations

from ephemeral_castle.manifests.rules import (
    failures_cluster,
    failures_data,
    failures_ground,
    failures_network,
    failures_portal,
)
from ephemeral_castle.manifests.rules.failure import Failure

FAILURES: tuple[Failure, ...] = (
    *failures_portal.FAILURES,
    *failures_ground.FAILURES,
    *failures_cluster.FAILURES,
    *failures_data.FAILURES,
    *failures_network.FAILURES,
)
