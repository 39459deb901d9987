"""Structured logs: one JSON object a line on standard error, in every process of the cluster.

Flows in: records of the loggers under `mobula`, and whose request is being served. Flows out: lines
with `ts`, `level`, `logger`, `message`, with `request_id` and `tenant` where a request is being
served, and what the record says in `extra`. Ray keeps a process's standard error in its log folder.
The access log is a journal (cluster/runtime/line_log.py).
"""

import logging
import sys
from contextvars import ContextVar

import orjson

from cluster.runtime.redaction import redact

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


_FIELDS = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime"}
_served: ContextVar[tuple[str, str]] = ContextVar("served_request", default=("", ""))


def log_request(request_id: str, tenant: str = "") -> None:
    """From now on, lines of this task, and of those that it starts, name this request."""
    _served.set((request_id, tenant))


class JsonLines(logging.Formatter):
    """A record as JSON; an exception goes with it, whole but for credentials."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "ts": round(record.created, 3),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        request_id, tenant = _served.get()
        if request_id:
            line["request_id"] = request_id
        if tenant:
            line["tenant"] = tenant
        for name, value in vars(record).items():
            if name not in _FIELDS and value is not None:
                line.setdefault(name, value)
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return redact(escape_active(orjson.dumps(line, default=str)).decode())


def configure_logging(level: str) -> None:
    """Send everything under `mobula` to standard error, once, and leave other loggers alone.

    Every deployment's constructor calls it: a process that does not says nothing of its failures.
    """
    logger = logging.getLogger("mobula")
    logger.setLevel(level)
    logger.propagate = False
    if not logger.handlers:
        # Serve puts a stream of its own in place of a replica's sys.stderr: it hands every line to
        # Serve's log as INFO, where the level drops it.
        handler = logging.StreamHandler(sys.__stderr__ or sys.stderr)
        handler.setFormatter(JsonLines())
        logger.addHandler(handler)
