"""The capabilities of a provider's model: which fields of a request it can honour.

In: a request. Out: UnsupportedParameter for a field that the model does not have, so that nothing
is dropped silently.
"""

from collections.abc import Callable, Iterable
from typing import Final, Literal

from cluster.runtime.problems import UnsupportedParameter
from deployments.contracts.generation import GenerateRequest

Capability = Literal[
    "temperature",
    "top_p",
    "top_k",
    "min_p",
    "seed",
    "penalties",
    "repetition_penalty",
    "logprobs",
    "top_logprobs",
    "logit_bias",
    "stop",
    "stop_token_ids",
    "ignore_eos",
    "n",
    "tools",
    "json_object",
    "json_schema",
    "regex",
    "choice",
    "grammar",
    "prompt",
    "prompt_ids",
    "echo",
]
Preset = Literal["openai", "vllm", "anthropic"]

_OPENAI: Final[frozenset[Capability]] = frozenset(
    (
        "temperature",
        "top_p",
        "seed",
        "penalties",
        "logprobs",
        "top_logprobs",
        "logit_bias",
        "stop",
        "n",
        "tools",
        "json_object",
        "json_schema",
    )
)
_VLLM: Final[frozenset[Capability]] = _OPENAI | frozenset(
    (
        "top_k",
        "min_p",
        "repetition_penalty",
        "stop_token_ids",
        "ignore_eos",
        "regex",
        "choice",
        "grammar",
        "prompt",
        "prompt_ids",
        "echo",
    )
)
_ANTHROPIC: Final[frozenset[Capability]] = frozenset(
    ("temperature", "top_p", "top_k", "stop", "tools", "json_object", "json_schema")
)
PRESETS: Final[dict[str, frozenset[Capability]]] = {
    "openai": _OPENAI,
    "vllm": _VLLM,
    "anthropic": _ANTHROPIC,
}

# The field that callers are told, the capability, and whether a request uses it.
_SAMPLING: tuple[tuple[str, Capability, Callable[[GenerateRequest], bool]], ...] = (
    ("temperature", "temperature", lambda r: r.sampling.temperature != 1.0),
    ("top_p", "top_p", lambda r: r.sampling.top_p != 1.0),
    ("top_k", "top_k", lambda r: r.sampling.top_k != 0),
    ("min_p", "min_p", lambda r: r.sampling.min_p != 0),
    ("seed", "seed", lambda r: r.sampling.seed is not None and r.sampling.temperature != 0),
    ("presence_penalty", "penalties", lambda r: r.sampling.presence_penalty != 0),
    ("frequency_penalty", "penalties", lambda r: r.sampling.frequency_penalty != 0),
    ("repetition_penalty", "repetition_penalty", lambda r: r.sampling.repetition_penalty != 1),
    ("logprobs", "logprobs", lambda r: r.sampling.logprobs is not None),
    ("top_logprobs", "top_logprobs", lambda r: bool(r.sampling.logprobs)),
    ("logit_bias", "logit_bias", lambda r: bool(r.sampling.logit_bias)),
    ("stop", "stop", lambda r: bool(r.sampling.stop)),
    ("stop_token_ids", "stop_token_ids", lambda r: bool(r.sampling.stop_token_ids)),
    ("ignore_eos", "ignore_eos", lambda r: r.sampling.ignore_eos),
    ("n", "n", lambda r: r.n > 1),
    ("tools", "tools", lambda r: r.tool_settings is not None),
    ("prompt", "prompt_ids", lambda r: bool(r.prompt_ids)),
    ("prompt", "prompt", lambda r: r.prompt is not None),
    ("echo", "echo", lambda r: r.echo),
)


def expand(names: Iterable[str]) -> frozenset[str]:
    """The capabilities of `names`, of which some may be presets."""
    found: set[str] = set()
    for name in names:
        found |= PRESETS.get(name, {name})
    return frozenset(found)


class FeatureCheck:
    """The check of one model; only what it lacks is looked at."""

    def __init__(self, capabilities: frozenset[str]) -> None:
        self._capabilities = capabilities
        self._missing = [row for row in _SAMPLING if row[1] not in capabilities]

    def refuse_unsupported(self, request: GenerateRequest) -> None:
        """Raises UnsupportedParameter naming the first field that the model cannot honour."""
        for param, feature, uses in self._missing:
            if uses(request):
                raise UnsupportedParameter(param, f"this model's provider has no {feature}.")
        output = request.output_format
        if output is not None and output.kind not in self._capabilities:
            raise UnsupportedParameter(output.param, f"this model's provider has no {output.kind}.")
