"""Counts that a provider reports: those that can be true are taken over."""

import pytest

from cluster.tenants.plan import Plan
from deployments.contracts.generation import TokenUsage, Tool, ToolSettings
from deployments.ingress.pipeline.estimates import TokenEstimator
from deployments.providers.usage import checked_usage, nano_cost
from tests.upstream_server.requests import chat_request

LIMIT = 100
TOOLS = ToolSettings((Tool("find", "Finds things.", '{"type":"object"}'),))


@pytest.mark.parametrize("tools", [None, TOOLS])
@pytest.mark.parametrize("text", ["", "hello", "é" * 300])
def test_no_report_costs_more_than_a_hard_plan_has_reserved(
    text: str, tools: ToolSettings | None
) -> None:
    request = chat_request(text, sampling={"max_tokens": LIMIT}, n=2, tool_settings=tools)
    reserved = TokenEstimator({}).estimate(request, Plan(id="p", reserve="hard"))
    slack = 0 if tools is None else 1_024

    for prompt in range(0, 4_000, 50):
        for output in (0, 1, 200, 201, 10**9):
            usage = checked_usage(request, TokenUsage(prompt, output), LIMIT, 20)
            assert usage.prompt_tokens <= reserved.input_tokens + slack
            assert usage.completion_tokens <= reserved.output_tokens


def test_what_can_be_true_is_taken_over() -> None:
    usage = TokenUsage(20, 30, 10, 5, cost=7)

    assert checked_usage(chat_request("hello"), usage, LIMIT, 100) == usage


def test_a_part_that_is_larger_than_its_whole_is_left_out() -> None:
    usage = checked_usage(chat_request("hello"), TokenUsage(20, 30, 21, 5), LIMIT, 100)

    assert usage == TokenUsage(20, 30)


def test_text_of_no_tokens_is_estimated() -> None:
    usage = checked_usage(chat_request("hello"), TokenUsage(20, 0), LIMIT, 40)

    assert (usage.completion_tokens, usage.is_estimated) == (10, True)


@pytest.mark.parametrize(
    ("cost", "nano"), [(0.25, 250_000_000), (0, 0), (1e-9, 1), ("1", None), (-1.0, None)]
)
def test_costs_are_kept_in_nano_currency(cost: object, nano: int | None) -> None:
    assert nano_cost(cost) == nano
