"""Structured logs: one JSON object a line on standard error, in every process of the cluster.

Flows in: records of the loggers under `mobula`, and whose request is being served. Flows out: lines
with `ts`, `level`, `logger`, `message`, with `request_id` and `tenant` where a request is being
served, and what the record says in `extra`. Ray keeps a process's standard error in its log folder.
The access log is a journal (cluster/journal.py).
"""

import logging
import sys
from contextvars import ContextVar

import orjson

_FIELDS = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime"}
_served: ContextVar[tuple[str, str]] = ContextVar("served_request", default=("", ""))


def log_request(request_id: str, tenant: str = "") -> None:
    """From now on, lines of this task, and of those that it starts, name this request."""
    _served.set((request_id, tenant))


class JsonLines(logging.Formatter):
    """A record as JSON; an exception goes with it, whole."""

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
        return orjson.dumps(line, default=str).decode()


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
