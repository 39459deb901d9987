"""Request attributes for load balancing: estimated work and prefix.

In: a request of any model, read by its attributes (cluster knows no stage's classes). Out: a
`RoutingRequest`. Other calls (a model card, a load) have no work and no prefix.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

from cluster.runtime.problems import Overloaded
from cluster.runtime.quick_init import quick_init

ANSWER_TOKENS = 256  # estimate for a request without a maximum
_CHARS_PER_TOKEN = 4


@quick_init
@dataclass(frozen=True, slots=True)
class RoutingRequest:
    """`call` is the id of the attempt, empty if it is not tracked. `tokens` is an estimate.
    `sequences` are what replicas count. `key` is equal for equal prefixes of a tenant, 0 if unused.
    `replica` is the preferred one; another one is used if it is gone.
    """

    call: str = ""
    tokens: int = 0
    key: int = 0
    sequences: int = 1
    replica: str = ""


NOTHING = RoutingRequest()


class ReplicaGone(Overloaded):
    """503: the one replica that a call is for does not run any more; no other may take it."""

    slug, title = "replica-gone", "The replica is gone"

    def __init__(self, replica: str) -> None:
        super().__init__(f"Replica '{replica[:100]}' does not run any more.")


def required_replica(request: Any) -> str | None:
    """The only replica that may take the request; None for nearly all requests."""
    return request.replica if getattr(request, "exact", False) else None


def describe_request(request: Any, prefix_chars: int, call: str = "") -> RoutingRequest:
    """Routing attributes; `NOTHING` for other calls. `prefix_chars` 0: no key. `call` names the
    attempt where the request does not."""
    replica = getattr(request, "replica", None)
    if isinstance(replica, str):
        return RoutingRequest(replica=replica)
    name = call or getattr(request, "call", "") or getattr(request, "request_id", None)
    if not isinstance(name, str):
        return NOTHING
    texts, ids = _texts(request), getattr(request, "token_ids", ())
    tokens = sum(map(len, texts)) // _CHARS_PER_TOKEN + sum(map(len, ids))
    sampling = getattr(request, "sampling", None)
    sequences = len(texts) + len(ids) if sampling is None else request.n
    if sampling is not None:
        tokens += sequences * (sampling.max_tokens or ANSWER_TOKENS)
    key = _prefix_key(request.caller.tenant, texts, prefix_chars) if prefix_chars else 0
    return RoutingRequest(name, tokens, key, sequences)


def _texts(request: Any) -> Sequence[str]:
    prompt = getattr(request, "prompt", None)
    if prompt is not None:
        return (prompt,)
    messages = getattr(request, "messages", None)
    if messages is None:
        texts: Sequence[str] = getattr(request, "texts", ())
        return texts
    return [message.content for message in messages]


def _prefix_key(tenant: str, texts: Sequence[str], chars: int) -> int:
    """A hash of the prefix, equal in every process. It includes the tenant, so that tenants cannot
    observe each other's cached prefixes by timing."""
    digest = blake2b(tenant.encode(), digest_size=8)
    for text in texts:
        digest.update(b"\0" + text[:chars].encode())
        chars -= len(text)
        if chars <= 0:
            break
    return int.from_bytes(digest.digest(), "big") or 1
