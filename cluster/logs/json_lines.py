"""Records of Python's logging as lines of the schema (schema.py), without credentials."""

import logging
import os

import orjson

from cluster.runtime.logging import escape_active, logged_request, logged_trace, redact
from cluster.tracing.trace_context import trace_id_of

_FIELDS = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime"}


class JsonLines(logging.Formatter):
    """A record as JSON, with its exception and its `extra`; credentials are removed.

    `process` is what the process does: ingress, model, ...
    """

    def __init__(self, process: str = "") -> None:
        super().__init__()
        self._process = process

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "ts": round(record.created, 3),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        request_id, tenant = logged_request.get()
        trace_id, span_id = logged_trace.get()
        if not trace_id and record.levelno >= logging.ERROR:  # its request may be traced yet
            trace_id = trace_id_of(request_id)
        named = {"request_id": request_id, "tenant": tenant}
        named |= {"trace_id": trace_id, "span_id": span_id, "process": self._process}
        line |= {name: value for name, value in named.items() if value}
        if self._process:
            line["pid"] = os.getpid()
        for name, value in vars(record).items():
            if name not in _FIELDS and value is not None and name[0] != "_":  # Ray adds such
                line.setdefault(name, value)
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return redact(escape_active(orjson.dumps(line, default=str)).decode())
