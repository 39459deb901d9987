"""TLS of links: Ray's, where Ray's is configured.

In: RAY_USE_TLS and its three files. Out: contexts for both sides, each of which demands a
certificate of Ray's authority from the other. Host names are not compared: replicas listen on
addresses, and each side proves that it has the link's secret.
"""

import ssl

from cluster.runtime.settings import RayTlsSettings


def server_context() -> ssl.SSLContext | None:
    """For a replica's listener; None without TLS. Raises OSError or ValueError."""
    return _context(RayTlsSettings(), ssl.PROTOCOL_TLS_SERVER)


def client_context() -> ssl.SSLContext | None:
    """For a connection to a replica; None without TLS. Raises OSError or ValueError."""
    return _context(RayTlsSettings(), ssl.PROTOCOL_TLS_CLIENT)


def _context(settings: RayTlsSettings, side: int) -> ssl.SSLContext | None:
    if not settings.use_tls:
        return None
    certificate, authority = settings.tls_server_cert, settings.tls_ca_cert
    if certificate is None or settings.tls_server_key is None or authority is None:
        raise ValueError("RAY_USE_TLS needs RAY_TLS_SERVER_CERT, _SERVER_KEY and _CA_CERT")
    context = ssl.SSLContext(side)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_REQUIRED
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(certificate, settings.tls_server_key)
    context.load_verify_locations(authority)
    return context
