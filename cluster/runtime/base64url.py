"""Base64url without padding (RFC 4648, section 5), in one spelling for each byte string.

Python's own decoder takes padding, characters of no meaning and stray bits at the end, so that one
token has several spellings; here each but that of `encode` is refused.
"""

import base64


def encode(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def decode(text: str) -> bytes:
    """Raises ValueError for any spelling but the one of `encode`."""
    padded = text.encode("ascii") + b"=" * (-len(text) % 4)
    raw = base64.b64decode(padded, b"-_", validate=True)
    if encode(raw) != text:
        raise ValueError("not the one spelling")
    return raw
