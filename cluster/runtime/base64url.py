"""Canonical base64url without padding (RFC 4648, section 5).

Python's decoder accepts padding, ignored characters and stray bits, so that one token has several
encodings; this one accepts only the encoding of `encode`.
"""

import base64


def encode(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def decode(text: str) -> bytes:
    """Raises ValueError for any other encoding than that of `encode`."""
    padded = text.encode("ascii") + b"=" * (-len(text) % 4)
    raw = base64.b64decode(padded, b"-_", validate=True)
    if encode(raw) != text:
        raise ValueError("not canonical base64url")
    return raw
