"""How this machine's commands know their own cluster where it speaks TLS.

They ask an address of this machine, which no certificate names; but they have the file that the
cluster serves. So they take that certificate, or one that it or its chain has signed, and no other.
"""

import ssl

from cluster.ops.certificate import BadCertificate, read_certificate
from cluster.ops.environment import Profile
from cluster.runtime.settings import Settings


def scheme(settings: Settings) -> str:
    return "http" if settings.tls_cert_file is None else "https"


def certificate_of(settings: Settings) -> str:
    """The file that is served, or "" without TLS."""
    return "" if settings.tls_cert_file is None else str(settings.tls_cert_file.absolute())


def verification(certificate: str) -> ssl.SSLContext | bool:
    """What httpx takes as `verify`. Raises OSError if the file is gone."""
    if not certificate:
        return True
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    context.load_verify_locations(certificate)
    return context


def tls_error(settings: Settings, profile: Profile) -> str | None:
    """Why TLS, where it is asked for, cannot be had."""
    if settings.tls_cert_file is None or settings.tls_key_file is None:
        return None
    if profile == "plain":
        return (
            "MOBULA_TLS_CERT_FILE is set, but HAProxy terminates TLS, and the profile 'plain' has "
            "none: use `--profile fast`, or unset it and MOBULA_TLS_KEY_FILE"
        )
    try:
        read_certificate(settings.tls_cert_file, settings.tls_key_file)
    except BadCertificate as error:
        return str(error)
    return None
