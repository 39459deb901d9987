"""The grammar is deterministic, keeps its splits apart, and every answer obeys its own request."""

import hashlib
import json
import random

import pytest

from deployments.content.cleanup import extract_hashtags
from deployments.content.platforms import platform
from deployments.text.graphemes import emoji_in
from training.grammar.banks import SENTENCES, STYLES, WORDS, subwords, vocabulary
from training.grammar.chats import GeneratedChat, draw_chat, draw_product_chat
from training.grammar.sentences import expand
from training.grammar.topics import Split, Topic, add_article, draw_topic, invent, split_of


def chats(count: int, split: Split = "train", name: str = "test") -> list[GeneratedChat]:
    return [draw_chat(random.Random(f"{name}:{index}"), split) for index in range(count)]


def test_the_same_seed_gives_the_same_chats() -> None:
    assert chats(200) == chats(200)
    assert chats(50, name="one") != chats(50, name="two")


@pytest.mark.parametrize(
    ("split", "count", "expected"),
    [
        ("train", 200, "e5cfed37d3284afb1beaa69827b94172671d46cc91a656312cc20389c280fb33"),
        ("held-out", 200, "4532449e44ed4576497b5b88b1161b7fa90ea35c4b233a96baaf03b383827bb5"),
        pytest.param(
            "train",
            1_000,
            "ae7f923791b4b8df205c06abfc0352ee0d5434c05fff7fce16c5e5aff7278c06",
            marks=pytest.mark.exhaustive,
        ),
        pytest.param(
            "held-out",
            1_000,
            "cf51623afb82b04e513785fee0e91d1b256dbfd1f3c0c27304208f6c28d40adc",
            marks=pytest.mark.exhaustive,
        ),
    ],
)
def test_the_corpus_of_a_seed_is_the_one_that_trained_the_shipped_model(
    split: Split, count: int, expected: str
) -> None:
    """Its bytes depend on each entry of the banks and on their order: a changed bank is a new
    model.
    """
    digest = hashlib.sha256()
    for sample in chats(count, split, f"7:{split}"):
        digest.update(json.dumps(sample.messages, ensure_ascii=False).encode() + b"\n")
    assert digest.hexdigest() == expected


def test_words_of_the_banks_and_subwords_of_the_tokenizer_vary_the_topics() -> None:
    assert {"acorn", "zucchini", "espresso", "patience"} <= set(vocabulary())
    first, rest = subwords()
    assert len(first) > 1_000
    assert not any(" " in part for part in (*first, *rest))


@pytest.mark.parametrize("count", [100, pytest.param(1_500, marks=pytest.mark.exhaustive)])
def test_training_and_held_out_topics_share_no_text(count: int) -> None:
    drawn: dict[Split, set[str]] = {"train": set(), "held-out": set()}
    for split, seen in drawn.items():
        rng = random.Random(1)
        seen.update(draw_topic(rng, split).text.casefold() for _ in range(count))
    assert not drawn["train"] & drawn["held-out"]


def test_every_bank_has_words_for_training() -> None:
    groups = (WORDS.nouns, WORDS.plurals, WORDS.gerunds)
    banks = [bank for group in groups for bank in group.values()]
    singles = (
        WORDS.adjectives,
        WORDS.places,
        WORDS.endings,
        WORDS.first_names,
        WORDS.business_nouns,
    )
    for bank in (*banks, *singles):
        assert "train" in {split_of(word) for word in bank}
    assert "held-out" in {split_of(word) for word in WORDS.adjectives}


def test_an_invented_word_stays_on_its_side() -> None:
    rng = random.Random(2)
    assert {split_of(invent(rng, "train")) for _ in range(300)} == {"train"}
    assert {split_of(invent(rng, "held-out")) for _ in range(100)} == {"held-out"}


@pytest.mark.parametrize("count", [200, pytest.param(600, marks=pytest.mark.exhaustive)])
@pytest.mark.parametrize("split", ["train", "held-out"])
def test_every_answer_obeys_its_request(split: Split, count: int) -> None:
    for sample in chats(count, split):
        if sample.text is None or sample.brief is None or sample.topic is None:
            continue
        text = sample.messages[-1]["content"]
        brief = sample.brief
        assert text == sample.text.render()
        assert sample.topic.text.casefold() in text.casefold()
        assert len(extract_hashtags(text)) == brief.hashtags
        assert len({tag.casefold() for tag in extract_hashtags(text)}) == brief.hashtags
        assert bool(emoji_in(text)) == brief.emoji
        assert "{" not in text.replace(sample.topic.text, "")


def test_first_answers_fit_their_platform_and_call_to_action() -> None:
    calls = {
        call.split()[0]
        for bank in (*SENTENCES.platform_calls.values(), SENTENCES.any_calls)
        for call in bank
    }
    for index in range(300):
        sample = draw_product_chat(random.Random(index), "train")
        assert sample.brief is not None
        assert sample.text is not None
        assert len(sample.text.render()) <= platform(sample.brief.platform).max_chars
        if sample.brief.call_to_action:
            assert sample.text.paragraphs[-1][-1].split()[0] in calls


def test_a_chat_alternates_and_ends_with_the_assistant() -> None:
    for sample in chats(300):
        roles = [turn["role"] for turn in sample.messages if turn["role"] != "system"]
        assert roles == ["user", "assistant"] * (len(roles) // 2)


@pytest.mark.parametrize("name", sorted(STYLES))
def test_every_style_can_speak_of_any_kind_of_topic(name: str) -> None:
    bank = STYLES[name]
    assert sum(hook.startswith("~") for hook in bank.hooks) >= 6
    assert all("{t}" in hook or "{T}" in hook for hook in bank.hooks)
    assert len(set(bank.lines)) == len(bank.lines)


def test_verbs_and_pronouns_agree_with_the_topic() -> None:
    template = "{T} {is} here, and {it} make{s} us smile."
    rng = random.Random(0)
    one, many = Topic("a zoo", "one", True, None), Topic("our zoos", "many", True, None)
    assert expand(rng, template, one) == "A zoo is here, and it makes us smile."
    assert expand(rng, template, many) == "Our zoos are here, and they make us smile."


@pytest.mark.parametrize(("word", "phrase"), [("oven", "an oven"), ("X", "an X"), ("tea", "a tea")])
def test_articles(word: str, phrase: str) -> None:
    assert add_article(word) == phrase
