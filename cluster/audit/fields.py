"""Validates audit records: short text, scalars, no secrets.

In: a record that may hold client input. Out: the same record if it is valid; else an error that
names the field (`check`, for admin changes) or a truncated record (`truncate_fields`, for the data
plane, where hostile input must not avoid the trail).
"""

import json
import math
import re
from collections.abc import Iterator
from dataclasses import replace

from cluster.audit.record import AuditRecord, Scalar
from cluster.runtime.logging import contains_credential, redact
from cluster.runtime.problems import InvalidRequest

LENGTHS = {  # characters, as in the table
    "tenant": 63,
    "actor": 80,
    "action": 64,
    "resource": 300,
    "outcome": 32,
    "request_id": 64,
}
MAX_DETAILS, MAX_NAME, MAX_TEXT = 32, 64, 500  # entries; characters of a name and of a value
MAX_INT = 2**63 - 1
_SCANNED = 8_192  # characters beyond the limit that are searched for credentials
UNSTORABLE = re.compile("[\x00\ud800-\udfff]")  # characters that databases do not store as text


class InvalidRecord(InvalidRequest):
    """An invalid audit record; `param` is the field, `limit` the constraint."""

    slug, title = "invalid-audit-record", "The audit record may not be kept"

    def __init__(self, field: str, limit: str) -> None:
        super().__init__(f"Audit field '{field}' must be {limit}.", param=field, limit=limit)


def check(record: AuditRecord) -> AuditRecord:
    """The record as given. Raises InvalidRecord for its first invalid field."""
    for field, limit in _find_faults(record):
        raise InvalidRecord(field, limit)
    return record


def truncate_fields(record: AuditRecord) -> AuditRecord:
    """The record, truncated where necessary; `detail.clipped` then lists the invalid fields."""
    faults = sorted({field for field, _ in _find_faults(record)})
    if not faults:
        return record
    texts = {name: _clip(getattr(record, name), limit) for name, limit in LENGTHS.items()}
    at = record.at if _is_timestamp(record.at) else 0.0
    items = list(dict(record.detail).items())[: MAX_DETAILS - 1]
    detail = {_clip(name, MAX_NAME): _scalar(value) for name, value in items}
    detail["clipped"] = _clip(",".join(faults), MAX_TEXT)
    return replace(record, at=at, detail=detail, **texts)


def detail_text(record: AuditRecord) -> str:
    """`detail` as it is stored and covered by the chain: JSON, sorted by name, ASCII."""
    return json.dumps(dict(record.detail), sort_keys=True) if record.detail else "{}"


def _find_faults(record: AuditRecord) -> Iterator[tuple[str, str]]:
    if not _is_timestamp(record.at):
        yield "at", "finite Unix seconds"
    for name, limit in LENGTHS.items():
        if (fault := _text_fault(getattr(record, name), limit)) is not None:
            yield name, fault
    if len(record.detail) > MAX_DETAILS:
        yield "detail", f"at most {MAX_DETAILS} entries"
    for key, value in record.detail.items():
        if (fault := _text_fault(key, MAX_NAME)) is not None:
            yield "detail", f"named by {fault}"
        elif (fault := _value_fault(value)) is not None:
            yield f"detail.{key}", fault


def _is_timestamp(at: object) -> bool:
    return isinstance(at, int | float) and math.isfinite(at)


def _text_fault(text: object, limit: int) -> str | None:
    if not isinstance(text, str):
        return "text"
    if len(text) > limit:
        return f"at most {limit} characters"
    if UNSTORABLE.search(text):
        return "text without NUL or lone surrogates"
    return "free of secrets" if contains_credential(text) else None


def _value_fault(value: object) -> str | None:
    if value is None or isinstance(value, bool):
        return None
    if isinstance(value, int):
        return None if -MAX_INT <= value <= MAX_INT else f"at most {MAX_INT} in size"
    if isinstance(value, float):
        return None if math.isfinite(value) else "finite"
    return _text_fault(value, MAX_TEXT) if isinstance(value, str) else "text, number, bool or null"


def _clip(text: object, limit: int) -> str:
    clean = UNSTORABLE.sub("\ufffd", redact(str(text)[: limit + _SCANNED]))
    return clean if len(clean) <= limit else clean[: limit - 1] + "\u2026"


def _scalar(value: Scalar) -> Scalar:
    return value if _value_fault(value) is None else _clip(value, MAX_TEXT)
