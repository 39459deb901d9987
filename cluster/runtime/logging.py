"""Structured logs: one JSON object a line on standard error, in every process of the cluster.

In: records of the loggers under `mobula`, and the current request. Out: lines with `ts`, `level`,
`logger`, `message`, the fields of `extra`, and `request_id` and `tenant` during a request. Ray
writes a process's standard error to its log folder. The access log is a separate file
(cluster/runtime/line_log.py).
"""

import logging
import sys
from contextvars import ContextVar

import orjson

from cluster.runtime.redaction import redact

# Characters that a terminal or line reader interprets: C1 controls (U+0085 ends a line), line and
# paragraph separators, bidirectional marks (Unicode bidirectional algorithm, UAX 9), and invisible
# characters: zero width, byte order mark, tags.
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

    The encoded value stays the same. ASCII lines are returned unchanged.
    """
    if line.isascii() and b"\x7f" not in line:
        return line
    return line.decode("utf-8", "replace").translate(_ESCAPES).encode()


_FIELDS = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime"}
_served: ContextVar[tuple[str, str]] = ContextVar("served_request", default=("", ""))


def log_request(request_id: str, tenant: str = "") -> None:
    """Adds this request to the log lines of this task and the tasks that it starts."""
    _served.set((request_id, tenant))


class JsonLines(logging.Formatter):
    """Formats a record as JSON, with its exception, without credentials."""

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
    """Sends all loggers under `mobula` to standard error; other loggers are unchanged. Idempotent.

    Every deployment's constructor must call it, or the process logs nothing.
    """
    logger = logging.getLogger("mobula")
    logger.setLevel(level)
    logger.propagate = False
    if not logger.handlers:
        # Serve replaces a replica's sys.stderr by a stream that logs every line to Serve's log as
        # INFO, where the log level drops it.
        handler = logging.StreamHandler(sys.__stderr__ or sys.stderr)
        handler.setFormatter(JsonLines())
        logger.addHandler(handler)
