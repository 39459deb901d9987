"""Log probabilities as OpenAI writes them.

In: the tokens of a choice. Out: JSON values, the same for chat and for responses.
"""

from collections.abc import Iterable
from typing import Any

from deployments.contracts.generation import TokenLogprob


def token_logprobs(tokens: Iterable[TokenLogprob]) -> list[dict[str, Any]]:
    """Each token with its bytes, its log probability and its alternatives."""
    return [
        {
            **_token(token.token, token.raw, token.logprob),
            "top_logprobs": [_token(*alternative) for alternative in token.top],
        }
        for token in tokens
    ]


def _token(text: str, raw: bytes, logprob: float | None) -> dict[str, Any]:
    return {"token": text, "logprob": logprob, "bytes": list(raw)}
