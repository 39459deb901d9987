"""The model card: measured numbers in, README.md out, by the template card.md.

Every figure on it comes from config.json, training.json or evaluation.json.
"""

from pathlib import Path
from typing import Any

from training.sampling import MAX_TOKENS

_CARD = Path(__file__).with_name("card.md")

_ROWS = {
    "copied": "Topic copied word for word",
    "valid": "Valid",
    "posted": "Valid after Mobula's clean-up",
    "ended": "Closed by the model",
    "within_limit": "Within the platform's limit",
    "hashtags": "Exact number of hashtags",
    "emoji": "Emoji as asked",
    "unique": "Different texts",
    "distinct_1": "Distinct words",
    "distinct_2": "Distinct word pairs",
}


def render_card(config: dict[str, Any], training: dict[str, Any], measured: dict[str, Any]) -> str:
    """Return the card's text. `config` is config.json's content, the others those of training.json
    and evaluation.json.
    """
    from deployments.content.platforms import platforms
    from deployments.content.styles import styles, tones

    recipe, run = training["recipe"], training["run"]
    sampled, greedy = measured["sampled"], measured["greedy"]
    everyday, minutes = measured["everyday"], recipe["minutes"]
    return _CARD.read_text().format(
        parameters=f"{training['parameters'] / 1e6:.1f} million",
        width=config["hidden_size"],
        layers=config["num_hidden_layers"],
        heads=config["num_attention_heads"],
        kv_heads=config["num_key_value_heads"],
        vocabulary=f"{config['vocab_size']:,}",
        context=f"{config['max_position_embeddings']:,}",
        steps=run["steps"],
        batch=f"{recipe['tokens']:,}",
        minutes=run["seconds"] / 60,
        threads=recipe["threads"],
        rate=recipe["rate"],
        seed=recipe["seed"],
        platforms=len(platforms()),
        styles=len(styles()),
        tones=len(tones()),
        answers=sampled["answers"],
        temperature=sampled["temperature"],
        top_p=sampled["top_p"],
        rows="\n".join(
            f"| {label} | {sampled[key]:.1%} | {greedy[key]:.1%} | {everyday[key]:.1%} |"
            for key, label in _ROWS.items()
        ),
        loss=measured["held_out_loss"],
        different=measured["different_texts_of_20_for_one_prompt"],
        most=MAX_TOKENS,
        samples="\n\n".join(_sample(example) for example in measured["examples"]),
        note=training.get("note", ""),
        schedule=f"the shipped run was given {minutes:g} minutes" if minutes else "by steps",
    )


def write_card(folder: Path) -> None:
    """Write `folder`/README.md from the JSON files beside it."""
    import json

    read = {
        name: json.loads((folder / f"{name}.json").read_text())
        for name in ("config", "training", "evaluation")
    }
    (folder / "README.md").write_text(
        render_card(read["config"], read["training"], read["evaluation"])
    )


def _sample(example: dict[str, str]) -> str:
    ask = "\n".join(f"> {line}  " for line in example["prompt"].splitlines())
    return f"{ask}\n\n```text\n{example['text']}\n```"
