"""When the key of a context ends: a run that goes on for hours must not lose it between two lives. Pure."""

from __future__ import annotations

import base64
import binascii
import json

from ephemeral_castle.drivers.kubeconfig.options import KubeconfigOptions
from ephemeral_castle.errors import Refused
from ephemeral_castle.spi.kubernetes import ClusterAccess

LONGEST_RUN = 4 * 3600.0  # seconds that a key must still hold
SOON = 7 * 86400.0  # seconds, below which a person is told


def ends(access: ClusterAccess) -> float | None:
    """Unix seconds at which certificate or token end, whichever is first; None where neither tells."""
    known = [at for at in (_certificate(access), _token(access)) if at is not None]
    return min(known, default=None)


def _certificate(access: ClusterAccess) -> float | None:
    if not access.certificate:
        return None
    from cryptography import x509

    try:
        return x509.load_pem_x509_certificate(access.certificate.encode()).not_valid_after_utc.timestamp()
    except ValueError:
        return None  # the API server will say what is wrong with it


def _token(access: ClusterAccess) -> float | None:
    """`exp` of a JSON web token (RFC 7519 section 4.1.4); other tokens do not tell."""
    parts = access.token.reveal().split(".") if access.token else []
    if len(parts) != len(("header", "claims", "signature")):
        return None
    try:
        claims = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except (ValueError, binascii.Error):
        return None
    exp = claims.get("exp") if isinstance(claims, dict) else None
    return float(exp) if isinstance(exp, int | float) else None


def ended(at: float | None, now: float, options: KubeconfigOptions) -> Refused | None:
    """Why no run may begin with a key that ends then; None when one may."""
    if at is None or at - now >= LONGEST_RUN:
        return None
    left = at - now
    why = f"it ended {_told(-left)} ago" if left <= 0 else f"it ends in {_told(left)}, and a run may take longer"
    return Refused(
        f"the key of context `{options.context}` does not outlive a run",
        why=why,
        state="nothing was changed",
        hints=[
            "write a newer client certificate or token into the kubeconfig",
            "an account of castle's own: docs/guides/adopt.md",
        ],
    )


def warning(at: float | None, now: float, options: KubeconfigOptions) -> str:
    """A word where the key ends soon; or ""."""
    soon = at is not None and at - now < SOON
    return f"the key of context `{options.context}` ends in {_told(at - now)}" if at is not None and soon else ""


def _told(seconds: float) -> str:
    days, hours = int(seconds // 86400), int(seconds % 86400 // 3600)
    return f"{days} d {hours} h" if days else f"{hours} h {int(seconds % 3600 // 60)} min"
