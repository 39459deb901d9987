"""Requests as the ingress sends them to a model of a provider."""

from collections.abc import Sequence
from typing import Any

from cluster.tenants.caller import Caller, Scope
from deployments.contracts.generation import GenerateRequest, Message, Sampling

CALLER = Caller("acme", "key", frozenset({Scope.GENERATE}))


def chat_request(
    *texts: str,
    messages: Sequence[Message] = (),
    sampling: dict[str, Any] | None = None,
    **fields: Any,
) -> GenerateRequest:
    """A chat whose turns are `texts` of the user, or `messages`."""
    turns = tuple(messages) or tuple(Message("user", text) for text in texts or ("hello there",))
    given = Sampling(**(sampling or {}))
    return GenerateRequest(**{"request_id": "r1", "caller": CALLER, "model": "m", "sampling": given,
                              "messages": turns, **fields})  # fmt: skip
