"""What log lines are made of: which request they are about, and text without credentials.

In: text that is to be logged or stored. Out: the same without credentials and without characters
that a terminal acts on. Lines are made in cluster/logs.

Every credential that Mobula issues has its pattern here (tests/unit/runtime/test_redaction.py
issues one of each). The patterns are linear in their input: a repetition is bounded, or possessive
and tried once for each run of the characters that it matches.
"""

import re
from contextvars import ContextVar
from dataclasses import dataclass

REDACTED = "[secret]"
MIN_LENGTH = 14  # characters of the shortest text that any pattern matches


@dataclass(frozen=True, slots=True)
class CredentialShape:
    """`pattern` matches credentials of the kind `name`; it has no groups."""

    name: str
    pattern: str


# Credentials with a prefix. Ordinary text does not match by accident.
PREFIXED = (
    # mob_<id>_<secret> and mrt_<id>_<secret> (cluster/auth/keys.py, sessions.py)
    CredentialShape("API key or refresh token", r"m(?:ob|rt)_[0-9A-Za-z]{4,32}_[0-9A-Za-z]{24,64}"),
    # whsec_<base64> (cluster/events/signing.py)
    CredentialShape("webhook secret", r"whsec_[\w+/=-]{16,}+"),
    # mobd_<payload>.<mac> (cluster/auth/delegation.py), mobf_<sealed> (cluster/blobs/links.py)
    CredentialShape("delegation or file link", r"mob[df]_[\w-]{16,}+(?:\.[\w-]++)?"),
    # header.payload.signature, RFC 7519. By the look-behind and the atomic group, each run of
    # base64url characters is read once, wherever in it the header begins.
    CredentialShape(
        "JSON Web Token",
        r"(?<![\w-])(?>[\w-]*?eyJ)[\w-]{8,}+\.[\w-]++\.[\w-]*+",
    ),
)
# 64 hexadecimal digits: the token of the Ray cluster (cluster/ops/startup.py). Digests of content
# match it too, so it is removed from logs, but is no reason to refuse a record.
RAY_TOKEN = CredentialShape("Ray cluster token", r"(?<![0-9A-Fa-f])[0-9A-Fa-f]{64}(?![0-9A-Fa-f])")
SHAPES = (*PREFIXED, RAY_TOKEN)


def _union(shapes: tuple[CredentialShape, ...]) -> str:
    return "|".join(shape.pattern for shape in shapes)


_PREFIXED = re.compile(_union(PREFIXED), re.ASCII)
_TEXT = re.compile(_union(SHAPES), re.ASCII)


_MARKERS = ("mob", "mrt_", "whsec_", "eyJ")  # one is in every PREFIXED credential
_HEX_LENGTH = 64


def contains_credential(text: str) -> bool:
    """Whether `text` contains a credential with a prefix."""
    return _PREFIXED.search(text) is not None


def redact(text: str) -> str:
    """`text` with REDACTED in place of each credential. Costs 0.2 us for short text without one."""
    is_short = len(text) < MIN_LENGTH
    if is_short or (len(text) < _HEX_LENGTH and not any(marker in text for marker in _MARKERS)):
        return text
    return _TEXT.sub(REDACTED, text)


# Characters that a terminal or a line reader does not take for plain text: C1 controls (U+0085 ends
# a line), the line and paragraph separators, bidirectional controls (UAX 9), and invisible ones:
# zero width, byte order mark, tags.
_ACTIVE = (
    (0x7F, 0x9F), (0xAD, 0xAD), (0x61C, 0x61C), (0x180E, 0x180E), (0x200B, 0x200F),
    (0x2028, 0x202E), (0x2060, 0x206F), (0xFEFF, 0xFEFF), (0xFFF9, 0xFFFB), (0xE0000, 0xE0FFF),
)  # fmt: skip


def _escape(code: int) -> str:
    utf16 = chr(code).encode("utf-16-be")
    return "".join(f"\\u{utf16[i]:02x}{utf16[i + 1]:02x}" for i in range(0, len(utf16), 2))


_ESCAPES = {code: _escape(code) for first, last in _ACTIVE for code in range(first, last + 1)}


def escape_active(line: bytes) -> bytes:
    """A line of JSON (UTF-8) with such characters escaped as `\\uXXXX` (RFC 8259 section 7).

    The encoded value stays the same. Costs nothing for ASCII.
    """
    if line.isascii() and b"\x7f" not in line:
        return line
    return line.decode("utf-8", "replace").translate(_ESCAPES).encode()


logged_request: ContextVar[tuple[str, str]] = ContextVar("logged_request", default=("", ""))
"""Request id and tenant in the log lines of this task and of the tasks that it starts."""
logged_trace: ContextVar[tuple[str, str]] = ContextVar("logged_trace", default=("", ""))
"""Trace id and span id (W3C, hexadecimal) in the same lines, where a trace is named or sampled."""
