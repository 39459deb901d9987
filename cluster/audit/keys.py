"""Keys of the audit trail, derived from the server's pepper.

In: the pepper. Out: the key of the chains and the key pair that signs checkpoints. They are not
stored: they require the pepper. The public key is written to the folder of the checkpoints, so that
anyone can verify signatures.
"""

from dataclasses import dataclass
from typing import Self

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat


@dataclass(frozen=True, slots=True, repr=False)
class AuditKeys:
    """`chain` is the key of record MACs; `signing` signs checkpoints."""

    chain: bytes
    signing: Ed25519PrivateKey

    @classmethod
    def derive(cls, pepper: bytes) -> Self:
        """Derives both keys by HKDF-SHA256 (RFC 5869)."""
        seed = _derive(pepper, b"mobula audit checkpoints")
        return cls(
            _derive(pepper, b"mobula audit chain"), Ed25519PrivateKey.from_private_bytes(seed)
        )

    @property
    def public(self) -> Ed25519PublicKey:
        return self.signing.public_key()

    @property
    def public_pem(self) -> bytes:
        return self.public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def _derive(pepper: bytes, purpose: bytes) -> bytes:
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=purpose).derive(pepper)
