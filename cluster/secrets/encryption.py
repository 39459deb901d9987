"""Encryption of secrets at rest with the server's pepper, which is not in the database.

In: bytes and their purpose. Out: nonce and AES-256-GCM ciphertext. The key is derived from the
pepper by HKDF-SHA256 (RFC 5869) with the purpose, so that purposes cannot decrypt each other's
secrets. Knows no tables.
"""

import secrets

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

NONCE_BYTES = 12
KEY_BYTES = 32


class DecryptionFailed(Exception):
    """The ciphertext was changed, or encrypted with another pepper, purpose or context."""


class SecretBox:
    """Encrypts and decrypts for one purpose, such as `webhooks` or `signing-keys`."""

    def __init__(self, pepper: bytes, purpose: str) -> None:
        info = f"mobula/{purpose}".encode()
        self._cipher = AESGCM(HKDF(SHA256(), KEY_BYTES, salt=None, info=info).derive(pepper))

    def encrypt(self, plain: bytes, context: bytes = b"") -> bytes:
        """Encrypts; decryption needs the same `context`, such as the row's id."""
        nonce = secrets.token_bytes(NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, plain, context)

    def decrypt(self, sealed: bytes, context: bytes = b"") -> bytes:
        """Raises DecryptionFailed."""
        try:
            return self._cipher.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], context)
        except (InvalidTag, ValueError) as error:
            raise DecryptionFailed("a secret cannot be decrypted with this pepper") from error
