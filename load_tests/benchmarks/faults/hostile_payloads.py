"""Texts that make parsers and patterns work hard: repeated beginnings of what they look for.

A shape is three byte strings: what stands in front, what is repeated, what stands behind. Patterns
that try again at each place, or give back what they took, are slow on one of these; so are parsers
with a cost for each token.
"""

from dataclasses import dataclass

# What grammars begin, join, and end with, and what looks almost like it.
UNITS = (
    "a", "0", " ", "\t", "\n", "\r", "\r\n", "-", "_", ".", ",", ";", ":", "=", "/", "\\", '"',
    "'", "*", "**", "#", "# ", "#a", "#1 ", "@", "<", "<|", "<b ", "{", "[", "(", "{\\", "%", "%41",
    "&", "+", "~", "`", "```", "|", "!", "?", "...", "**a ", "__a ", '"a', '",', '\\"', "W/", 'W/"',
    "eyJ", "eyJaaaaaaaa.", "mob_", "mob_aaaa_", "mobd_", "whsec_", "mrt_aaaa_", "bytes=", "a=",
    "a,", "1-", "1.", "1:", "wait =", "a@", "a b", "http://", "aaaa aaaa ", "YWJj ", "\u0301",
    "\u200d", "\U0001f468\u200d", "\U0001f1e9", "\u00e9", "\u4e2d", "\u3002", "\u2028", "\u202e",
    "\u0635",
)  # fmt: skip
ENDS = ("", "!", "x", '"', "\x00", " ", "#", "@", ".")


@dataclass(frozen=True, slots=True)
class PayloadShape:
    """`front`, `unit` as often as it fits, `end`."""

    front: str
    unit: str
    end: str

    def text(self, size: int) -> str:
        """About `size` bytes of UTF-8."""
        free_bytes = size - len(self.front.encode()) - len(self.end.encode())
        return self.front + self.unit * max(1, free_bytes // len(self.unit.encode())) + self.end

    @property
    def name(self) -> str:
        return ascii(f"{self.front}({self.unit})*{self.end}")[1:-1]


SHAPES = tuple(PayloadShape("", unit, end) for unit in UNITS for end in ("", "!"))


def json_bodies(size: int) -> dict[str, bytes]:
    """Bodies of about `size` bytes that are JSON, or almost: by what is hard about them."""
    chat = b'{"model":"nano","messages":[{"role":"user","content":%s}]}'
    return {
        "unknown members": b"{" + b",".join(b'"k%d":1' % n for n in range(size // 10)) + b"}",
        "elements": b'{"input":[' + b"1," * (size // 2) + b"1]}",
        "faulty parts": chat % (b"[" + b"{}," * (size // 3) + b"1]"),
        "empty strings": b'{"input":[' + b'"",' * (size // 3) + b'""]}',
        "one member often": b"{" + b'"model":"",' * (size // 11) + b'"a":1}',
        "open brackets": b"[" * size,
        "open objects": b'{"a":' * (size // 5),
        "nested": b"[" * 150 + b"]" * 150,
        "escapes": chat % (b'"' + b"\\u0041" * (size // 6) + b'"'),
        "quotes": chat % (b'"' + b'\\"' * (size // 2) + b'"'),
        "lone surrogates": chat % (b'"' + b"\\ud800" * (size // 6) + b'"'),
        "digits": b'{"seed":' + b"1" * size + b"}",
        "a long fraction": b'{"temperature":0.' + b"1" * size + b"}",
        "large integers": b'{"input":[' + (b"1" * 4000 + b",") * (size // 4001) + b"1]}",
        "white space": b" " * size,
        "no text": b'{"a":"' + b"\xff" * size + b'"}',
        "a long name": b'{"' + b"k" * size + b'":1}',
        "commas in text": chat % (b'"' + b"a, " * (size // 3) + b'"'),
    }
