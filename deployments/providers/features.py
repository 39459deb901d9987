"""The capabilities of a provider's model: which fields of a request it can honour.

In: a request. Out: UnsupportedParameter for a field that the model does not have, so that nothing
is dropped silently.
"""

from collections.abc import Callable, Iterable
from operator import attrgetter
from types import SimpleNamespace
from typing import Final, Literal

from cluster.runtime.problems import UnsupportedParameter
from deployments.contracts.generation import GenerateRequest, Sampling

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
    "images",
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
        "images",
    )
)
_VLLM: Final[frozenset[Capability]] = _OPENAI - {"images"} | frozenset(
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
    ("temperature", "top_p", "top_k", "stop", "tools", "json_object", "json_schema", "images")
)
PRESETS: Final[dict[str, frozenset[Capability]]] = {
    "openai": _OPENAI,
    "vllm": _VLLM,
    "anthropic": _ANTHROPIC,
}

# The field that callers are told, the capability, where its value is in a request, and whether a
# request uses it.
_SAMPLING: tuple[tuple[str, Capability, str, Callable[[GenerateRequest], bool]], ...] = (
    ("temperature", "temperature", "sampling.temperature", lambda r: r.sampling.temperature != 1.0),
    ("top_p", "top_p", "sampling.top_p", lambda r: r.sampling.top_p != 1.0),
    ("top_k", "top_k", "sampling.top_k", lambda r: r.sampling.top_k != 0),
    ("min_p", "min_p", "sampling.min_p", lambda r: r.sampling.min_p != 0),
    (
        "seed",
        "seed",
        "sampling.seed",
        lambda r: r.sampling.seed is not None and r.sampling.temperature != 0,
    ),
    (
        "presence_penalty",
        "penalties",
        "sampling.presence_penalty",
        lambda r: r.sampling.presence_penalty != 0,
    ),
    (
        "frequency_penalty",
        "penalties",
        "sampling.frequency_penalty",
        lambda r: r.sampling.frequency_penalty != 0,
    ),
    (
        "repetition_penalty",
        "repetition_penalty",
        "sampling.repetition_penalty",
        lambda r: r.sampling.repetition_penalty != 1,
    ),
    ("logprobs", "logprobs", "sampling.logprobs", lambda r: r.sampling.logprobs is not None),
    ("top_logprobs", "top_logprobs", "sampling.logprobs", lambda r: bool(r.sampling.logprobs)),
    ("logit_bias", "logit_bias", "sampling.logit_bias", lambda r: bool(r.sampling.logit_bias)),
    ("stop", "stop", "sampling.stop", lambda r: bool(r.sampling.stop)),
    (
        "stop_token_ids",
        "stop_token_ids",
        "sampling.stop_token_ids",
        lambda r: bool(r.sampling.stop_token_ids),
    ),
    ("ignore_eos", "ignore_eos", "sampling.ignore_eos", lambda r: r.sampling.ignore_eos),
    ("n", "n", "n", lambda r: r.n > 1),
    ("tools", "tools", "tool_settings", lambda r: r.tool_settings is not None),
    ("prompt", "prompt_ids", "prompt_ids", lambda r: bool(r.prompt_ids)),
    ("prompt", "prompt", "prompt", lambda r: r.prompt is not None),
    ("echo", "echo", "echo", lambda r: r.echo),
    ("messages", "images", "images", lambda r: bool(r.images)),
)
_PLAIN: Final = SimpleNamespace(  # the values of a request that uses none of them
    sampling=Sampling(),
    n=1,
    tool_settings=None,
    prompt_ids=(),
    prompt=None,
    echo=False,
    images=(),
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
        # Nearly all requests use nothing of what is missing: all is looked at in one step.
        self._read = attrgetter("n", *(path for _, _, path, _ in self._missing))
        self._unused = self._read(_PLAIN)

    def refuse_unsupported(self, request: GenerateRequest) -> None:
        """Raises UnsupportedParameter naming the first field that the model cannot honour."""
        if self._missing and self._read(request) != self._unused:
            for param, feature, _, uses in self._missing:
                if uses(request):
                    raise UnsupportedParameter(param, f"this model's provider has no {feature}.")
        output = request.output_format
        if output is not None and output.kind not in self._capabilities:
            raise UnsupportedParameter(output.param, f"this model's provider has no {output.kind}.")
