"""Greedy decoding in float32 equals transformers' `generate`, token by token."""

from contextlib import aclosing
from itertools import chain

import pytest

from deployments.contracts.engine import Engine
from deployments.model.engines.reference_engine import ReferenceEngine
from deployments.model.model_files import NANO
from tests.engines.text.sequences import collect_all, greedy, nano_prompts

pytestmark = pytest.mark.asyncio(loop_scope="module")

PROMPTS = nano_prompts()
TOKENS = 32
TIE = 2e-2  # in log probability: the shipped OpenVINO weights are rounded to fp16


@pytest.fixture(scope="module")
def oracle() -> ReferenceEngine:
    return ReferenceEngine(NANO)


async def test_greedy_output_equals_the_oracle(engine: Engine, oracle: ReferenceEngine) -> None:
    if engine.name == "echo":
        pytest.skip("echo has no model")

    got = await collect_all(engine, [greedy(prompt, TOKENS) for prompt in PROMPTS])

    for prompt, sequence in zip(PROMPTS, got, strict=True):
        expected = oracle.generate(prompt, TOKENS)
        same = _common(sequence.ids, expected)
        if same < TOKENS:  # only a tie may be decided differently
            table = oracle.log_probabilities(prompt, expected)[same]
            assert table[expected[same]] - table[sequence.ids[same]] < TIE


async def test_log_probabilities_are_the_models_own(
    engine: Engine, oracle: ReferenceEngine
) -> None:
    """Raw ones: before temperature and top_p, as OpenAI and vLLM report them."""
    if engine.name == "echo" or "logprobs" not in engine.supports:
        pytest.skip("this engine gives none")
    seed = 3 if "seed" in engine.supports else None
    asked = [
        greedy(prompt, 8, logprobs=0, temperature=heat, seed=seed)
        for prompt, heat in zip(PROMPTS, (0.0, 0.5, 1.0, 2.0, 0.0, 0.7), strict=True)
    ]

    for request, sequence in zip(asked, await collect_all(engine, asked), strict=True):
        table = oracle.log_probabilities(request.prompt_ids, sequence.ids)
        expected = [float(table[at, token]) for at, token in enumerate(sequence.ids)]
        assert sequence.logprobs == pytest.approx(expected, abs=0.05)


@pytest.mark.parametrize("length", [20, 700], ids=["one step", "several steps"])
async def test_log_probabilities_of_a_prompt_are_the_models_own(
    engine: Engine, length: int
) -> None:
    """Compared with the weights that the engine has: over hundreds of tokens that are no text,
    rounding them to fp16 changes some by more than 1.
    """
    if engine.name == "echo" or "prompt_logprobs" not in engine.supports:
        pytest.skip("this engine gives none")
    prompt = tuple(chain.from_iterable(PROMPTS * 10))[:length]
    alternatives = 2 if "top_logprobs" in engine.supports else 0
    asked = greedy(prompt, 2, logprobs=alternatives, prompt_logprobs=True)

    async with aclosing(engine.generate(asked)) as stream:
        first = await anext(stream)

    oracle = ReferenceEngine(NANO, like_fp16=engine.name == "openvino")
    table = oracle.log_probabilities(prompt[:1], prompt[1:])
    expected = [float(table[at, token]) for at, token in enumerate(prompt[1:])]
    assert first.prompt_logprobs[0] is None
    assert list(first.prompt_logprobs[1:]) == pytest.approx(expected, abs=0.1)
    for at, top in enumerate(first.prompt_top[1:]):
        best = sorted((float(value) for value in table[at]), reverse=True)[:alternatives]
        assert [value for _, value in top] == pytest.approx(best, abs=0.05)


async def test_repetition_is_penalized(engine: Engine) -> None:
    if engine.name == "echo" or "repetition_penalty" not in engine.supports:
        pytest.skip("this engine has no such penalty")
    plain, penalized = await collect_all(
        engine, [greedy(PROMPTS[3], 60), greedy(PROMPTS[3], 60, repetition_penalty=2.0)]
    )

    assert len(set(penalized.ids)) > len(set(plain.ids))


async def test_unlikely_tokens_are_dropped(engine: Engine) -> None:
    """With `min_p` 1 only the likeliest token is left, whatever the temperature is."""
    if engine.name == "echo" or "min_p" not in engine.supports:
        pytest.skip("this engine has no min_p")
    plain, dropped = await collect_all(
        engine, [greedy(PROMPTS[0], 20), greedy(PROMPTS[0], 20, temperature=2.0, min_p=1.0)]
    )

    assert dropped.ids == plain.ids


def _common(left: tuple[int, ...], right: list[int]) -> int:
    pairs = enumerate(zip(left, right, strict=True))
    return next((at for at, (a, b) in pairs if a != b), len(left))
