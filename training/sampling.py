"""Sampling: chats in, answers of the exported model out. Uses the OpenVINO files, which are what
Mobula serves.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from deployments.content.prompts import ChatMessage

MAX_TOKENS = 400


@dataclass(frozen=True, slots=True)
class SampledAnswer:
    """A sampled text; `ended` is True where the model closed it with `<|end|>` itself."""

    text: str
    ended: bool
    tokens: int


def sample_answers(
    folder: Path,
    chats: Sequence[Sequence[ChatMessage]],
    temperature: float,
    top_p: float,
    seed: int,
) -> list[SampledAnswer]:
    """Answer every chat, chat i with seed `seed + i`; temperature 0 is greedy. `folder` holds the
    IR.
    """
    import openvino_genai as genai

    tokenizer = genai.Tokenizer(str(folder))
    scheduler = genai.SchedulerConfig()
    scheduler.cache_size = 1
    scheduler.max_num_seqs = 32
    pipeline = genai.ContinuousBatchingPipeline(str(folder), scheduler, "CPU", {})
    prompts, configs = [], []
    for index, chat in enumerate(chats):
        text = tokenizer.apply_chat_template(
            [dict(turn) for turn in chat], add_generation_prompt=True
        )
        prompts.append(tokenizer.encode(text, add_special_tokens=False).input_ids)
        config = genai.GenerationConfig()
        config.max_new_tokens = MAX_TOKENS
        config.eos_token_id = tokenizer.get_eos_token_id()
        config.do_sample = temperature > 0
        if temperature > 0:
            config.temperature, config.top_p, config.rng_seed = temperature, top_p, seed + index
        configs.append(config)
    answers = []
    for result in pipeline.generate(prompts, configs):
        ids = list(result.m_generation_ids[0])
        ended = result.finish_reasons[0] == genai.GenerationFinishReason.STOP
        answers.append(
            SampledAnswer(tokenizer.decode(ids, skip_special_tokens=True), ended, len(ids))
        )
    return answers
