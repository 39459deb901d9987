"""Bodies: bytes in, a checked value out, or a problem that points at the fault.

Parsing and checking run on the event loop, so their cost is bounded: by the length of the body, and
by the number of JSON values in it, which cost far more than their bytes.
"""

import re
from typing import TypeVar

import orjson
from pydantic import BaseModel, ValidationError
from starlette.requests import ClientDisconnect, Request

from cluster.runtime.problems import ClientGone, Malformed, UnsupportedMedia
from deployments.ingress.http.validation import from_validation_error

Schema = TypeVar("Schema", bound=BaseModel)
JSON = "application/json"
MAX_VALUES = 10_000  # members and elements of a body; the largest sensible one has 4,000
_BYTES_A_VALUE = 2  # at least: a digit and a comma
# A string, or what begins or parts values. Possessive: each byte is looked at once.
_TOKEN = re.compile(rb'"(?:[^"\\]++|\\.)*+"?|[\[{,]', re.DOTALL)


async def read_json(request: Request, schema: type[Schema]) -> Schema:
    """Raises UnsupportedMedia (415), Malformed (422), and what the body's receivers raise."""
    content_type = request.headers.get("content-type", "")
    kind = content_type.partition(";")[0].strip().lower()
    if kind != JSON and not kind.endswith("+json"):
        raise UnsupportedMedia(content_type or "(none)", (JSON,))
    try:
        raw = await request.body()
    except ClientDisconnect:
        raise ClientGone("The client left before its body arrived.") from None
    return parse_json(raw, schema)


def parse_json(raw: bytes, schema: type[Schema]) -> Schema:
    """Raises Malformed: not UTF-8, not JSON, not the schema, or over MAX_VALUES."""
    _check_values(raw)
    try:
        return schema.model_validate_json(raw)
    except ValidationError as error:
        raise _malformed(raw, error, schema) from None


def _check_values(raw: bytes) -> None:
    """Raises Malformed. Costs nothing for bodies that are too short to have so many values."""
    if len(raw) <= MAX_VALUES * _BYTES_A_VALUE:
        return
    if raw.count(b",") + raw.count(b"[") + raw.count(b"{") <= MAX_VALUES:
        return
    values = strings = 0
    for token in _TOKEN.finditer(raw):
        if raw[token.start()] == ord('"'):
            strings += 1  # a value, or the name of one
        else:
            values += 1
        if values > MAX_VALUES or strings > 2 * MAX_VALUES:
            raise Malformed.at("", f"The body has over {MAX_VALUES} values.", "too-many-values")


def _malformed(raw: bytes, error: ValidationError, schema: type[BaseModel]) -> Malformed:
    try:
        raw.decode("utf-8")
    except UnicodeDecodeError as fault:
        return Malformed.at("", f"The body is not UTF-8 (byte {fault.start}).", "invalid-utf8")
    try:
        body = orjson.loads(raw)
    except orjson.JSONDecodeError as fault:
        return Malformed.at("", f"The body is not JSON: {fault}.", "invalid-json")
    return from_validation_error(error, body, schema)
