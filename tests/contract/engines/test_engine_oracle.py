"""Greedy decoding in float32 equals transformers' `generate`, token by token."""

import pytest

from deployments.contracts.engine import Engine
from deployments.model.engines.reference_engine import ReferenceEngine
from deployments.model.model_files import NANO
from sequences import collect_all, greedy, nano_prompts

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
    asked = [
        greedy(prompt, 8, logprobs=0, temperature=heat, seed=3)
        for prompt, heat in zip(PROMPTS, (0.0, 0.5, 1.0, 2.0, 0.0, 0.7), strict=True)
    ]

    for request, sequence in zip(asked, await collect_all(engine, asked), strict=True):
        table = oracle.log_probabilities(request.prompt_ids, sequence.ids)
        expected = [float(table[at, token]) for at, token in enumerate(sequence.ids)]
        assert sequence.logprobs == pytest.approx(expected, abs=0.05)


def _common(left: tuple[int, ...], right: list[int]) -> int:
    pairs = enumerate(zip(left, right, strict=True))
    return next((at for at, (a, b) in pairs if a != b), len(left))
