"""Token counts: those that a provider reports, if they can be true, else estimates.

In: a request, what a provider says, and the text that has arrived. Out: TokenUsage. A provider that
reports nothing, or counts that cannot be, costs an estimate, which is marked.
"""

import math
from dataclasses import replace
from typing import Any

from deployments.contracts.generation import GenerateRequest, TokenUsage, uses_tools
from deployments.contracts.images import image_tokens, most_image_tokens

BYTES_PER_TOKEN = 4
NANO = 1_000_000_000
_MAX_COST = 1_000_000.0  # of one call, in currency units
_TEMPLATE_TOKENS = 64  # what a chat template may add to a message
_TOOL_TOKENS = 1_024  # what a provider may write beside the tools themselves
_TEXT_OF_TOKEN, _MORE_TEXT = 128, 65_536  # bytes of the longest tokens, and of what counts none


def prompt_bytes(request: GenerateRequest) -> int:
    """Bytes of UTF-8 of the prompt, tools included."""
    if request.prompt is not None:
        return len(request.prompt.encode())
    size = sum([len(message.content.encode()) for message in request.messages])
    if uses_tools(request.messages, request.tool_settings):
        size += request.tool_bytes
    return size + BYTES_PER_TOKEN * len(request.prompt_ids)


def estimated_tokens(size: int) -> int:
    """Of a text of `size` bytes."""
    return -(-size // BYTES_PER_TOKEN)


def most_text(output_limit: int, choices: int) -> int:
    """The most bytes of text that an answer of `output_limit` tokens for each choice can have."""
    return choices * (_TEXT_OF_TOKEN * output_limit + _MORE_TEXT)


def estimated_usage(
    request: GenerateRequest, output_bytes: int, output_limit: int | None = None
) -> TokenUsage:
    """`output_limit` is the most output tokens of one choice."""
    output = estimated_tokens(output_bytes)
    if output_limit is not None:
        output = min(output, output_limit * request.n)
    prompt = estimated_tokens(prompt_bytes(request))
    if request.images:
        prompt += image_tokens(request.images)
    return TokenUsage(prompt, output, is_estimated=True)


def checked_usage(
    request: GenerateRequest, usage: TokenUsage, output_limit: int, output_bytes: int
) -> TokenUsage:
    """The reported usage, or an estimate where it is absurd: negative, or more than the request and
    its limit of output allow, which is what a hard plan has reserved
    (deployments/ingress/pipeline/estimates.py). A part larger than its whole is left out."""
    most_in = prompt_bytes(request) + _TEMPLATE_TOKENS * (len(request.messages) + 1)
    if uses_tools(request.messages, request.tool_settings):
        most_in += _TOOL_TOKENS
    if request.images:
        most_in += most_image_tokens(request.images)
    most_out = output_limit * request.n
    is_true = 0 <= usage.prompt_tokens <= most_in and 0 <= usage.completion_tokens <= most_out
    if not is_true or (usage.completion_tokens == 0 and output_bytes > 0):
        estimate = estimated_usage(request, output_bytes, output_limit)
        return replace(estimate, cost=usage.cost)
    cached, reasoning = usage.cached_tokens, usage.reasoning_tokens
    if 0 <= cached <= usage.prompt_tokens and 0 <= reasoning <= usage.completion_tokens:
        return usage
    return TokenUsage(usage.prompt_tokens, usage.completion_tokens, cost=usage.cost)


def nano_cost(value: Any) -> int | None:
    """A cost in currency units as nano-currency; None where it is none."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        return None
    if not math.isfinite(value) or not 0 <= value <= _MAX_COST:
        return None
    return round(value * NANO)
