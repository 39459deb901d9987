"""When the TLS certificate and the operator's keys expire.

In: the certificate's file, the directory of credentials. Out: readings, at the scrape only. The
file is read again when it has changed.
"""

import logging
from collections.abc import Callable, Iterator
from pathlib import Path

from cryptography import x509

from cluster.metrics.catalogue import credentials
from cluster.metrics.series import Reading, Source

logger = logging.getLogger("mobula.metrics")


def expiry_source(certificate: Path | None, key_expiry: Callable[[], float | None]) -> Source:
    """`certificate` is a PEM file whose first certificate is the server's; None: no TLS."""
    file = None if certificate is None else CertificateFile(certificate)

    def read() -> Iterator[Reading]:
        expires = None if file is None else file.expires
        yield credentials.CERTIFICATE, [] if expires is None else [((), expires)]
        soonest = key_expiry()
        yield credentials.OPERATOR_KEY, [] if soonest is None else [((), soonest)]

    return read


class CertificateFile:
    """The operator replaces it while we run."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._changed = 0
        self._expires: float | None = None

    @property
    def expires(self) -> float | None:
        """Unix seconds; of the last file that could be read. None: none could."""
        try:
            changed = self._path.stat().st_mtime_ns
            if changed != self._changed:
                self._changed = changed
                first = x509.load_pem_x509_certificate(self._path.read_bytes())
                self._expires = first.not_valid_after_utc.timestamp()
        except (OSError, ValueError) as error:
            logger.warning("the certificate's expiry cannot be read: %s", error)
        return self._expires
