"""Completions, chunks and entries as bytes, and their encryption for tiers beyond this process.

In: completions, chunks, entries. Out: bytes, and back. An encrypted value is a format byte, a
nonce, and AES-256-GCM over its MessagePack (zstd-compressed above 512 bytes). Each cache key has an
encryption key of its own, derived from the tenant's secret, and is the associated data: a value
that was encrypted for one key, tenant or purpose decrypts for no other.
"""

import hmac
import secrets

import msgspec
import zstandard
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from deployments.contracts.cache import Entry
from deployments.contracts.generation import Chunk, Completion

SCHEMA = 1  # raise it whenever old bytes would be misread; they then count as missing
NONCE_BYTES = 12
COMPRESS_ABOVE = 512  # bytes; smaller ones gain nothing
LEVEL = 1  # of zstd: 2.5 ms for 1 MB of prose; level 3 takes twice as long for a tenth less
LIMIT_BYTES = 64 * 2**20  # nothing larger is decompressed, whatever its header says

_SCHEMA_BYTE = bytes([SCHEMA])
_PLAIN, _ZSTD = b"\0", b"\1"
_ENTRY, _FRAMES = b"entry", b"frames"

_encoder = msgspec.msgpack.Encoder()
_completion = msgspec.msgpack.Decoder(Completion)
_chunks = msgspec.msgpack.Decoder(tuple[Chunk, ...])
_entry = msgspec.msgpack.Decoder(Entry)


def encode(completion: Completion) -> bytes:
    return _SCHEMA_BYTE + _encoder.encode(completion)


def decode(body: bytes) -> Completion:
    """The inverse of `encode`. Raises ValueError for bytes of another schema, or for none at all;
    the body of a decrypted Entry always decodes.
    """
    if body[:1] != _SCHEMA_BYTE:
        raise ValueError(f"not of schema {SCHEMA}")
    return _completion.decode(memoryview(body)[1:])


def encode_chunks(chunks: tuple[Chunk, ...]) -> bytes:
    return _SCHEMA_BYTE + _encoder.encode(chunks)


def decode_chunks(body: bytes) -> tuple[Chunk, ...]:
    """The inverse of `encode_chunks`; raises ValueError as `decode` does."""
    if body[:1] != _SCHEMA_BYTE:
        raise ValueError(f"not of schema {SCHEMA}")
    return _chunks.decode(memoryview(body)[1:])


class AesGcmCodec:
    """Encrypts and decrypts for one tenant; may be shared by threads."""

    def __init__(self, secret: bytes) -> None:
        self._root = hmac.digest(secret, b"mobula cache sealing", "sha256")

    def encrypt(self, key: bytes, entry: Entry) -> bytes:
        return self._encrypt(_ENTRY, key, _encoder.encode(entry))

    def decrypt(self, key: bytes, sealed: bytes) -> Entry | None:
        """The entry; None for bytes that were not encrypted for `key` under the present schema."""
        packed = self._decrypt(_ENTRY, key, sealed)
        try:
            return None if packed is None else _entry.decode(packed)
        except ValueError:
            return None

    def encrypt_frames(self, key: bytes, chunks: tuple[Chunk, ...]) -> bytes:
        """One frame of the log of the computation for `key`."""
        return self._encrypt(_FRAMES, key, encode_chunks(chunks))

    def decrypt_frames(self, key: bytes, sealed: bytes) -> tuple[Chunk, ...] | None:
        """The chunks of one frame; None as for `decrypt`."""
        packed = self._decrypt(_FRAMES, key, sealed)
        try:
            return None if packed is None else decode_chunks(packed)
        except ValueError:
            return None

    def _encrypt(self, purpose: bytes, key: bytes, packed: bytes) -> bytes:
        nonce = secrets.token_bytes(NONCE_BYTES)
        cipher = self._cipher(purpose, key)
        return _SCHEMA_BYTE + nonce + cipher.encrypt(nonce, _compress(packed), _SCHEMA_BYTE + key)

    def _decrypt(self, purpose: bytes, key: bytes, sealed: bytes) -> bytes | None:
        if sealed[:1] != _SCHEMA_BYTE:
            return None
        nonce, content = sealed[1 : 1 + NONCE_BYTES], sealed[1 + NONCE_BYTES :]
        try:
            compressed = self._cipher(purpose, key).decrypt(nonce, content, _SCHEMA_BYTE + key)
            return _decompress(compressed)
        except (InvalidTag, ValueError, zstandard.ZstdError):
            return None

    def _cipher(self, purpose: bytes, key: bytes) -> AESGCM:
        """A key for each cache key, so that random nonces never exhaust one (2**32 messages)."""
        return AESGCM(hmac.digest(self._root, purpose + b"\0" + key, "sha256"))


def _compress(packed: bytes) -> bytes:
    if len(packed) <= COMPRESS_ABOVE:
        return _PLAIN + packed
    return _ZSTD + zstandard.ZstdCompressor(level=LEVEL).compress(packed)


def _decompress(compressed: bytes) -> bytes:
    if compressed[:1] == _PLAIN:
        return compressed[1:]
    content = memoryview(compressed)[1:]
    if not 0 <= zstandard.frame_content_size(content) <= LIMIT_BYTES:
        raise ValueError("too large, or of unknown size")
    return zstandard.ZstdDecompressor().decompress(content)
