"""What routing needs to know of a request: how much work it is, and what it begins with.

Flows in: a request of any model, by its shape (cluster knows no stage's classes). Flows out: an
`RoutingRequest`. A method without such a request (a card, a load) is no work and has no beginning.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

ANSWER_TOKENS = 256  # of a request that sets no maximum: the room it leaves says nothing
_CHARS_PER_TOKEN = 4


@dataclass(frozen=True, slots=True)
class RoutingRequest:
    """`call` is the id of the attempt, empty where nobody follows it. `tokens` is an estimate.

    `sequences` are what replicas count. `key` is the same for equal beginnings within a tenant, and
    0 where it does not matter. `replica` is the one that the request is meant for; another one gets
    it where that is gone.
    """

    call: str = ""
    tokens: int = 0
    key: int = 0
    sequences: int = 1
    replica: str = ""


NOTHING = RoutingRequest()


def ask_of(request: Any, prefix_chars: int) -> RoutingRequest:
    """`prefix_chars` 0: no key. Whatever is no request of a model gives `NOTHING`."""
    replica = getattr(request, "replica", None)
    if isinstance(replica, str):
        return RoutingRequest(replica=replica)
    call = getattr(request, "call", "") or getattr(request, "request_id", None)
    if not isinstance(call, str):
        return NOTHING
    texts = _texts(request)
    tokens = sum(map(len, texts)) // _CHARS_PER_TOKEN
    sampling = getattr(request, "sampling", None)
    sequences = len(texts) if sampling is None else request.n
    if sampling is not None:
        tokens += sequences * (sampling.max_tokens or ANSWER_TOKENS)
    key = _key(request.caller.tenant, texts, prefix_chars) if prefix_chars else 0
    return RoutingRequest(call, tokens, key, sequences)


def _texts(request: Any) -> Sequence[str]:
    prompt = getattr(request, "prompt", None)
    if prompt is not None:
        return (prompt,)
    messages = getattr(request, "messages", None)
    return request.texts if messages is None else [message.content for message in messages]


def _key(tenant: str, texts: Sequence[str], chars: int) -> int:
    """Equal in every process, unlike `hash`. Tenants do not share: what one has warmed up must
    not be felt by another."""
    found = blake2b(tenant.encode(), digest_size=8)
    for text in texts:
        found.update(b"\0" + text[:chars].encode())
        chars -= len(text)
        if chars <= 0:
            break
    return int.from_bytes(found.digest(), "big") or 1
