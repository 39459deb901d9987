"""The whole recipe of nano: a `Recipe` in, a folder with weights, tokenizer and IR out."""

import json
import shutil
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from training.card import write_card
from training.evaluate import evaluate
from training.model import build_model, save_model
from training.tokenizer import build_tokenizer
from training.train import Recipe, train


def build_nano(
    recipe: Recipe,
    out: Path,
    work: Path,
    *,
    clock: Callable[[], float],
    log: Callable[[str], None],
    export: bool = True,
) -> None:
    """Train, save in bfloat16, export and evaluate; checkpoints go to `work`, and a run that finds
    one there goes on from it.
    """
    tokenizer = _tokenizer(recipe.seed, work / "tokenizer", log)
    model = build_model(tokenizer, recipe.seed)
    log(f"training {model.num_parameters():,} parameters")
    run = train(model, tokenizer, recipe, work, clock, log)
    save_model(model, tokenizer, out)
    report = {"recipe": asdict(recipe), "run": asdict(run), "parameters": model.num_parameters()}
    (out / "training.json").write_text(json.dumps(report, indent=2) + "\n")
    log(f"{run.steps} steps in {run.seconds / 60:.1f} min, last loss {run.loss:.3f}")
    if export:
        from deployments.model.export import export_openvino

        log("exporting to OpenVINO")
        shutil.rmtree(out / "openvino", ignore_errors=True)
        export_openvino(out, out / "openvino", exporter=work / "exporter")
        evaluate_nano(out, recipe.seed, log)


def evaluate_nano(folder: Path, seed: int, log: Callable[[str], None]) -> None:
    """Evaluate the finished model in `folder`; writes evaluation.json and the card beside it."""
    log("evaluating on held-out topics")
    measured = evaluate(folder, seed)
    (folder / "evaluation.json").write_text(
        json.dumps(measured, indent=2, ensure_ascii=False) + "\n"
    )
    write_card(folder)
    for name in ("sampled", "greedy", "everyday"):
        row = measured[name]
        log(f"{name}: copied {row['copied']:.1%}, valid {row['valid']:.1%}")


def _tokenizer(seed: int, folder: Path, log: Callable[[str], None]) -> Any:
    """Load the tokenizer that an interrupted run trained, or train it."""
    from transformers import PreTrainedTokenizerFast

    if not (folder / "tokenizer.json").exists():
        log("training the tokenizer")
        build_tokenizer(seed).save_pretrained(folder)
    tokenizer = PreTrainedTokenizerFast.from_pretrained(folder)
    for key in ("is_local", "local_files_only"):  # how it was loaded is not part of what it is
        tokenizer.init_kwargs.pop(key, None)
    return tokenizer
