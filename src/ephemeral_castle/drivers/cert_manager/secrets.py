"""The Secret of a Certificate as cert-manager would have written it. Pure.

Found there with these labels and annotations it is taken as it is. Without them cert-manager first writes its own,
with an empty issuer, and then issues anew because the issuer is not the wanted one.
Source: cert-manager v1.21, internal/controller/certificates/policies.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping

from ephemeral_castle.drivers.cert_manager.options import CarriedOptions
from ephemeral_castle.spi.kubernetes import Manifest, Ref
from ephemeral_castle.spi.secret import Secret

GROUP = "cert-manager.io"
API, CERTIFICATE = f"{GROUP}/v1", "Certificate"
KIND = "kubernetes.io/tls"
LABEL = "controller.cert-manager.io/fao"


def manifest(options: CarriedOptions, chain: Secret, key: Secret, labels: Mapping[str, str]) -> Manifest:
    """The Secret.

    Args:
        options: which Certificate it is for.
        chain: of the certificate, the server's own first (PEM).
        key: its private key (PEM).
        labels: that mark it as castle's.
    """
    notes = {
        f"{GROUP}/certificate-name": options.name,
        f"{GROUP}/issuer-name": options.issuer.name,
        f"{GROUP}/issuer-kind": options.issuer.kind,
        f"{GROUP}/issuer-group": options.issuer.group,
    }
    meta = {"name": options.secret, "namespace": options.namespace, "labels": {**labels, LABEL: "true"},
            "annotations": notes}  # fmt: skip
    data = {"tls.crt": _coded(chain), "tls.key": _coded(key)}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": meta, "type": KIND, "data": data}


def _coded(value: Secret) -> str:
    return base64.b64encode(value.reveal().encode()).decode()


def holds(live: Manifest | None, wanted: Manifest) -> bool:
    """Whether a Secret has the wanted key and chain, and what makes cert-manager take them."""
    if live is None:
        return False
    meta = live["metadata"]
    pairs = (
        (live.get("data"), wanted["data"]),
        (meta.get("labels"), {LABEL: "true"}),
        (meta.get("annotations"), wanted["metadata"]["annotations"]),
    )
    return all((found or {}).get(key) == value for found, needed in pairs for key, value in needed.items())


def certificate(options: CarriedOptions) -> Ref:
    """The Certificate."""
    return Ref(API, CERTIFICATE, options.name, options.namespace)


def issued(found: Manifest | None) -> int:
    """How often cert-manager has issued it in this life; 0 for one that it took as it was."""
    return int(((found or {}).get("status") or {}).get("revision") or 0)
