"""TLS verification of the local cluster by this machine's commands.

The commands use an address of this machine, which no certificate names, but they have the
certificate file. So they accept that certificate, or one that it or its chain has signed, only.
"""

import ssl

from cluster.ops.certificate import BadCertificate, read_certificate
from cluster.ops.environment import Profile
from cluster.runtime.settings import Settings


def scheme(settings: Settings) -> str:
    return "http" if settings.tls_cert_file is None else "https"


def certificate_of(settings: Settings) -> str:
    """The certificate file, or "" without TLS."""
    return "" if settings.tls_cert_file is None else str(settings.tls_cert_file.absolute())


def verification(certificate: str) -> ssl.SSLContext | bool:
    """httpx's `verify` argument. Raises OSError if the file is missing."""
    if not certificate:
        return True
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    context.load_verify_locations(certificate)
    return context


def tls_error(settings: Settings, profile: Profile) -> str | None:
    """Why the configured TLS cannot be used; None if it can or is off."""
    if settings.tls_cert_file is None or settings.tls_key_file is None:
        return None
    if profile == "plain":
        return (
            "MOBULA_TLS_CERT_FILE is set, but TLS needs HAProxy, which the profile 'plain' lacks: "
            "use `--profile fast`, or unset it and MOBULA_TLS_KEY_FILE"
        )
    try:
        read_certificate(settings.tls_cert_file, settings.tls_key_file)
    except BadCertificate as error:
        return str(error)
    return None
