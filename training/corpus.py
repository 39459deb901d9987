"""Corpus: seeded chats in, token ids with loss labels out, batched by length.

A batch holds about the same number of tokens whatever its length, rows are padded on the right, and
only the assistant's tokens (its closing `<|end|>` included) carry a label; every other label is
-100.
"""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from deployments.content.prompts import Turn
from training.grammar.chats import Sample, draw_chat
from training.grammar.topics import Split

LENGTHS = (64, 96, 128, 192, 256, 384)
IGNORED = -100
COPIED = 6.0


Place = tuple[int, int]  # (pool, batch within the pool)


@dataclass(frozen=True, slots=True)
class Row:
    """One chat: token ids, labels and the weight of each label in the loss, of equal length."""

    ids: tuple[int, ...]
    labels: tuple[int, ...]
    weights: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows padded to one of `LENGTHS`: two lists of shape (rows, length)."""

    ids: list[list[int]]
    labels: list[list[int]]
    weights: list[list[float]]


def row(tokenizer: Any, messages: Sequence[Turn], copied: Sequence[str] = ()) -> Row:
    """Encode a chat as the template renders it, labelling the assistant's tokens.

    Tokens that spell one of the phrases `copied` weigh `COPIED`, all others 1.
    """
    end = tokenizer.eos_token_id
    ids, labels, weights = [tokenizer.bos_token_id], [IGNORED], [1.0]
    for message in messages:
        text = message["content"].strip()
        coded = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
        body = [*coded["input_ids"], end]
        learned = message["role"] == "assistant"
        ids += [tokenizer.convert_tokens_to_ids(f"<|{message['role']}|>"), *body]
        labels += [IGNORED, *(body if learned else [IGNORED] * len(body))]
        weights += [1.0, *_weights(text, coded["offset_mapping"], copied), 1.0]
    return Row(tuple(ids), tuple(labels), tuple(weights))


def _weights(text: str, offsets: Sequence[tuple[int, int]], copied: Sequence[str]) -> list[float]:
    folded, spans = text.lower(), []
    for phrase in copied:
        start = folded.find(phrase.lower())
        while start >= 0:
            spans.append((start, start + len(phrase)))
            start = folded.find(phrase.lower(), start + 1)
    return [
        COPIED if any(start < right and end > left for left, right in spans) else 1.0
        for start, end in offsets
    ]


def pool(
    tokenizer: Any, seed: int, index: int, split: Split = "train", size: int = 4_096
) -> list[Row]:
    """Return the `index`-th pool of `size` rows; rows longer than the last bucket are left out."""
    first = index * size
    chats = (draw_chat(random.Random(f"{seed}:{split}:{first + i}"), split) for i in range(size))
    rows = (row(tokenizer, chat.messages, _copied(chat)) for chat in chats)
    return [r for r in rows if len(r.ids) <= LENGTHS[-1]]


def _copied(chat: Sample) -> list[str]:
    """Return the phrases of a request that its answer repeats word for word."""
    if chat.topic is None or chat.brief is None:
        return []
    return [chat.topic.text, *filter(None, [chat.brief.audience]), *chat.brief.keywords]


def batches(rows: Sequence[Row], tokens: int, rng: random.Random, pad: int) -> list[Batch]:
    """Cut rows into batches of one length each, about `tokens` tokens large, in random order; odd
    rows are left out.
    """
    made: list[Batch] = []
    shortest = 0
    for length in LENGTHS:
        group = [r for r in rows if shortest < len(r.ids) <= length]
        shortest, count = length, tokens // length
        rng.shuffle(group)
        made += [
            _padded(group[i : i + count], length, pad)
            for i in range(0, len(group) - count + 1, count)
        ]
    rng.shuffle(made)
    return made


def stream(
    tokenizer: Any, seed: int, tokens: int, start: Place = (0, 0)
) -> Iterator[tuple[Place, Batch]]:
    """Yield training batches for ever, each with the place of the batch after it."""
    index, first = start
    while True:
        order = random.Random(f"{seed}:order:{index}")
        made = batches(pool(tokenizer, seed, index), tokens, order, tokenizer.pad_token_id)
        for number in range(first, len(made)):
            yield (index, number + 1), made[number]
        index, first = index + 1, 0


def _padded(rows: Sequence[Row], length: int, pad: int) -> Batch:
    return Batch(
        [[*r.ids, *[pad] * (length - len(r.ids))] for r in rows],
        [[*r.labels, *[IGNORED] * (length - len(r.labels))] for r in rows],
        [[*r.weights, *[1.0] * (length - len(r.weights))] for r in rows],
    )
