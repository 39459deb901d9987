"""What is never cached: one test for each line of deployments/cache/policy.py."""

from dataclasses import replace
from typing import get_type_hints

import pytest

from cluster.runtime.problems import (
    DeadlineExceeded,
    InvalidRequest,
    ModelFailed,
    Overloaded,
    Problem,
    PromptTooLong,
    QuotaExceeded,
    RateLimited,
    UnsupportedParameter,
)
from cluster.tenants.caller import Caller
from deployments.cache.policy import REFUSAL_S, is_cacheable, negative_ttl_s
from deployments.cache.response_cache import bypass_reason
from deployments.contracts.cache import NO_DIRECTIVES, Directives
from deployments.contracts.generation import (
    Choice,
    Completion,
    GenerateRequest,
    Message,
    Sampling,
    TokenUsage,
)

REQUEST = GenerateRequest(
    request_id="r",
    caller=Caller("t", "k", frozenset()),
    model="m",
    sampling=Sampling(temperature=0),
    messages=(Message("user", "hello"),),
)


def sampled(**fields: object) -> GenerateRequest:
    return replace(REQUEST, sampling=Sampling(temperature=0.7, **fields))  # type: ignore[arg-type]


def completion(*reasons: str) -> Completion:
    choices = tuple(Choice(i, "text", reason) for i, reason in enumerate(reasons))  # type: ignore[arg-type]
    return Completion(choices, TokenUsage(1, 1))


def test_1_what_shall_not_be_stored_is_not() -> None:
    directives = Directives(no_store=True, sampled=True)

    assert bypass_reason(REQUEST, directives, True) == "no-store"


def test_2_an_answer_drawn_at_random_is_not_kept() -> None:
    assert bypass_reason(sampled(), NO_DIRECTIVES, False) == "sampled"
    assert bypass_reason(sampled(top_k=2), NO_DIRECTIVES, False) == "sampled"
    assert bypass_reason(sampled(top_p=0.5), NO_DIRECTIVES, False) == "sampled"


@pytest.mark.parametrize(
    "request_",
    [
        pytest.param(REQUEST, id="greedy"),
        pytest.param(sampled(top_k=1), id="one token to choose from"),
        pytest.param(sampled(seed=0), id="seeded"),
    ],
)
def test_2_what_the_model_would_say_again_is_kept(request_: GenerateRequest) -> None:
    assert bypass_reason(request_, NO_DIRECTIVES, False) is None


def test_2_a_request_or_a_plan_may_take_any_one_answer() -> None:
    assert bypass_reason(sampled(), Directives(sampled=True), False) is None
    assert bypass_reason(sampled(), NO_DIRECTIVES, True) is None


@pytest.mark.parametrize(
    "directives",
    [
        pytest.param(Directives(no_cache=True), id="no-cache"),
        pytest.param(Directives(only_if_cached=True), id="only-if-cached"),
        pytest.param(Directives(max_age_s=0), id="max-age"),
        pytest.param(Directives(tags=("a",)), id="tags"),
    ],
)
def test_other_directives_do_not_forbid_keeping(directives: Directives) -> None:
    assert bypass_reason(REQUEST, directives, False) is None


def test_3_a_truncated_answer_is_not_kept() -> None:
    assert is_cacheable(completion("stop", "stop"))
    assert not is_cacheable(completion("length"))
    assert not is_cacheable(completion("stop", "length"))


def test_4_an_answer_without_choices_is_not_kept() -> None:
    assert not is_cacheable(completion())


def test_5_nothing_but_a_whole_completion_can_be_judged_keepable() -> None:
    assert get_type_hints(is_cacheable) == {"completion": Completion, "return": bool}


@pytest.mark.parametrize(
    "problem",
    [
        pytest.param(Problem("unknown"), id="500"),
        pytest.param(RateLimited("slow down", 1.0, "rpm"), id="429"),
        pytest.param(QuotaExceeded("spent", 1.0, "day"), id="budget"),
        pytest.param(ModelFailed("m"), id="502"),
        pytest.param(Overloaded("busy"), id="503"),
        pytest.param(DeadlineExceeded("model"), id="504"),
    ],
)
def test_6_a_failure_is_not_remembered(problem: Problem) -> None:
    assert negative_ttl_s(problem) == 0


@pytest.mark.parametrize(
    "problem",
    [
        pytest.param(PromptTooLong("m", 9, 8), id="too long"),
        pytest.param(UnsupportedParameter("logprobs", "no"), id="unsupported"),
        pytest.param(InvalidRequest("no"), id="out of range"),
    ],
)
def test_6_a_request_that_is_itself_wrong_is_remembered_for_a_moment(problem: Problem) -> None:
    assert negative_ttl_s(problem) == REFUSAL_S <= 5
