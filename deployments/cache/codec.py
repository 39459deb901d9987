"""Answers and pieces of streams as bytes, and those bytes sealed for tiers that must not read them.

In: completions, chunks, entries. Out: bytes, and back. Sealed is: a format byte, a nonce, and
AES-256-GCM over the (for more than 512 bytes, zstd-compressed) MessagePack of it. Every cache key
has a key of its own, derived from the tenant's secret, and is bound in as associated data: what
was sealed for one key, tenant or purpose opens for no other.
"""

import hmac
import secrets

import msgspec
import zstandard
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from deployments.contracts.cache import Entry
from deployments.contracts.generation import Chunk, Completion

SCHEMA = 1  # raise it whenever old bytes would be read wrongly; they are then missing
NONCE_BYTES = 12
COMPRESS_ABOVE = 512  # bytes; smaller ones gain nothing
LEVEL = 1  # of zstd: 2.5 ms for 1 MB of prose; level 3 takes twice that for a tenth less
LIMIT_BYTES = 64 * 2**20  # nothing larger is unpacked, whatever its header says

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
    """What `encode` was given. Raises ValueError for bytes of another schema, or for none at all;
    those of an opened Entry always decode.
    """
    return _completion.decode(_of_this_schema(body))


def encode_chunks(chunks: tuple[Chunk, ...]) -> bytes:
    return _SCHEMA_BYTE + _encoder.encode(chunks)


def decode_chunks(body: bytes) -> tuple[Chunk, ...]:
    """What `encode_chunks` was given; raises ValueError as `decode` does."""
    return _chunks.decode(_of_this_schema(body))


class AesGcmCodec:
    """Seals and opens for one tenant; may be shared by threads."""

    def __init__(self, secret: bytes) -> None:
        self._root = hmac.digest(secret, b"mobula cache sealing", "sha256")

    def encrypt(self, key: bytes, entry: Entry) -> bytes:
        return self._seal(_ENTRY, key, _encoder.encode(entry))

    def decrypt(self, key: bytes, sealed: bytes) -> Entry | None:
        """The entry; None for whatever this did not seal for `key` under the present schema."""
        packed = self._open(_ENTRY, key, sealed)
        try:
            return None if packed is None else _entry.decode(packed)
        except ValueError:
            return None

    def encrypt_frames(self, key: bytes, chunks: tuple[Chunk, ...]) -> bytes:
        """One frame of the log of the flight for `key`."""
        return self._seal(_FRAMES, key, encode_chunks(chunks))

    def decrypt_frames(self, key: bytes, sealed: bytes) -> tuple[Chunk, ...] | None:
        """The chunks of one frame; None as `open` gives it."""
        packed = self._open(_FRAMES, key, sealed)
        try:
            return None if packed is None else decode_chunks(packed)
        except ValueError:
            return None

    def _seal(self, purpose: bytes, key: bytes, packed: bytes) -> bytes:
        nonce = secrets.token_bytes(NONCE_BYTES)
        box = self._cipher(purpose, key).encrypt(nonce, _squeezed(packed), _SCHEMA_BYTE + key)
        return _SCHEMA_BYTE + nonce + box

    def _open(self, purpose: bytes, key: bytes, sealed: bytes) -> bytes | None:
        if sealed[:1] != _SCHEMA_BYTE:
            return None
        nonce, box = sealed[1 : 1 + NONCE_BYTES], sealed[1 + NONCE_BYTES :]
        try:
            opened = self._cipher(purpose, key).decrypt(nonce, box, _SCHEMA_BYTE + key)
            return _unsqueezed(opened)
        except (InvalidTag, ValueError, zstandard.ZstdError):
            return None

    def _cipher(self, purpose: bytes, key: bytes) -> AESGCM:
        """A key for each cache key, so that random nonces never wear one out (2**32 messages)."""
        return AESGCM(hmac.digest(self._root, purpose + b"\0" + key, "sha256"))


def _of_this_schema(body: bytes) -> memoryview:
    if body[:1] != _SCHEMA_BYTE:
        raise ValueError(f"not of schema {SCHEMA}")
    return memoryview(body)[1:]


def _squeezed(packed: bytes) -> bytes:
    if len(packed) <= COMPRESS_ABOVE:
        return _PLAIN + packed
    return _ZSTD + zstandard.ZstdCompressor(level=LEVEL).compress(packed)


def _unsqueezed(squeezed: bytes) -> bytes:
    if squeezed[:1] == _PLAIN:
        return squeezed[1:]
    content = memoryview(squeezed)[1:]
    if not 0 <= zstandard.frame_content_size(content) <= LIMIT_BYTES:
        raise ValueError("too large, or of unknown size")
    return zstandard.ZstdDecompressor().decompress(content)
