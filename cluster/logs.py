"""Structured logs: one JSON object a line on standard error.

Flows in: records of the loggers under `mobula`. The access log is a journal (cluster/journal.py).
"""

import logging
import sys

import orjson


class JsonLines(logging.Formatter):
    """A record as JSON; an exception goes with it, whole."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "ts": round(record.created, 3),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return orjson.dumps(line, default=str).decode()


def configure_logging(level: str) -> None:
    """Send everything under `mobula` to standard error, once, and leave other loggers alone."""
    logger = logging.getLogger("mobula")
    logger.setLevel(level)
    logger.propagate = False
    if not logger.handlers:
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(JsonLines())
        logger.addHandler(handler)
