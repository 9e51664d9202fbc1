"""What this driver waits for in its own cluster besides what every kind says of itself: pure."""

from __future__ import annotations

from ephemeral_castle.manifests.readiness import Readiness, ready, waiting
from ephemeral_castle.spi.kubernetes import Judge, Manifest


def signed(ident: str) -> Judge:
    """Judges the ConfigMap `cluster-info`: whether it is signed with the token of that id."""

    def judge(manifest: Manifest | None) -> Readiness:
        data = (manifest or {}).get("data") or {}
        return ready() if f"jws-kubeconfig-{ident}" in data else waiting("it is not signed for this token yet")

    return judge
