"""The sampling features of a request.

In: a token request. Out: UnsupportedParameter for a feature that the engine lacks.
"""

from collections.abc import Callable

from cluster.runtime.problems import UnsupportedParameter
from deployments.contracts.engine import TokenRequest

_USES: tuple[tuple[str, str, Callable[[TokenRequest], bool]], ...] = (
    ("seed", "seed", lambda r: r.seed is not None and r.temperature != 0),
    ("presence_penalty", "penalties", lambda r: r.presence_penalty != 0),
    ("frequency_penalty", "penalties", lambda r: r.frequency_penalty != 0),
    ("logprobs", "logprobs", lambda r: r.logprobs is not None),
    ("top_logprobs", "top_logprobs", lambda r: bool(r.logprobs)),
    ("temperature", "temperature", lambda r: r.temperature not in (0.0, 1.0)),
    ("top_p", "top_p", lambda r: r.top_p != 1.0),
    ("top_k", "top_k", lambda r: r.top_k != 0),
    ("min_p", "min_p", lambda r: r.min_p != 0),
    ("repetition_penalty", "repetition_penalty", lambda r: r.repetition_penalty != 1),
    ("logit_bias", "logit_bias", lambda r: bool(r.logit_bias)),
    ("echo", "prompt_logprobs", lambda r: r.prompt_logprobs),
    ("response_format", "grammar", lambda r: bool(r.grammar)),
    ("messages", "images", lambda r: r.image_prompt is not None),
)

ALL = frozenset(feature for _, feature, _ in _USES)


def refuse_unsupported(request: TokenRequest, supports: frozenset[str], engine: str) -> None:
    """Raise UnsupportedParameter naming the first field that `engine` cannot honour."""
    for param, feature, uses in _USES:
        if feature not in supports and uses(request):
            raise UnsupportedParameter(param, f"this model's engine ({engine}) has no {feature}.")
