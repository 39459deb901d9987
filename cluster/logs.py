"""Structured logs: one JSON object a line on standard error.

Flows in: records of the loggers under `mobula`. The access log is a journal (cluster/journal.py).
"""

import logging
import sys

import orjson

from cluster.redaction import redact

# What a terminal or a reader of lines takes for more than a character: C1 controls (U+0085 ends a
# line), the line and paragraph separators, marks that turn the direction of text (Unicode
# bidirectional algorithm, UAX 9), and what is invisible: zero width, byte order mark, tags.
_ACTIVE = (
    (0x7F, 0x9F), (0xAD, 0xAD), (0x61C, 0x61C), (0x180E, 0x180E), (0x200B, 0x200F),
    (0x2028, 0x202E), (0x2060, 0x206F), (0xFEFF, 0xFEFF), (0xFFF9, 0xFFFB), (0xE0000, 0xE0FFF),
)  # fmt: skip


def _escape(code: int) -> str:
    units = chr(code).encode("utf-16-be")
    return "".join(f"\\u{units[at]:02x}{units[at + 1]:02x}" for at in range(0, len(units), 2))


_ESCAPES = {code: _escape(code) for first, last in _ACTIVE for code in range(first, last + 1)}


def escape_active(line: bytes) -> bytes:
    """A line of JSON (UTF-8) with such characters escaped as `\\uXXXX` (RFC 8259 section 7).

    The value that it encodes stays the same. Costs nothing where all is ASCII.
    """
    if line.isascii() and b"\x7f" not in line:
        return line
    return line.decode("utf-8", "replace").translate(_ESCAPES).encode()


class JsonLines(logging.Formatter):
    """A record as JSON; an exception goes with it, whole but for credentials."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "ts": round(record.created, 3),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return redact(escape_active(orjson.dumps(line, default=str)).decode())


def configure_logging(level: str) -> None:
    """Send everything under `mobula` to standard error, once, and leave other loggers alone."""
    logger = logging.getLogger("mobula")
    logger.setLevel(level)
    logger.propagate = False
    if not logger.handlers:
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(JsonLines())
        logger.addHandler(handler)
