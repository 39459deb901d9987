"""The keys of the audit trail, derived from the server's pepper.

Flows in: the pepper. Flows out: the key that chains records and the key pair that signs
checkpoints. Nothing is stored: whoever holds the pepper has them, nobody else does. The public
half is written beside the checkpoints, so that anybody can check their signatures.
"""

from dataclasses import dataclass
from typing import Self

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat


@dataclass(frozen=True, slots=True, repr=False)
class AuditKeys:
    """`chain` keys the MAC of every record; `signing` signs checkpoints."""

    chain: bytes
    signing: Ed25519PrivateKey

    @classmethod
    def derive(cls, pepper: bytes) -> Self:
        """Both keys by HKDF-SHA256 (RFC 5869)."""
        seed = _derived(pepper, b"mobula audit checkpoints")
        return cls(
            _derived(pepper, b"mobula audit chain"), Ed25519PrivateKey.from_private_bytes(seed)
        )

    @property
    def public(self) -> Ed25519PublicKey:
        return self.signing.public_key()

    @property
    def public_pem(self) -> bytes:
        return self.public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def _derived(pepper: bytes, purpose: bytes) -> bytes:
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=purpose).derive(pepper)
