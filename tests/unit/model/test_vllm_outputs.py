"""vLLM's outputs as tokens, and a request as vLLM's parameters, without vLLM."""

import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from deployments.contracts.engine import ImagePrompt, TokenRequest, Tokens
from deployments.model.engines.vllm import _prompt, _sampling, _tokens

REQUEST = TokenRequest("r", (7, 8, 9), 5, frozenset({0}), logprobs=1, prompt_logprobs=True)


def entry(**logprobs: float) -> dict[int, Any]:
    return {int(token[1:]): SimpleNamespace(logprob=value) for token, value in logprobs.items()}


def output(ids: list[int], reason: str | None = None, **fields: Any) -> Any:
    logprobs = fields.pop("logprobs", None)
    choice = SimpleNamespace(token_ids=ids, finish_reason=reason, logprobs=logprobs)
    known = {"num_cached_tokens": None, "prompt_logprobs": None, **fields}
    return SimpleNamespace(outputs=[choice], **known)


def test_log_probabilities_of_prompt_and_tokens_come_with_their_best_alternatives() -> None:
    first = output(
        [5],
        logprobs=[entry(t5=-0.5, t6=-0.1)],
        prompt_logprobs=[None, entry(t8=-1.0, t3=-0.2), entry(t9=-0.3)],
        num_cached_tokens=16,
    )

    assert _tokens(first, REQUEST) == Tokens(
        (5,),
        None,
        (-0.5,),
        (((6, -0.1),),),
        (None, -1.0, -0.3),
        ((), ((3, -0.2),), ((9, -0.3),)),
        16,
    )


def test_the_stop_token_is_left_out_with_its_log_probability() -> None:
    last = output([5, 0], "stop", logprobs=[entry(t5=-0.5), entry(t0=-0.1)])

    assert _tokens(last, REQUEST) == Tokens((5,), "stop", (-0.5,), (((5, -0.5),),))


def test_nothing_is_reported_that_was_not_asked_for() -> None:
    plain = TokenRequest("r", (7,), 5, frozenset())

    assert _tokens(output([5], "length", num_cached_tokens=0), plain) == Tokens((5,), "length")


def test_all_sampling_reaches_vllm(monkeypatch: pytest.MonkeyPatch) -> None:
    module: Any = ModuleType("vllm.sampling_params")
    module.SamplingParams = lambda **fields: fields
    module.RequestOutputKind = SimpleNamespace(DELTA="delta")
    monkeypatch.setitem(sys.modules, "vllm", ModuleType("vllm"))
    monkeypatch.setitem(sys.modules, "vllm.sampling_params", module)
    request = TokenRequest(
        "r",
        (7,),
        5,
        frozenset({2, 1}),
        min_p=0.1,
        repetition_penalty=1.2,
        logit_bias=((5, 2.0),),
        logprobs=3,
    )

    fields = _sampling(request)

    assert (fields["min_p"], fields["repetition_penalty"]) == (0.1, 1.2)
    assert (fields["logit_bias"], fields["stop_token_ids"]) == ({5: 2.0}, [1, 2])
    assert (fields["logprobs"], fields["prompt_logprobs"]) == (3, None)
    assert _sampling(REQUEST)["prompt_logprobs"] == 1
    assert _sampling(REQUEST)["logit_bias"] is None


def test_vllm_gets_one_placeholder_for_each_picture() -> None:
    """It makes as many of them as the model wants."""
    pictured = ImagePrompt((7, 8, 8, 8), ([7, 8], ["a picture"]))
    plain = TokenRequest("r", pictured.ids, 5, frozenset(), tenant="acme")
    request = TokenRequest("r", pictured.ids, 5, frozenset(), tenant="acme", image_prompt=pictured)

    assert _prompt(request) == {
        "prompt_token_ids": [7, 8],
        "multi_modal_data": {"image": ["a picture"]},
        "cache_salt": _prompt(plain)["cache_salt"],
    }
