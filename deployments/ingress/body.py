"""Bodies: bytes in, a checked value out, or a problem that points at the fault."""

from typing import TypeVar

import orjson
from pydantic import BaseModel, ValidationError
from starlette.requests import ClientDisconnect, Request

from cluster.problems import ClientGone, Malformed, UnsupportedMedia
from deployments.ingress.problems import from_validation_error

Schema = TypeVar("Schema", bound=BaseModel)
JSON = "application/json"


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
    """Raises Malformed: not UTF-8, not JSON, or not the schema."""
    try:
        return schema.model_validate_json(raw)
    except ValidationError as error:
        raise _malformed(raw, error) from None


def _malformed(raw: bytes, error: ValidationError) -> Malformed:
    try:
        raw.decode("utf-8")
    except UnicodeDecodeError as fault:
        return Malformed.at("", f"The body is not UTF-8 (byte {fault.start}).", "invalid-utf8")
    try:
        body = orjson.loads(raw)
    except orjson.JSONDecodeError as fault:
        return Malformed.at("", f"The body is not JSON: {fault}.", "invalid-json")
    return from_validation_error(error, body)
