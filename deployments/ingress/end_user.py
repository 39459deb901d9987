"""The tenant's own user for whom a request is made, as its body names it.

Flows in: a request and its body. Flows out: the request's caller with the name of the end user.
OpenAI's clients name one by `safety_identifier` or `user`, Anthropic's by `metadata.user_id`.
"""

import hashlib
from dataclasses import replace
from typing import Any

from deployments.ingress.context import RequestContext
from deployments.ingress.schemas.messages import MessageMetadata

FIELDS = frozenset({"user", "safety_identifier", "metadata"})  # of a body; others name nobody
MAX_CHARS = 256


def name_end_user(context: RequestContext, body: Any) -> None:
    """Note the end user whom the body names, if it does, in the request's caller."""
    name = end_user_of(body)
    if name:
        context.caller = replace(context.caller, end_user=name)


def end_user_of(body: Any) -> str:
    """The end user's name, or "". One that is too long, or not printable, is known by its digest:
    names are stored, and sent to other processes."""
    metadata = getattr(body, "metadata", None)
    candidates = (
        getattr(body, "safety_identifier", None),
        getattr(body, "user", None),
        metadata.user_id if isinstance(metadata, MessageMetadata) else None,
    )
    name = next((each for each in candidates if isinstance(each, str) and each), "")
    if len(name) <= MAX_CHARS and name.isprintable():
        return name
    return "sha256:" + hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()
