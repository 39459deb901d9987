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
from deployments.content.cleanup import finish, tags_in
from deployments.content.graphemes import emoji_in
from deployments.content.platforms import platform
from deployments.content.prompts import messages
from deployments.content.scoring import words
from training.grammar.chats import draw_brief
from training.grammar.topics import Topic, draw_topic
from training.sampling import Answer, answers

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
class Rates:
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
    sampled = answers(ir, chats, TEMPERATURE, TOP_P, seed)
    greedy = answers(ir, chats, 0.0, 1.0, seed)
    everyday = everyday_briefs(seed)
    plain = answers(ir, [messages(brief) for brief in everyday], TEMPERATURE, TOP_P, seed)
    examples = [Example(messages(everyday[i])[1]["content"], plain[i].text) for i in range(12)]
    again = answers(ir, [chats[0]] * 20, TEMPERATURE, TOP_P, seed)
    return {
        "seed": seed,
        "held_out_loss": saved_loss(folder, seed),
        "sampled": {"temperature": TEMPERATURE, "top_p": TOP_P, **asdict(rates(briefs, sampled))},
        "greedy": asdict(rates(briefs, greedy)),
        "everyday": asdict(rates(everyday, plain)),
        "different_texts_of_20_for_one_prompt": len({answer.text for answer in again}),
        "examples": [asdict(example) for example in examples],
    }


def held_out_briefs(seed: int, count: int) -> list[Brief]:
    """Return briefs over all platforms and styles on topics that training never draws."""
    out = []
    for index in range(count):
        rng = random.Random(f"{seed}:evaluation:{index}")
        out.append(draw_brief(rng, "held-out", draw_topic(rng, "held-out")))
    return out


def everyday_briefs(seed: int) -> list[Brief]:
    """Return four different requests for each topic of `EVERYDAY`."""
    out: list[Brief] = []
    for text in EVERYDAY * 4:
        rng = random.Random(f"{seed}:everyday:{len(out)}")
        out.append(draw_brief(rng, "held-out", Topic(text, "bare", False, None)))
    return out


def saved_loss(folder: Path, seed: int) -> float:
    """Return the held-out loss (nats per assistant token) of the weights as they are saved."""
    import torch
    from transformers import AutoTokenizer, LlamaForCausalLM

    from training.train import held_out_loss

    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = LlamaForCausalLM.from_pretrained(folder, dtype=torch.float32)
    return held_out_loss(model.eval(), tokenizer, seed)


def rates(briefs: Sequence[Brief], given: Sequence[Answer]) -> Rates:
    """Return the rates of `given`, answer by answer the reply to `briefs`."""
    pairs = list(zip(briefs, given, strict=True))
    checks = [_checks(brief, answer) for brief, answer in pairs]
    found = [word for answer in given for word in words(answer.text)]
    bigrams = list(zip(found, found[1:], strict=False))
    return Rates(
        answers=len(pairs),
        copied=_mean([brief.topic.casefold() in answer.text.casefold() for brief, answer in pairs]),
        ended=_mean([check[0] for check in checks]),
        within_limit=_mean([check[1] for check in checks]),
        hashtags=_mean([check[2] for check in checks]),
        emoji=_mean([check[3] for check in checks]),
        valid=_mean([all(check) for check in checks]),
        posted=_mean([_posted(brief, answer) for brief, answer in pairs]),
        distinct_1=_mean([True] * len(set(found)) + [False] * (len(found) - len(set(found)))),
        distinct_2=_mean([True] * len(set(bigrams)) + [False] * (len(bigrams) - len(set(bigrams)))),
        unique=len({answer.text for answer in given}) / max(1, len(given)),
        tokens=sum(answer.tokens for answer in given) / max(1, len(given)),
    )


def _checks(brief: Brief, answer: Answer) -> tuple[bool, bool, bool, bool]:
    tags = [tag.casefold() for tag in tags_in(answer.text)]
    return (
        answer.ended,
        len(answer.text) <= platform(brief.platform).max_chars,
        len(tags) == len(set(tags)) == brief.hashtags,
        bool(emoji_in(answer.text)) == brief.emoji,
    )


def _posted(brief: Brief, answer: Answer) -> bool:
    """Whether the answer is valid once the content pipeline has cleaned it up, as users see it."""
    finished = finish(brief, answer.text)
    return all(_checks(brief, Answer(finished.text, answer.ended, answer.tokens)))


def _mean(flags: Sequence[bool]) -> float:
    return sum(flags) / max(1, len(flags))
