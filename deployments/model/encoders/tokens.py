"""Texts to the token sequences of an encoder model, and sequences to the arrays of a batch.

In: texts, pairs, or a caller's ids. Out: `TokenSequence`s without padding. The tokenizer is read
with the `tokenizers` library, whose batch methods release the global lock.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deployments.model.encoders.facts import EncoderFacts
from deployments.model.text.hf_tokenizer import load_tokenizer
from deployments.model.text.tokenization import check_ids

Integers = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class TokenSequence:
    """`type_ids` tell the texts of a pair apart (empty: all 0). The first `prompt_tokens` are a
    prompt that the model put before the text."""

    ids: Sequence[int]
    type_ids: Sequence[int] = ()
    prompt_tokens: int = 0

    def __len__(self) -> int:
        return len(self.ids)


class EncoderTokenizer:
    """May be used by several threads."""

    def __init__(self, folder: Path, facts: EncoderFacts) -> None:
        """Raises FileNotFoundError when `folder` holds no tokenizer that can be read."""
        self._whole = load_tokenizer(folder)
        self._whole.no_truncation()
        self._whole.no_padding()
        self._facts = facts
        added = self._whole.get_added_tokens_decoder()
        self._special = {token for token, entry in added.items() if entry.special}
        self.size: int = self._whole.get_vocab_size()

    def encode(
        self, texts: Sequence[str], prompt: str = "", *, cut: bool = False
    ) -> list[TokenSequence]:
        """One sequence a text, special tokens included; `cut` to the model's length, or whole."""
        tokenizer = self._cut if cut else self._whole
        before = self._prompt_tokens(prompt)
        encoded = tokenizer.encode_batch_fast([self._text(prompt + text) for text in texts])
        return [TokenSequence(each.ids, (), before) for each in encoded]

    def encode_pairs(self, first: str, seconds: Sequence[str]) -> list[TokenSequence]:
        """`first` with each of `seconds`, which is cut where both exceed the model's length."""
        start = self._text(first)
        pairs = [(start, self._text(second)) for second in seconds]
        encoded = self._cut_pairs.encode_batch_fast(pairs)
        return [TokenSequence(each.ids, each.type_ids) for each in encoded]

    def encode_windows(self, texts: Sequence[str]) -> tuple[list[TokenSequence], list[int]]:
        """Each text in as many sequences as it needs for the model's length, and where those of
        each text begin."""
        sequences: list[TokenSequence] = []
        starts: list[int] = []
        for each in self._cut.encode_batch_fast([self._text(text) for text in texts]):
            starts.append(len(sequences))
            sequences += [TokenSequence(part.ids) for part in (each, *each.overflowing)]
        return sequences, starts

    def ids(self, text: str, *, special: bool) -> list[int]:
        [encoded] = self._whole.encode_batch_fast([self._text(text)], add_special_tokens=special)
        ids: list[int] = encoded.ids
        return ids

    def name(self, token: int) -> str:
        return str(self._whole.id_to_token(token) or "")

    def decode(self, ids: Sequence[int]) -> str:
        """The text of `ids`, with the names of special tokens."""
        return str(self._whole.decode(list(ids), skip_special_tokens=False))

    def check(self, ids: Sequence[int], param: str, model: str) -> None:
        """Raises InvalidRequest for an id that the vocabulary does not have."""
        check_ids(ids, self.size, param, model)

    @cached_property
    def _cut(self) -> Any:
        return self._copy("longest_first")

    @cached_property
    def _cut_pairs(self) -> Any:
        return self._copy("only_second")

    def _copy(self, strategy: str) -> Any:
        copied = type(self._whole).from_str(self._whole.to_str())
        copied.enable_truncation(self._facts.max_tokens, strategy=strategy)
        return copied

    def _text(self, text: str) -> str:
        return text.lower() if self._facts.lowercase else text

    def _prompt_tokens(self, prompt: str) -> int:
        if not prompt:
            return 0
        ids = self.ids(prompt, special=True)
        return len(ids) - (ids[-1] in self._special)


def pad(
    sequences: Sequence[TokenSequence], facts: EncoderFacts, step: int = 1
) -> dict[str, Integers]:
    """The model's input tensors, padded at the end to the longest sequence, or up to the next
    multiple of `step` as far as the model reads."""
    longest = max(map(len, sequences))
    width = max(longest, min(facts.max_tokens, longest + -longest % step))
    shape = (len(sequences), width)
    arrays: dict[str, Any] = {
        "input_ids": np.full(shape, facts.pad_id, dtype=np.int64),
        "attention_mask": np.zeros(shape, dtype=np.int64),
        "token_type_ids": np.zeros(shape, dtype=np.int64),
    }
    for row, sequence in enumerate(sequences):
        size = len(sequence)
        arrays["input_ids"][row, :size] = sequence.ids
        arrays["attention_mask"][row, :size] = 1
        if sequence.type_ids:
            arrays["token_type_ids"][row, :size] = sequence.type_ids
    return {name: arrays[name] for name in facts.inputs}
