"""The schema of every log line: access log, application log, and what HAProxy itself answered.

A line is one JSON object (RFC 8259) in UTF-8. FIELDS are the names with a meaning of their own; a
line has those that apply, and others are details of that line. Lines hold no prompt, no response
and no credential.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

ACCESS_LOGGER = "mobula.access"
ROOT_LOGGER = "mobula"
HAPROXY = "haproxy"

Level = Literal["debug", "info", "warning", "error", "critical"]
LEVEL_NUMBERS: Mapping[str, int] = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
    "critical": logging.CRITICAL,
}


@dataclass(frozen=True, slots=True)
class Field:
    """`type` is JSON's; `source` says which lines have the field."""

    type: Literal["string", "number", "integer"]
    source: Literal["every", "application", "access"]
    meaning: str


FIELDS: Mapping[str, Field] = {
    "ts": Field("number", "every", "Unix seconds, to the millisecond"),
    "level": Field("string", "every", "debug, info, warning, error or critical"),
    "logger": Field("string", "every", "which part wrote it; mobula.access: the access log"),
    "message": Field("string", "every", "what happened"),
    "request_id": Field("string", "every", "X-Request-ID of the request that was served"),
    "tenant": Field("string", "every", "the caller's tenant"),
    "trace_id": Field("string", "every", "W3C trace id, 32 hexadecimal digits"),
    "span_id": Field("string", "every", "W3C span id, 16 hexadecimal digits"),
    "process": Field("string", "application", "ingress, model, cache, supervisor, ..."),
    "pid": Field("integer", "application", "the process id"),
    "exception": Field("string", "application", "the traceback"),
    "fingerprint": Field("string", "application", "the group of an error (`mobula logs errors`)"),
    "suppressed": Field("integer", "application", "equal lines that were left out before this one"),
    "event": Field("string", "access", "request; haproxy: HAProxy answered it itself"),
    "method": Field("string", "access", "the HTTP method"),
    "path": Field("string", "access", "the path, at most 2,048 characters"),
    "status": Field("integer", "access", "the HTTP status; 499: the client left before"),
    "ms": Field("number", "access", "milliseconds until the end of the response"),
    "bytes": Field("integer", "access", "bytes of the response's body"),
    "key": Field("string", "access", "the id of the API key"),
    "model": Field("string", "access", "the model that answered, or that was asked for"),
    "operation": Field("string", "access", "the operation: chat, captions, embeddings, ..."),
    "cache": Field("string", "access", "how the cache answered: l1, l2, l3, miss, ..."),
    "client": Field("string", "access", "the client's address"),
    "problem": Field("string", "access", "the slug of the problem that was answered"),
}  # fmt: skip


def level_of(line: Mapping[str, Any]) -> int:
    """The number of a line's level; a line without one counts as a warning."""
    return LEVEL_NUMBERS.get(str(line.get("level", "")), logging.WARNING)
