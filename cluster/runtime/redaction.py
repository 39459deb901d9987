"""Redaction of credentials in text that is stored or logged, by the formats of all credentials.

In: text that a client may have written. Out: the same without credentials. Every pattern runs in
linear time: repetitions are bounded, or possessive and tried once for each run of characters. Every
kind of credential has its format here (tests/unit/runtime/test_redaction.py creates one of each).
"""

import re
from dataclasses import dataclass

REDACTED = "[secret]"
MIN_LENGTH = 14  # characters of the shortest text that any shape matches


@dataclass(frozen=True, slots=True)
class CredentialShape:
    """The format of a kind of credential; `pattern` has no groups."""

    name: str
    pattern: str


# Credentials with a distinctive prefix, which ordinary text does not have.
PREFIXED = (
    # mob_<id>_<secret> and mrt_<id>_<secret> (cluster/auth/keys.py, sessions.py)
    CredentialShape("API key or refresh token", r"m(?:ob|rt)_[0-9A-Za-z]{4,32}_[0-9A-Za-z]{24,64}"),
    # whsec_<base64> (cluster/events/signing.py)
    CredentialShape("webhook secret", r"whsec_[\w+/=-]{16,}+"),
    # mobd_<payload>.<mac> (cluster/auth/delegation.py), mobf_<sealed> (cluster/blobs/links.py)
    CredentialShape("delegation or file link", r"mob[df]_[\w-]{16,}+(?:\.[\w-]++)?"),
    # header.payload.signature, RFC 7519. The look-behind and the atomic group make each run of
    # base64url characters be read once, wherever in it the header begins.
    CredentialShape(
        "JSON Web Token",
        r"(?<![\w-])(?>[\w-]*?eyJ)[\w-]{8,}+\.[\w-]++\.[\w-]*+",
    ),
)
# 64 hexadecimal digits: the token of the Ray cluster (cluster/ops/startup.py). SHA-256 digests have
# the same format, so it is removed from logs but does not make a record invalid.
RAY_TOKEN = CredentialShape("Ray cluster token", r"(?<![0-9A-Fa-f])[0-9A-Fa-f]{64}(?![0-9A-Fa-f])")
SHAPES = (*PREFIXED, RAY_TOKEN)


def _union(shapes: tuple[CredentialShape, ...]) -> str:
    return "|".join(shape.pattern for shape in shapes)


_PREFIXED = re.compile(_union(PREFIXED), re.ASCII)
_TEXT = re.compile(_union(SHAPES), re.ASCII)


_MARKERS = ("mob", "mrt_", "whsec_", "eyJ")  # one is in every PREFIXED credential
_HEX_LENGTH = 64


def contains_credential(text: str) -> bool:
    """Whether `text` has a credential with a distinctive prefix."""
    return _PREFIXED.search(text) is not None


def redact(text: str) -> str:
    """`text` with REDACTED in place of each credential. Takes 0.2 us if there can be none."""
    return _TEXT.sub(REDACTED, text) if _may_hold_one(text) else text


def _may_hold_one(text: str) -> bool:
    if len(text) < MIN_LENGTH:
        return False
    return len(text) >= _HEX_LENGTH or any(marker in text for marker in _MARKERS)
