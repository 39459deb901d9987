"""Headers of the routes that generate, as the API's description shows them.

Out: components by name, and references to them. What they do is said in docs/guides/cache.md and
docs/guides/tenancy.md; here is only their form.
"""

from collections.abc import Mapping
from typing import Any, Final

from cluster.idempotency.store import HEADER as IDEMPOTENCY_KEY
from cluster.invalidation.tags import HEADER as TAGS
from cluster.invalidation.tags import MAX_TAGS
from cluster.tenants.caller import Priority
from deployments.ingress.idempotency import MAX_KEY


def _asked(name: str, description: str, **schema: Any) -> dict[str, Any]:
    return {
        "name": name,
        "in": "header",
        "required": False,
        "description": description,
        "schema": schema,
    }


def _told(description: str, kind: str = "string", **more: Any) -> dict[str, Any]:
    return {"description": description, "schema": {"type": kind}, **more}


CALL_HEADERS: Final = (IDEMPOTENCY_KEY, "Mobula-Priority", "Mobula-Timeout")
CACHE_HEADERS: Final = ("Cache-Control", "Mobula-Cache", TAGS)
PARAMETERS: Final[Mapping[str, Mapping[str, Any]]] = {
    IDEMPOTENCY_KEY: _asked(
        IDEMPOTENCY_KEY,
        "The request runs once, however often it is sent under this key within a day; the answer "
        "is given again. Another body under the same key is refused with 422.",
        type="string",
        minLength=1,
        maxLength=MAX_KEY,
        pattern="^[!-~]+$",
    ),
    "Mobula-Priority": _asked(
        "Mobula-Priority",
        "How urgent it is among the tenant's own requests, up to what the plan allows.",
        type="string",
        enum=[str(priority) for priority in Priority],
    ),
    "Mobula-Timeout": _asked(
        "Mobula-Timeout",
        "Seconds that the request may take, up to the operator's maximum.",
        type="number",
        exclusiveMinimum=0,
    ),
    "Cache-Control": _asked(
        "Cache-Control",
        "RFC 9111: `no-store` neither looks nor keeps, `no-cache` computes anew, `max-age=N` takes "
        "nothing older than N seconds, `only-if-cached` computes nothing (504 `not-cached`).",
        type="string",
        example="max-age=60",
    ),
    "Mobula-Cache": _asked(
        "Mobula-Cache",
        "`sampled`: an answer that is drawn at random may be kept, and given again.",
        type="string",
        enum=["sampled"],
    ),
    TAGS: _asked(
        TAGS,
        f"Up to {MAX_TAGS} tags, separated by commas, by which the answer can be invalidated.",
        type="string",
        example="post:17,lang:de",
    ),
}

ANSWER_HEADERS: Final = ("X-Request-ID", "Idempotency-Replayed")
KEPT_HEADERS: Final = ("Cache-Status", "Age")
HEADERS: Final[Mapping[str, Mapping[str, Any]]] = {
    "X-Request-ID": _told("Finds the request in logs and in the audit trail."),
    "Idempotency-Replayed": _told("`true`: this is what the key's first request was answered."),
    "Cache-Status": _told(
        "RFC 9211: a hit with the seconds that it stays fresh, or why a model was asked.",
        example="mobula;hit;ttl=3412;detail=l1",
    ),
    "Age": _told("Seconds since a kept answer was computed.", "integer"),
}


def parameters(*, cached: bool) -> list[dict[str, str]]:
    """References to the headers that a request may have; `cached`: its answer may be kept."""
    names = (*CALL_HEADERS, *CACHE_HEADERS) if cached else CALL_HEADERS
    return [{"$ref": f"#/components/parameters/{name}"} for name in names]


def headers(*, cached: bool) -> dict[str, dict[str, str]]:
    """References to the headers that an answer may have, by name."""
    names = (*ANSWER_HEADERS, *KEPT_HEADERS) if cached else ANSWER_HEADERS
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}
