"""What a model call will use, estimated before it runs, so that it can be reserved.

Flows in: a request and its plan. Flows out: UsageAmounts. "hard" plans reserve what the call can
never exceed: a token of any byte-level tokenizer stands for at least one byte, and output ends at
`max_tokens` or at the model's maximum, whichever is less. "soft" plans reserve a typical call:
mean plus twice the mean deviation of what this tenant's recent calls of this model used (the
estimator of TCP's round trip times, RFC 6298).
"""

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass

from cluster.tenants.plan import Plan
from cluster.tenants.units import UsageAmounts
from deployments.contracts.generation import GenerateRequest, uses_tools
from deployments.contracts.images import image_tokens, most_image_tokens
from deployments.ingress.pipeline.tool_estimates import most_tool_tokens

DEFAULT_OUTPUT_CAP = 4096
_MAX_ENTRIES = 10_000  # tenants x models
_TEMPLATE_TOKENS = 64  # what a chat template may add to a message
_BYTES_PER_TOKEN = 3
_INITIAL_OUTPUT = 256
_GAIN, _DEVIATION_GAIN = 1 / 8, 1 / 4


@dataclass(slots=True)
class _OutputLength:
    """Smoothed output tokens of one choice."""

    mean: float
    deviation: float


class TokenEstimator:
    """Remembers how long answers are, by tenant and model; bounded, least recently used first."""

    def __init__(self, output_caps: Mapping[str, int]) -> None:
        """`output_caps` is the most output tokens of one choice, by model, or by the prefix of
        those that a provider lists."""
        self._caps = dict(output_caps)
        self._lengths: OrderedDict[tuple[str, str], _OutputLength] = OrderedDict()

    def estimate(self, request: GenerateRequest, plan: Plan) -> UsageAmounts:
        """Amounts to reserve for all of the request's choices."""
        if request.prompt is None:
            sizes = [len(message.content.encode()) for message in request.messages]
        else:
            sizes = [len(request.prompt.encode())]
        size = sum(sizes)
        ids = len(request.prompt_ids)
        requested, cap = request.sampling.max_tokens, self._caps.get(request.model)
        if cap is None and "/" in request.model:
            cap = self._cap_of_provider(request.model)
        if requested is None:
            output = DEFAULT_OUTPUT_CAP if cap is None else cap
        else:  # a model generates at most its maximum, whatever is requested
            output = requested if cap is None else min(requested, cap)
        with_tools = uses_tools(request.messages, request.tool_settings)
        if plan.reserve == "hard":
            prompt = ids or size + _TEMPLATE_TOKENS * (len(sizes) + 1)
            prompt += most_tool_tokens(request) if with_tools else 0
            if request.images:
                prompt += most_image_tokens(request.images)
        else:
            size += request.tool_bytes if with_tools else 0
            prompt = ids or size // _BYTES_PER_TOKEN
            length = self._lengths.get((request.caller.tenant, request.model))
            typical = (
                _INITIAL_OUTPUT if length is None else int(length.mean + 2 * length.deviation) + 1
            )
            output = min(output, typical)
            if request.images:
                prompt += image_tokens(request.images)
        return UsageAmounts(prompt, output * request.n, len(request.images))

    def _cap_of_provider(self, model: str) -> int | None:
        """Of a model that a provider lists, named `PREFIX/NAME` (deployments/providers)."""
        found = [id for id in self._caps if model.startswith(f"{id}/")]
        return self._caps[max(found, key=len)] if found else None

    def learn(self, request: GenerateRequest, output_tokens: int) -> None:
        """Take note of a finished call; `output_tokens` sums over its choices."""
        key = (request.caller.tenant, request.model)
        tokens = output_tokens // request.n
        length = self._lengths.get(key)
        if length is None:
            self._lengths[key] = _OutputLength(tokens, tokens / 2)
            if len(self._lengths) > _MAX_ENTRIES:
                self._lengths.popitem(last=False)
            return
        error = tokens - length.mean
        length.mean += _GAIN * error
        length.deviation += _DEVIATION_GAIN * (abs(error) - length.deviation)
        self._lengths.move_to_end(key)
