"""Evaluation of a finished nano folder: held-out loss, and what its answers to unseen topics are
worth.

Topics come from the held-out side of the grammar, which training never draws; prompts are the
product's own. Copied: the topic's exact words appear. Valid: the answer closes itself, stays within
the platform's limit, and has exactly as many different hashtags as asked for, and emoji or none.
"""

import random
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from deployments.content.brief import Brief
from deployments.content.cleanup import clean, extract_hashtags
from deployments.content.platforms import platform
from deployments.content.prompts import messages
from deployments.content.text_counts import words
from deployments.text.graphemes import emoji_in
from training.grammar.chats import draw_brief
from training.grammar.topics import Topic, draw_topic
from training.sampling import SampledAnswer, sample_answers

TEMPERATURE, TOP_P = 0.7, 0.95  # what the content pipelines ask for

# What people might really ask for; written by hand, each put into four different requests.
EVERYDAY = (
    "our summer reading challenge",
    "a handmade ceramic teapot",
    "the new electric scooter lineup",
    "tips for better sleep",
    "our first office dog",
    "a behind-the-scenes look at our film set",
    "gluten-free birthday cakes",
    "Mother's Day flowers",
    "how we cut our cloud bill in half",
    "a weekend hike in the Dolomites",
    "launching our Kickstarter campaign",
    "the city bike-sharing program",
    "vintage vinyl records",
    "a free webinar on personal finance",
    "our partnership with UNICEF",
    "growing tomatoes on a balcony",
    "the science of habit building",
    "winter tire discounts",
    "a job opening for a senior nurse",
    "volunteering at the animal shelter",
    "Thai street food",
    "our 10th anniversary party",
    "digital detox",
    "a photography workshop for teens",
    "new arrivals in the shoe department",
)


@dataclass(frozen=True, slots=True)
class AnswerMetrics:
    """Shares of answers (0..1): see the module's docstring; `distinct_1` and `distinct_2` are the
    shares of different words and word pairs among all, `unique` the share of different texts,
    `tokens` the mean length.
    """

    answers: int
    copied: float
    ended: float
    within_limit: float
    hashtags: float
    emoji: float
    valid: float
    posted: float
    distinct_1: float
    distinct_2: float
    unique: float
    tokens: float


@dataclass(frozen=True, slots=True)
class Example:
    """One request and its unedited answer."""

    prompt: str
    text: str


def evaluate(folder: Path, seed: int, count: int = 200) -> dict[str, Any]:
    """Return every measured number and twelve samples of the model in `folder`, ready for JSON."""
    briefs = held_out_briefs(seed, count)
    chats = [messages(brief) for brief in briefs]
    ir = folder / "openvino"
    sampled = sample_answers(ir, chats, TEMPERATURE, TOP_P, seed)
    greedy = sample_answers(ir, chats, 0.0, 1.0, seed)
    everyday = everyday_briefs(seed)
    plain = sample_answers(ir, [messages(brief) for brief in everyday], TEMPERATURE, TOP_P, seed)
    examples = [Example(messages(everyday[i])[1]["content"], plain[i].text) for i in range(12)]
    again = sample_answers(ir, [chats[0]] * 20, TEMPERATURE, TOP_P, seed)
    return {
        "seed": seed,
        "held_out_loss": measure_saved_loss(folder, seed),
        "sampled": {
            "temperature": TEMPERATURE,
            "top_p": TOP_P,
            **asdict(measure_answers(briefs, sampled)),
        },
        "greedy": asdict(measure_answers(briefs, greedy)),
        "everyday": asdict(measure_answers(everyday, plain)),
        "different_texts_of_20_for_one_prompt": len({answer.text for answer in again}),
        "examples": [asdict(example) for example in examples],
    }


def held_out_briefs(seed: int, count: int) -> list[Brief]:
    """Return briefs over all platforms and styles on topics that training never draws."""
    briefs = []
    for index in range(count):
        rng = random.Random(f"{seed}:evaluation:{index}")
        briefs.append(draw_brief(rng, "held-out", draw_topic(rng, "held-out")))
    return briefs


def everyday_briefs(seed: int) -> list[Brief]:
    """Return four different requests for each topic of `EVERYDAY`."""
    briefs: list[Brief] = []
    for text in EVERYDAY * 4:
        rng = random.Random(f"{seed}:everyday:{len(briefs)}")
        briefs.append(draw_brief(rng, "held-out", Topic(text, "bare", False, None)))
    return briefs


def measure_saved_loss(folder: Path, seed: int) -> float:
    """Return the held-out loss (nats per assistant token) of the weights as they are saved."""
    import torch
    from transformers import AutoTokenizer, LlamaForCausalLM

    from training.train import held_out_loss

    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = LlamaForCausalLM.from_pretrained(folder, dtype=torch.float32)
    return held_out_loss(model.eval(), tokenizer, seed)


def measure_answers(briefs: Sequence[Brief], answers: Sequence[SampledAnswer]) -> AnswerMetrics:
    """Return the rates of `answers`, which reply to `briefs` in order."""
    pairs = list(zip(briefs, answers, strict=True))
    checks = [_check_answer(brief, answer) for brief, answer in pairs]
    all_words = [word for answer in answers for word in words(answer.text)]
    bigrams = list(zip(all_words, all_words[1:], strict=False))
    return AnswerMetrics(
        answers=len(pairs),
        copied=_share(
            [brief.topic.casefold() in answer.text.casefold() for brief, answer in pairs]
        ),
        ended=_share([check[0] for check in checks]),
        within_limit=_share([check[1] for check in checks]),
        hashtags=_share([check[2] for check in checks]),
        emoji=_share([check[3] for check in checks]),
        valid=_share([all(check) for check in checks]),
        posted=_share([_is_valid_after_cleanup(brief, answer) for brief, answer in pairs]),
        distinct_1=len(set(all_words)) / max(1, len(all_words)),
        distinct_2=len(set(bigrams)) / max(1, len(bigrams)),
        unique=len({answer.text for answer in answers}) / max(1, len(answers)),
        tokens=sum(answer.tokens for answer in answers) / max(1, len(answers)),
    )


def _check_answer(brief: Brief, answer: SampledAnswer) -> tuple[bool, bool, bool, bool]:
    tags = [tag.casefold() for tag in extract_hashtags(answer.text)]
    return (
        answer.ended,
        len(answer.text) <= platform(brief.platform).max_chars,
        len(tags) == len(set(tags)) == brief.hashtags,
        bool(emoji_in(answer.text)) == brief.emoji,
    )


def _is_valid_after_cleanup(brief: Brief, answer: SampledAnswer) -> bool:
    """Whether the answer is valid once the content pipeline has cleaned it up, as users see it."""
    finished = clean(brief, answer.text)
    return all(_check_answer(brief, SampledAnswer(finished.text, answer.ended, answer.tokens)))


def _share(flags: Sequence[bool]) -> float:
    return sum(flags) / max(1, len(flags))
