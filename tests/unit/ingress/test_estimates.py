"""What is reserved before a call: never too little for hard plans, about right for soft ones."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster.tenants.caller import Caller, Scope
from cluster.tenants.plan import Plan
from deployments.contracts.generation import GenerateRequest, Message, Sampling
from deployments.ingress.pipeline.estimates import DEFAULT_OUTPUT_CAP, TokenEstimator

HARD, SOFT = Plan(id="p", reserve="hard"), Plan(id="p")
CALLER = Caller("acme", "k", frozenset({Scope.GENERATE}))


def request(text: str = "hello", max_tokens: int | None = None, n: int = 1) -> GenerateRequest:
    return GenerateRequest(
        request_id="r",
        caller=CALLER,
        model="nano",
        sampling=Sampling(max_tokens=max_tokens),
        messages=(Message("user", text),),
        n=n,
    )


@given(text=st.text(max_size=200))
def test_a_hard_plan_reserves_a_token_for_each_byte_of_the_prompt(text: str) -> None:
    assert TokenEstimator({}).estimate(request(text), HARD).input_tokens >= len(text.encode())


@pytest.mark.parametrize(
    ("asked", "caps", "reserved"),
    [
        pytest.param(50, {}, 100, id="what the request allows"),
        pytest.param(None, {"nano": 300}, 600, id="what the model allows"),
        pytest.param(None, {}, 2 * DEFAULT_OUTPUT_CAP, id="the usual cap"),
        pytest.param(100_000, {"nano": 300}, 600, id="no more than the model gives"),
        pytest.param(100_000, {}, 200_000, id="more than usual of a model without a cap"),
        pytest.param(0, {"nano": 300}, 0, id="nothing"),
    ],
)
def test_a_hard_plan_reserves_the_longest_answer_of_every_choice(
    asked: int | None, caps: dict[str, int], reserved: int
) -> None:
    assert (
        TokenEstimator(caps).estimate(request(max_tokens=asked, n=2), HARD).output_tokens
        == reserved
    )


def test_a_model_that_a_provider_lists_has_the_cap_of_its_prefix() -> None:
    asked = replace(request(), model="open/team/gpt")
    estimator = TokenEstimator({"open": 700, "open/team": 900, "op": 5})

    assert estimator.estimate(asked, HARD).output_tokens == 900


def test_token_ids_count_as_what_they_are() -> None:
    ids = replace(request(), messages=(), prompt_ids=tuple(range(50)))

    for plan in (HARD, SOFT):
        assert TokenEstimator({}).estimate(ids, plan).input_tokens == 50


def test_a_soft_plan_reserves_what_answers_usually_take() -> None:
    estimates = TokenEstimator({})
    for _ in range(100):
        estimates.learn(request(), 40)

    assert 40 <= estimates.estimate(request(), SOFT).output_tokens <= 45
    assert estimates.estimate(request(max_tokens=10), SOFT).output_tokens == 10


def test_each_tenant_is_learnt_by_itself() -> None:
    estimates = TokenEstimator({})
    estimates.learn(request(), 4)
    other = replace(request(), caller=replace(CALLER, tenant="other"))

    assert (
        estimates.estimate(other, SOFT).output_tokens
        > estimates.estimate(request(), SOFT).output_tokens
    )
