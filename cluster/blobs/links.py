"""Download links without a credential: short-lived tokens that only this cluster can make.

In: a tenant, a path, a name to save it under. Out: a token for a URL, and the same again from it. A
token is encrypted with AES-SIV (RFC 5297) under a key derived from the pepper, so it reveals
nothing. It is deterministic, so that links made within a while are equal, as the ETags of responses
with links need. Whether the file exists, and its tenant is active, is checked elsewhere.
"""

import json
import math
from typing import NoReturn

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from cluster.runtime.base64url import decode, encode
from cluster.runtime.clock import Clock
from cluster.runtime.problems import NotFound

PREFIX = "mobf_"  # by it a token is recognised, and redacted from logs
MAX_TOKEN = 2048  # characters
MAX_NAME = 200
STEPS = 8  # in a lifetime: how often the token changes

_INFO = b"mobula/downloads"
_KEY_BYTES = 64
_CONTEXT = [b"1"]  # the format version


class DownloadLinks:
    """`pepper` must be the same in every process that signs or verifies."""

    def __init__(self, pepper: bytes, clock: Clock) -> None:
        self._cipher = AESSIV(HKDF(SHA256(), _KEY_BYTES, salt=None, info=_INFO).derive(pepper))
        self._clock = clock

    def sign(self, tenant: str, path: str, life_s: float, name: str) -> str:
        """A token that is valid for `life_s` seconds (more than 0), and up to an eighth longer.

        `name` is cut to MAX_NAME characters.
        """
        if not 0 < life_s < math.inf:
            raise ValueError("a link lives for a positive and finite time")
        step = life_s / STEPS
        expires = round((math.floor(self._clock.wall() / step) + 1) * step + life_s, 3)
        content = json.dumps([tenant, path, name[:MAX_NAME], expires], ensure_ascii=False)
        sealed = self._cipher.encrypt(content.encode("utf-8", "replace"), _CONTEXT)
        return PREFIX + encode(sealed)

    def verify(self, token: str) -> tuple[str, str, str]:
        """Tenant, path and name. Raises NotFound, always in the same words."""
        if not token.startswith(PREFIX) or len(token) > MAX_TOKEN:
            raise_not_found()
        text = token.removeprefix(PREFIX)
        try:
            sealed = decode(text)
            tenant, path, name, expires = json.loads(self._cipher.decrypt(sealed, _CONTEXT))
        except (InvalidTag, ValueError):
            raise_not_found()
        if expires <= self._clock.wall():
            raise_not_found()
        return tenant, path, name


def raise_not_found() -> NoReturn:
    """For a forged or expired link, and for a file that a valid link no longer finds."""
    raise NotFound("There is no such file, or the link to it has expired.")
