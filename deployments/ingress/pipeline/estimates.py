"""What a model call will take, guessed before it runs, so that it can be reserved.

Flows in: a request and its plan. Flows out: Amounts. "hard" plans reserve what the call can never
exceed: a token of any byte-level tokenizer stands for at least one byte, and output ends at
`max_tokens`. "soft" plans reserve a typical call: mean plus twice the mean deviation of what this
tenant's calls of this model took lately (the estimator of TCP's round trip times, RFC 6298).
"""

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass

from cluster.tenants.plan import Plan
from cluster.tenants.units import UsageAmounts
from deployments.contracts.generation import GenerateRequest

DEFAULT_OUTPUT_CAP = 4096
_REMEMBERED = 10_000  # tenants x models
_TEMPLATE_TOKENS = 64  # what a chat template may add to a message
_BYTES_PER_TOKEN = 3
_FIRST_GUESS = 256
_GAIN, _DEVIATION_GAIN = 1 / 8, 1 / 4


@dataclass(slots=True)
class _Typical:
    mean: float
    deviation: float

    def learn(self, tokens: int) -> None:
        error = tokens - self.mean
        self.mean += _GAIN * error
        self.deviation += _DEVIATION_GAIN * (abs(error) - self.deviation)

    @property
    def high(self) -> int:
        return int(self.mean + 2 * self.deviation) + 1


class TokenEstimator:
    """Remembers how long answers get; bounded, the least recently used is forgotten."""

    def __init__(self, output_caps: Mapping[str, int]) -> None:
        """`output_caps` is the most output tokens of one choice, by model."""
        self._caps = dict(output_caps)
        self._seen: OrderedDict[tuple[str, str], _Typical] = OrderedDict()

    def estimate(self, request: GenerateRequest, plan: Plan) -> UsageAmounts:
        """Amounts to reserve for all of the request's choices."""
        hard = plan.reserve == "hard"
        texts = [request.prompt] if request.prompt is not None else _texts(request)
        size = sum(len(text.encode()) for text in texts)
        prompt = size + _TEMPLATE_TOKENS * (len(texts) + 1) if hard else size // _BYTES_PER_TOKEN
        cap = request.sampling.max_tokens or self._caps.get(request.model, DEFAULT_OUTPUT_CAP)
        output = cap if hard else min(cap, self._typical(request))
        return UsageAmounts(input_tokens=prompt, output_tokens=output * request.n)

    def learn(self, request: GenerateRequest, output_tokens: int) -> None:
        """Take note of a finished call; `output_tokens` sums over its choices."""
        key = (request.caller.tenant, request.model)
        tokens = output_tokens // request.n
        known = self._seen.get(key)
        if known is None:
            self._seen[key] = _Typical(tokens, tokens / 2)
            if len(self._seen) > _REMEMBERED:
                self._seen.popitem(last=False)
            return
        known.learn(tokens)
        self._seen.move_to_end(key)

    def _typical(self, request: GenerateRequest) -> int:
        known = self._seen.get((request.caller.tenant, request.model))
        return _FIRST_GUESS if known is None else known.high


def _texts(request: GenerateRequest) -> list[str]:
    return [message.content for message in request.messages]
