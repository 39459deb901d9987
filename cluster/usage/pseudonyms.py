"""Names of tenants' own users as usage is stored: keyed hashes, so that no row holds a person.

Flows in: the server's pepper, a tenant and a user as the tenant names it. Flows out: the pseudonym.
It is the same in all processes with the same pepper, and differs between tenants. Who knows the
name can ask for its usage; who has the rows alone cannot learn the name.
"""

import re
from hashlib import blake2b

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

PREFIX = "u_"
_BYTES = 16
_PSEUDONYM = re.compile(PREFIX + rf"[0-9a-f]{{{2 * _BYTES}}}", re.ASCII)


class Pseudonyms:
    """Keyed by HKDF-SHA256 (RFC 5869) of the pepper; hashes are BLAKE2b (RFC 7693)."""

    def __init__(self, pepper: bytes) -> None:
        self._key = HKDF(SHA256(), 32, salt=None, info=b"mobula end users").derive(pepper)

    def of(self, tenant: str, user: str) -> str:
        """The pseudonym of a user; empty for none."""
        if not user:
            return ""
        text = f"{tenant}\0{user}".encode(errors="surrogatepass")
        return PREFIX + blake2b(text, key=self._key, digest_size=_BYTES).hexdigest()


def is_pseudonym(text: str) -> bool:
    """Whether `text` has the form of one; a user may be named so too."""
    return _PSEUDONYM.fullmatch(text) is not None
