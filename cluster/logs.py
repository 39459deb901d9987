"""Structured logs: one JSON object a line on standard error.

Flows in: records of the loggers under `mobula`. The access log is a journal (cluster/journal.py).
"""

import logging
import re
import sys

import orjson

from cluster.redaction import redact

# What a terminal or a reader of lines takes for more than a character: C1 controls (U+0085 ends a
# line), the line and paragraph separators, marks that turn the direction of text (Unicode
# bidirectional algorithm, UAX 9), and what is invisible: zero width, byte order mark, tags.
_ACTIVE = re.compile(
    "[\x7f-\x9f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\U000e0000-\U000e0fff]"
)


def escape_active(line: bytes) -> bytes:
    """A line of JSON (UTF-8) with such characters escaped as `\\uXXXX` (RFC 8259 section 7).

    The value that it encodes stays the same. Costs nothing where all is ASCII.
    """
    if line.isascii() and b"\x7f" not in line:
        return line
    return _ACTIVE.sub(_escape, line.decode("utf-8", "replace")).encode()


def _escape(found: re.Match[str]) -> str:
    units = found[0].encode("utf-16-be")
    return "".join(f"\\u{units[at]:02x}{units[at + 1]:02x}" for at in range(0, len(units), 2))


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
