"""What the evaluation counts, and that the card says it."""

import json
from pathlib import Path

from deployments.content.brief import Brief
from training.card import render_card
from training.evaluate import held_out_briefs, measure_answers
from training.sampling import SampledAnswer
from training.train import Recipe


def test_rates_count_what_they_say() -> None:
    brief = Brief("a tea room", platform="x", hashtags=1, emoji=True)
    good = SampledAnswer("Meet A Tea Room! ☕ #Tea", True, 9)
    cut = SampledAnswer("Meet a tea room! ☕ #Tea #Two", False, 9)
    measured = measure_answers([brief, brief], [good, cut])
    assert (measured.copied, measured.ended, measured.hashtags, measured.valid) == (
        1,
        0.5,
        0.5,
        0.5,
    )
    assert measured.emoji == measured.within_limit == 1


def test_held_out_briefs_cover_the_registries() -> None:
    briefs = held_out_briefs(7, 200)
    assert held_out_briefs(7, 20) == held_out_briefs(7, 20)
    assert len({brief.platform for brief in briefs}) == 8
    assert len({brief.style for brief in briefs}) == 8


def test_the_card_carries_the_figures() -> None:
    rate = dict.fromkeys(
        ("copied", "ended", "within_limit", "hashtags", "emoji", "valid", "posted"), 0.987
    )
    rate |= {"unique": 1.0, "distinct_1": 0.2, "distinct_2": 0.5, "answers": 200, "tokens": 50}
    measured = {
        "sampled": {"temperature": 0.8, "top_p": 0.95, **rate},
        "greedy": rate,
        "everyday": rate,
        "held_out_loss": 0.5678,
        "different_texts_of_20_for_one_prompt": 19,
        "examples": [{"prompt": "Write.", "text": "Text."}],
    }
    config = {
        "hidden_size": 256,
        "num_hidden_layers": 6,
        "num_attention_heads": 8,
        "num_key_value_heads": 4,
        "vocab_size": 3072,
        "max_position_embeddings": 1024,
    }
    recipe = {"tokens": 4096, "threads": 2, "rate": 2e-3, "seed": Recipe().seed, "minutes": None}
    training = {"recipe": recipe, "run": {"steps": 9, "seconds": 60.0}, "parameters": 4_900_000}
    text = render_card(config, training, measured)
    for figure in ("98.7%", "0.568", "4.9 million", "not for production", "Text."):
        assert figure in text


def test_the_shipped_card_is_what_the_recipe_writes_from_its_figures() -> None:
    shipped = Path(__file__).parents[3] / "deployments" / "model" / "nano"
    config, training, measured = (
        json.loads((shipped / f"{name}.json").read_text())
        for name in ("config", "training", "evaluation")
    )
    assert render_card(config, training, measured) == (shipped / "README.md").read_text()
