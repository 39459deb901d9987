"""The shipped tokenizer, its chat template, and the rows that training sees."""

import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.content.brief import Brief
from deployments.content.prompts import messages
from training.corpus import IGNORED_LABEL, LENGTHS, draw_pool, encode_chat, make_batches
from training.grammar.chats import draw_chat

SHIPPED = Path(__file__).parents[3] / "deployments" / "model" / "nano"


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    from transformers import PreTrainedTokenizerFast

    return PreTrainedTokenizerFast.from_pretrained(SHIPPED)


@given(text=st.text())
def test_any_text_round_trips(tokenizer: Any, text: str) -> None:
    assert tokenizer.decode(tokenizer.encode(text, add_special_tokens=False)) == text


def test_emoji_and_scripts_round_trip(tokenizer: Any) -> None:
    for text in ("☕ 👩‍👩‍👧‍👦 🇩🇪 1️⃣", "naïve Ærø 東京 العربية", "  two  spaces\n\n\tand tabs "):
        assert tokenizer.decode(tokenizer.encode(text, add_special_tokens=False)) == text


def test_the_template_ends_where_the_assistant_begins(tokenizer: Any) -> None:
    text = tokenizer.apply_chat_template(
        messages(Brief("tea")), tokenize=False, add_generation_prompt=True
    )
    assert text.startswith("<|bos|><|system|>")
    assert text.endswith("<|end|><|assistant|>")


def test_a_row_is_what_the_template_renders(tokenizer: Any) -> None:
    for index in range(50):
        chat = list(draw_chat(random.Random(index)).messages)
        rendered = tokenizer.apply_chat_template(chat, return_dict=False)
        assert encode_chat(tokenizer, chat).ids == tuple(rendered)


def test_only_the_assistant_is_learned(tokenizer: Any) -> None:
    made = encode_chat(
        tokenizer, [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "Hello!"}]
    )
    learned = [label for label in made.labels if label != IGNORED_LABEL]
    assert tokenizer.decode(learned) == "Hello!<|end|>"


def test_batches_are_rectangles_of_one_size(tokenizer: Any) -> None:
    rows = draw_pool(tokenizer, 3, 0, size=80)
    assert rows == draw_pool(tokenizer, 3, 0, size=80)
    for batch in make_batches(rows, 512, random.Random(0), tokenizer.pad_token_id):
        lengths = {len(ids) for ids in batch.ids}
        assert lengths == {len(labels) for labels in batch.labels}
        assert lengths <= set(LENGTHS)
        assert len(batch.ids) * lengths.pop() <= 512


def test_the_shipped_model_is_whole_and_small() -> None:
    for name in ("config.json", "model.safetensors", "generation_config.json", "README.md"):
        assert (SHIPPED / name).is_file()
    assert (SHIPPED / "openvino" / "openvino_model.xml").is_file()
    assert sum(path.stat().st_size for path in SHIPPED.rglob("*")) < 30 * 2**20
