"""The TLS side of a connection to an API server: who it must be, and who we are."""

from __future__ import annotations

import ssl

from ephemeral_castle.errors import Permanent
from ephemeral_castle.spi.kubernetes import ClusterAccess
from ephemeral_castle.world.memory_files import memory_file


def context(access: ClusterAccess) -> ssl.SSLContext:
    """Trusts the cluster's CA and no other, and carries the client's certificate.

    OpenSSL takes certificates from files only: this one never lies on a disk.

    Raises:
        Permanent: CA, certificate or key cannot be read, or do not belong together.
    """
    if not access.ca:
        raise Permanent("the cluster's CA is not known", where=access.server, hints=["castle kubeconfig"])
    try:
        made = ssl.create_default_context(cadata=access.ca)
        made.minimum_version = ssl.TLSVersion.TLSv1_2
        if access.certificate and access.key is not None:
            pem = f"{access.certificate.rstrip()}\n{access.key.reveal().strip()}\n"
            with memory_file("client", pem) as path:
                made.load_cert_chain(path)
    except ssl.SSLError as error:
        why = (error.reason or type(error).__name__).replace("_", " ").lower()  # never the text that was read
        raise Permanent("the cluster's certificates cannot be used", where=access.server, why=why) from None
    return made


def refusal(error: BaseException | None) -> str:
    """Why the server's certificate was not believed; "" when the error is about something else."""
    while error is not None:
        if isinstance(error, ssl.SSLCertVerificationError):
            return error.verify_message or str(error)
        error = error.__cause__ or error.__context__
    return ""
