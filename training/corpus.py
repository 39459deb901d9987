"""Corpus: seeded chats in, token ids with loss labels out, batched by length.

A batch holds about the same number of tokens whatever its length, rows are padded on the right, and
only the assistant's tokens (its closing `<|end|>` included) carry a label; every other label is
-100.
"""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from deployments.content.prompts import ChatMessage
from training.grammar.chats import GeneratedChat, draw_chat
from training.grammar.topics import Split

LENGTHS = (64, 96, 128, 192, 256, 384)
IGNORED_LABEL = -100
COPIED_WEIGHT = 6.0


CorpusPosition = tuple[int, int]  # (pool, batch within the pool)


@dataclass(frozen=True, slots=True)
class EncodedChat:
    """One chat: token ids, labels and the weight of each label in the loss, of equal length."""

    ids: tuple[int, ...]
    labels: tuple[int, ...]
    weights: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class TrainingBatch:
    """Rows padded to one of `LENGTHS`: two lists of shape (rows, length)."""

    ids: list[list[int]]
    labels: list[list[int]]
    weights: list[list[float]]


def encode_chat(
    tokenizer: Any, messages: Sequence[ChatMessage], copied: Sequence[str] = ()
) -> EncodedChat:
    """Encode a chat as the template renders it, labelling the assistant's tokens.

    Tokens that spell one of the phrases `copied` weigh `COPIED_WEIGHT`, all others 1.
    """
    end = tokenizer.eos_token_id
    ids, labels, weights = [tokenizer.bos_token_id], [IGNORED_LABEL], [1.0]
    for message in messages:
        text = message["content"].strip()
        encoded = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
        body = [*encoded["input_ids"], end]
        learned = message["role"] == "assistant"
        ids += [tokenizer.convert_tokens_to_ids(f"<|{message['role']}|>"), *body]
        labels += [IGNORED_LABEL, *(body if learned else [IGNORED_LABEL] * len(body))]
        weights += [1.0, *_label_weights(text, encoded["offset_mapping"], copied), 1.0]
    return EncodedChat(tuple(ids), tuple(labels), tuple(weights))


def _label_weights(
    text: str, offsets: Sequence[tuple[int, int]], copied: Sequence[str]
) -> list[float]:
    folded, spans = text.lower(), []
    for phrase in copied:
        start = folded.find(phrase.lower())
        while start >= 0:
            spans.append((start, start + len(phrase)))
            start = folded.find(phrase.lower(), start + 1)
    return [
        COPIED_WEIGHT if any(start < right and end > left for left, right in spans) else 1.0
        for start, end in offsets
    ]


def draw_pool(
    tokenizer: Any, seed: int, index: int, split: Split = "train", size: int = 4_096
) -> list[EncodedChat]:
    """Return the `index`-th pool of `size` rows; rows longer than the last bucket are left out."""
    first = index * size
    chats = (draw_chat(random.Random(f"{seed}:{split}:{first + i}"), split) for i in range(size))
    rows = (encode_chat(tokenizer, chat.messages, _copied_phrases(chat)) for chat in chats)
    return [r for r in rows if len(r.ids) <= LENGTHS[-1]]


def _copied_phrases(chat: GeneratedChat) -> list[str]:
    """Return the phrases of a request that its answer repeats word for word."""
    if chat.topic is None or chat.brief is None:
        return []
    return [chat.topic.text, *filter(None, [chat.brief.audience]), *chat.brief.keywords]


def make_batches(
    rows: Sequence[EncodedChat], tokens: int, rng: random.Random, pad: int
) -> list[TrainingBatch]:
    """Cut rows into batches of one length each, about `tokens` tokens large, in random order; odd
    rows are left out.
    """
    batches: list[TrainingBatch] = []
    shortest = 0
    for length in LENGTHS:
        group = [r for r in rows if shortest < len(r.ids) <= length]
        shortest, count = length, tokens // length
        rng.shuffle(group)
        batches += [
            _pad_rows(group[i : i + count], length, pad)
            for i in range(0, len(group) - count + 1, count)
        ]
    rng.shuffle(batches)
    return batches


def stream_batches(
    tokenizer: Any, seed: int, tokens: int, start: CorpusPosition = (0, 0)
) -> Iterator[tuple[CorpusPosition, TrainingBatch]]:
    """Yield training batches for ever, each with the position of the batch after it."""
    index, first = start
    while True:
        order = random.Random(f"{seed}:order:{index}")
        batches = make_batches(
            draw_pool(tokenizer, seed, index), tokens, order, tokenizer.pad_token_id
        )
        for number in range(first, len(batches)):
            yield (index, number + 1), batches[number]
        index, first = index + 1, 0


def _pad_rows(rows: Sequence[EncodedChat], length: int, pad: int) -> TrainingBatch:
    return TrainingBatch(
        [[*r.ids, *[pad] * (length - len(r.ids))] for r in rows],
        [[*r.labels, *[IGNORED_LABEL] * (length - len(r.labels))] for r in rows],
        [[*r.weights, *[1.0] * (length - len(r.weights))] for r in rows],
    )
