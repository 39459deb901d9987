"""Secrets at rest: sealed under the server's pepper, so that the database alone opens nothing.

Flows in: bytes and what they are for. Flows out: AES-256-GCM text with its nonce in front. The key
is derived from the pepper by HKDF-SHA256 (RFC 5869) under the purpose, so that what one purpose
sealed another cannot open. Knows no tables.
"""

import secrets

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

NONCE_BYTES = 12
KEY_BYTES = 32


class DecryptionFailed(Exception):
    """The text was changed, or was sealed under another pepper, purpose or context."""


class SecretBox:
    """Seals and opens for one purpose, such as `webhooks` or `signing-keys`."""

    def __init__(self, pepper: bytes, purpose: str) -> None:
        info = f"mobula/{purpose}".encode()
        self._cipher = AESGCM(HKDF(SHA256(), KEY_BYTES, salt=None, info=info).derive(pepper))

    def encrypt(self, plain: bytes, context: bytes = b"") -> bytes:
        """`context`, such as the row's id, must be the same when it is opened."""
        nonce = secrets.token_bytes(NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, plain, context)

    def decrypt(self, sealed: bytes, context: bytes = b"") -> bytes:
        """Raises SealBroken."""
        try:
            return self._cipher.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], context)
        except (InvalidTag, ValueError) as error:
            raise DecryptionFailed("a sealed secret cannot be opened with this pepper") from error
