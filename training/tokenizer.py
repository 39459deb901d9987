"""Tokenizer: grammar text in, a byte-level BPE tokenizer with its chat template out, saved in the
Hugging Face layout.
"""

import random
from collections.abc import Iterator
from typing import TYPE_CHECKING

from training.grammar.chats import draw_chat

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

PAD, BOS, END = "<|pad|>", "<|bos|>", "<|end|>"
ROLES = ("<|system|>", "<|user|>", "<|assistant|>")
VOCABULARY = 3_072
CONTEXT = 1_024

CHAT_TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}"
    "{% if message['role'] not in ['system', 'user', 'assistant'] %}"
    "{{ raise_exception('the roles are system, user and assistant') }}{% endif %}"
    "<|{{ message['role'] }}|>{{ message['content'] | trim }}<|end|>"
    "{% endfor %}{% if add_generation_prompt %}<|assistant|>{% endif %}"
)

# A word keeps the space before it; CamelCase is cut at its capitals, so that hashtags share tokens
# with words; digits stand alone.
_PIECES = (
    r"'(?:s|t|re|ve|m|ll|d)| ?\p{Lu}\p{Ll}*| ?\p{Ll}+| ?[\p{Lt}\p{Lm}\p{Lo}\p{M}]+| ?\p{N}"
    r"| ?[^\s\p{L}\p{N}\p{M}]+|\s+(?!\S)|\s+"
)


def texts(seed: int, count: int) -> Iterator[str]:
    """Yield the message texts of `count` seeded training chats."""
    for index in range(count):
        for message in draw_chat(random.Random(f"{seed}:tokenizer:{index}")).messages:
            yield message["content"]


def build_tokenizer(seed: int, chats: int = 20_000) -> "PreTrainedTokenizerFast":
    """Train the tokenizer; the same seed gives the same vocabulary."""
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    core = Tokenizer(models.BPE())
    core.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_PIECES), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    core.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=[PAD, BOS, END, *ROLES],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    core.train_from_iterator(texts(seed, chats), trainer)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=core,
        bos_token=BOS,
        eos_token=END,
        pad_token=PAD,
        additional_special_tokens=list(ROLES),
        model_max_length=CONTEXT,
        clean_up_tokenization_spaces=False,
        padding_side="left",
    )
    tokenizer.chat_template = CHAT_TEMPLATE
    return tokenizer
